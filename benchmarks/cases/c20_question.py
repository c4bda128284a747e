"""A tool that asks its client back."""

from benchmarks.case import Case, Measure, Variant

CASE = Case(
    name="question",
    title="Elicitation and sampling inside a tool, in process",
    says="one tools/call whose handler asks its client one question, which a handler answers at once",
    measures=(
        Measure("elicit", "elicitation, one after another"),
        Measure("sample", "sampling, one after another"),
        Measure("hundred", "elicitation, 100 at once", better="rate"),
    ),
    variants=(
        Variant("ours 2025", "ours_question.py", ("2025-11-25",)),
        Variant("ours 2026", "ours_question.py", ("2026-07-28",), note="the handler runs twice; the state is sealed"),
        Variant("mcp 2025", "mcp_question.py", ("legacy",), env="mcp"),
        Variant("mcp 2026", "mcp_question.py", ("rounds",), env="mcp", note="written by hand; nothing is sealed"),
        Variant("mcp 2026 resolvers", "mcp_question.py", ("resolve",), env="mcp", quick=False),
        Variant("ts 2025", "question.mjs", ("legacy",), env="node"),
        Variant("ts 2026", "question.mjs", ("2026-07-28",), env="node", note="written by hand; nothing is sealed"),
    ),
    peer="mcp 2025",
    quick=True,
)
