"""A tool call to a child process."""

from benchmarks.case import HUNDRED, ONE, Case, Variant

OURS, RAW = "ours_stdio.py", "raw_stdio.py"
STATEFUL, STATELESS = "2025-11-25", "2026-07-28"
SERVER = "@ours/ours_stdio_server.py"

CASE = Case(
    name="stdio",
    title="Tool call over stdio",
    says="one tools/call of echo to a child process, each client with its own server, a raw client with each server",
    measures=(ONE, HUNDRED),
    variants=(
        Variant("ours 2025", OURS, (STATEFUL, SERVER)),
        Variant("ours 2026", OURS, (STATELESS, SERVER), quick=False),
        Variant("mcp 2025", "mcp_stdio.py", ("legacy",), env="mcp"),
        Variant("mcp 2026", "mcp_stdio.py", ("auto",), env="mcp", quick=False),
        Variant("ts 2025", "stdio.mjs", ("legacy",), env="node"),
        Variant("ts 2026", "stdio.mjs", (STATELESS,), env="node", quick=False),
        Variant("ours, raw client", RAW, (STATEFUL, SERVER), quick=False),
        Variant("ours 2026, raw client", RAW, (STATELESS, SERVER), quick=False),
        Variant("mcp, raw client", RAW, (STATEFUL, "@mcp/mcp_stdio_server.py"), quick=False),
        Variant("fastmcp, raw client", RAW, (STATEFUL, "@fastmcp/fastmcp_stdio_server.py"), quick=False),
        Variant("zcp, raw client", RAW, (STATEFUL, "@zcp/zcp_stdio_server.py"), quick=False),
        Variant("ts, raw client", RAW, (STATEFUL, "@node/stdio_server.mjs"), quick=False),
        Variant("floor", RAW, (STATEFUL, "@ours/floor_stdio_server.py")),
    ),
    peer="mcp 2025",
    floor="floor",
    compared=("ours 2025", "ours 2026", "mcp 2025", "mcp 2026", "ts 2025", "ts 2026", "floor"),
    quick=True,
)
