"""The hot path: one tool call, nothing in between."""

from benchmarks.case import HUNDRED, ONE, Case, Variant

CASE = Case(
    name="call",
    title="Tool call in process",
    says="one tools/call of echo(text, n) -> text, arguments and result validated, no bytes in between",
    measures=(ONE, HUNDRED),
    variants=(
        Variant("ours 2025", "ours_call.py", ("2025-11-25",)),
        Variant("ours 2026", "ours_call.py", ("2026-07-28",)),
        Variant("ours 2025 500 tools", "ours_call.py", ("2025-11-25", "500"), quick=False),
        Variant("ours 2026 500 tools", "ours_call.py", ("2026-07-28", "500"), quick=False),
        Variant("mcp 2025", "mcp_call.py", ("legacy",), env="mcp"),
        Variant("mcp 2026", "mcp_call.py", ("auto",), env="mcp", quick=False),
        Variant("mcp 2025 500 tools", "mcp_call.py", ("legacy", "500"), env="mcp", quick=False),
        Variant("fastmcp", "fastmcp_call.py", env="fastmcp", quick=False),
        Variant("ts 2025", "call.mjs", ("legacy",), env="node"),
        Variant("ts 2026", "call.mjs", ("2026-07-28",), env="node", quick=False),
        Variant("zcp", "zcp_call.py", env="zcp", note="a function call: nothing else runs meanwhile"),
        Variant("zcp 50 tools", "zcp_call.py", ("50",), env="zcp", quick=False),
        Variant("floor hop", "floor_call.py", ("hop",)),
        Variant("floor channels", "floor_call.py", ("channels",), quick=False),
        Variant("floor direct", "floor_call.py", ("direct",), quick=False),
    ),
    peer="mcp 2025",
    floor="floor hop",
    quick=True,
)
