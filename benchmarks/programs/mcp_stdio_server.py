"""The echo server of `mcp` over stdio."""

from benchmarks.programs.mcp_call import echo_server

if __name__ == "__main__":
    echo_server().run("stdio")
