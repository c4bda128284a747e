"""The echo server of `fastmcp` over HTTP."""

from benchmarks.programs.asgi import serve
from benchmarks.programs.fastmcp_call import server

if __name__ == "__main__":
    serve(server.http_app(path="/mcp"))
