"""An ASGI app on uvicorn at a free port, for the peers that are written for it."""

import socket

import uvicorn


def serve(app, path="/mcp", scheme="http"):
    # asyncio turns Nagle's delays off only where a socket says that it is TCP.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.bind(("127.0.0.1", 0))
    listener.listen()
    print(f"{scheme}://127.0.0.1:{listener.getsockname()[1]}{path}", flush=True)
    config = uvicorn.Config(app, log_level="error", timeout_keep_alive=60, http="h11", loop="asyncio")
    uvicorn.Server(config).run(sockets=[listener])
