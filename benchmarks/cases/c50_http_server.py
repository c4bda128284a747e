"""Servers over HTTP, under the same raw client."""

from benchmarks.case import HUNDRED, ONE, Case, Variant

RAW, STATEFUL, STATELESS = "raw_http.py", "2025-11-25", "2026-07-28"

CASE = Case(
    name="http_server",
    title="HTTP server, raw client",
    says="one tools/call by POST on a connection that is kept alive; 100 at once on 100 connections",
    measures=(ONE, HUNDRED),
    variants=(
        Variant("ours 2025", RAW, (STATEFUL, "@ours/ours_http_server.py")),
        Variant("ours 2026", RAW, (STATELESS, "@ours/ours_http_server.py")),
        Variant("mcp 2025", RAW, (STATEFUL, "@mcp/mcp_http_server.py"), env="ours", note="answers as SSE"),
        Variant("mcp 2025 json", RAW, (STATEFUL, "@mcp/mcp_http_server.py json")),
        Variant("mcp 2026", RAW, (STATELESS, "@mcp/mcp_http_server.py json")),
        Variant("fastmcp", RAW, (STATEFUL, "@fastmcp/fastmcp_http_server.py")),
        Variant("ts 2025", RAW, (STATEFUL, "@node/http_server.mjs"), note="stateless: no session of 2025 is kept"),
        Variant("ts 2026", RAW, (STATELESS, "@node/http_server.mjs")),
        Variant("zcp", RAW, (STATEFUL, "@zcp/zcp_http_server.py mcp")),
        Variant("floor hypercorn", RAW, (STATELESS, "@ours/floor_hypercorn_server.py")),
    ),
    peer="mcp 2025",
    floor="floor hypercorn",
)
