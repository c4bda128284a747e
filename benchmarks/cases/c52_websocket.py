"""Servers on a websocket."""

from benchmarks.case import HUNDRED, ONE, Case, Variant

RAW, STATEFUL, STATELESS = "raw_websocket.py", "2025-11-25", "2026-07-28"

CASE = Case(
    name="websocket",
    title="Tool call over a websocket",
    says="one tools/call over a websocket on loopback, by a raw client on trio-websocket, and by our client",
    measures=(ONE, HUNDRED),
    variants=(
        Variant("ours 2025", RAW, (STATEFUL, "@ours/ours_websocket_server.py", "mcp")),
        Variant("ours 2026", RAW, (STATELESS, "@ours/ours_websocket_server.py", "mcp")),
        Variant("ours on hypercorn", RAW, (STATEFUL, "@ours/ours_http_server.py ws", "mcp")),
        Variant("ours, our client", "ours_network.py", (STATEFUL, "@ours/ours_websocket_server.py", "websocket")),
        Variant("zcp", RAW, (STATEFUL, "@zcp/zcp_http_server.py ws", "mcp")),
        Variant("floor", RAW, (STATEFUL, "@ours/floor_websocket_server.py")),
    ),
    peer="zcp",
    floor="floor",
)
