"""Many sessions in one process."""

from benchmarks.case import Case, Measure, Variant


def ours(count: int, era: str = "2025-11-25") -> Variant:
    """So many sessions of ours."""
    return Variant(f"ours {era[:4]} {count}", "ours_sessions.py", (era, str(count)))


def mcp(count: int, mode: str, name: str) -> Variant:
    """So many sessions of `mcp`."""
    return Variant(f"mcp {name} {count}", "mcp_sessions.py", (mode, str(count)), env="mcp")


CASE = Case(
    name="sessions",
    title="Many sessions in process",
    says="10 to 10 000 sessions joined in one process: opened with their handshake, held idle, called, closed",
    measures=(
        Measure("open", "open, each"),
        Measure("bytes", "held by each idle one, both ends, resident", unit="bytes"),
        Measure("call", "one call at a time, on any of them", seconds=0.4),
        Measure("fan", "one call on each at once", better="rate", seconds=0.6),
        Measure("close", "close, each"),
    ),
    variants=(
        ours(10),
        ours(100),
        ours(1000),
        ours(5000),
        ours(10_000),
        ours(1000, "2026-07-28"),
        mcp(10, "legacy", "2025"),
        mcp(1000, "legacy", "2025"),
        mcp(5000, "legacy", "2025"),
        mcp(1000, "auto", "2026"),
        Variant(
            "zcp 1000", "zcp_sessions.py", ("1000",), env="zcp", note="records of one session object, no connection"
        ),
    ),
    peer="mcp 2025 1000",
    compared=("ours 2025 1000", "mcp 2025 1000", "zcp 1000"),
)
