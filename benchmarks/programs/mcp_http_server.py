"""The echo server of `mcp` over HTTP. Words: sse or json, what a response is."""

from benchmarks.programs.asgi import serve
from benchmarks.programs.mcp_call import echo_server
from benchmarks.worker import words

if __name__ == "__main__":
    serve(echo_server().streamable_http_app(json_response=words() == ["json"]))
