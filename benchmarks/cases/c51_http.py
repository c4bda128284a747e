"""Client and server of the same package, over HTTP."""

from benchmarks.case import HUNDRED, ONE, Case, Variant

OURS, STATEFUL, STATELESS = "ours_network.py", "2025-11-25", "2026-07-28"
SERVER = "@ours/ours_http_server.py"

CASE = Case(
    name="http",
    title="HTTP, client and server",
    says="one tools/call over streamable HTTP on loopback, each client with its own server",
    measures=(ONE, HUNDRED),
    variants=(
        Variant("ours 2025", OURS, (STATEFUL, SERVER, "httpx")),
        Variant("ours 2026", OURS, (STATELESS, SERVER, "httpx")),
        Variant("ours 2025 httpx2", OURS, (STATEFUL, SERVER, "httpx2")),
        Variant("mcp 2025", "mcp_http.py", ("legacy", "sse"), env="mcp"),
        Variant("mcp 2025 json", "mcp_http.py", ("legacy", "json"), env="mcp"),
        Variant("mcp 2026", "mcp_http.py", ("auto", "json"), env="mcp"),
        Variant("ts 2025", "http.mjs", ("legacy",), env="node"),
        Variant("ts 2026", "http.mjs", (STATELESS,), env="node"),
        Variant(
            "floor", "raw_http.py", (STATELESS, "@ours/floor_hypercorn_server.py"), note="raw client, bare hypercorn"
        ),
    ),
    peer="mcp 2025",
    floor="floor",
)
