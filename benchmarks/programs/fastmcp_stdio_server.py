"""The echo server of `fastmcp` over stdio."""

from benchmarks.programs.fastmcp_call import server

if __name__ == "__main__":
    server.run("stdio", show_banner=False)
