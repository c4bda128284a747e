"""The cancelling of a plain call."""

from benchmarks.case import Case, Measure, Variant

CASE = Case(
    name="cancel",
    title="Cancelling a call in process",
    says="the caller of a tools/call is cancelled: time until the handler's finally has run, until the caller is out",
    measures=(
        Measure("stop", "cancel to handler stopped", seconds=0.5),
        Measure("return", "cancel to caller returned", seconds=0.5),
    ),
    variants=(
        Variant("ours 2025", "ours_cancel.py", ("2025-11-25",)),
        Variant("ours 2026", "ours_cancel.py", ("2026-07-28",)),
        Variant("mcp 2025", "mcp_cancel.py", ("legacy", "asyncio"), env="mcp"),
        Variant("mcp 2026", "mcp_cancel.py", ("auto", "asyncio"), env="mcp"),
        Variant("floor trio", "floor_cancel.py"),
    ),
    peer="mcp 2025",
    floor="floor trio",
)
