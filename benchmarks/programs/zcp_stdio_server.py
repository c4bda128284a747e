"""The echo server of `zcp` over stdio: it answers one request after another."""

from zcp import run_mcp_stdio_server_sync

from benchmarks.programs.zcp_call import echo_app

if __name__ == "__main__":
    run_mcp_stdio_server_sync(echo_app())
