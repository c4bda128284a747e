"""The echo server of `zcp` over HTTP or websocket. Words: the path of the URL to print."""

from zcp import RateLimitConfig, ZCPServerConfig, create_asgi_app

from benchmarks.programs.asgi import serve
from benchmarks.programs.zcp_call import echo_app
from benchmarks.worker import words

if __name__ == "__main__":
    path = words()[0]
    config = ZCPServerConfig(rate_limit=RateLimitConfig(max_requests=10**9))
    serve(create_asgi_app(echo_app(), config=config), f"/{path}", "ws" if path == "ws" else "http")
