"""What one waits for before anything happens."""

from benchmarks.case import Case, Measure, Variant

CASE = Case(
    name="startup",
    title="Start of a process",
    says="a fresh interpreter: nothing, the import of each package, one call by the command line",
    measures=(Measure("run", "start to end", unit="ms", seconds=1.0, warm=0.0),),
    variants=(
        Variant("ours import", "startup.py", ("zcp_actors",)),
        Variant(
            "ours call",
            "startup.py",
            (
                "-m",
                "zcp_actors.cli",
                "call",
                "benchmarks/programs/echo.py:app",
                "echo",
                "--json",
                '{"text": "hello", "n": 1}',
            ),
        ),
        Variant("ours --help", "startup.py", ("-m", "zcp_actors.cli", "--help")),
        Variant("mcp import", "startup.py", ("mcp.client,mcp.server.mcpserver",), env="mcp"),
        Variant("fastmcp import", "startup.py", ("fastmcp",), env="fastmcp"),
        Variant("zcp import", "startup.py", ("zcp",), env="zcp"),
        Variant("floor python", "startup.py", ("sys",)),
        Variant("floor import trio", "startup.py", ("trio",)),
    ),
    peer="mcp import",
    floor="floor python",
)
