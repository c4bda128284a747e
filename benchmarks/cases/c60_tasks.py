"""Tasks: made, looked at, fetched, cancelled; beside others that have ended and are still kept."""

from benchmarks.case import Case, Measure, Variant

OURS, ERA = "ours_tasks.py", "2026-07-28"


def ours(store: str, retained: int, era: str = ERA, name: str = "") -> Variant:
    """One store with so many ended tasks in it."""
    return Variant(name or f"ours {store}{f' {retained}' if retained else ''}", OURS, (era, store, str(retained)))


CASE = Case(
    name="tasks",
    title="Tasks in process",
    says="a tool run as a task: created, polled, fetched, cancelled, with 0 to 10 000 ended tasks in the store",
    measures=(
        Measure("create", "create"),
        Measure("whole", "create to result"),
        Measure("poll", "poll one that has ended", seconds=0.4),
        Measure("result", "result of one that has ended", seconds=0.4),
        Measure("cancel", "tasks/cancel to work stopped", seconds=0.5),
        Measure("hundred", "create to result, 100 at once", better="rate"),
    ),
    variants=(
        ours("memory", 0),
        ours("memory", 0, "2025-11-25", "ours memory, 2025"),
        ours("memory", 1000),
        ours("memory", 10_000),
        ours("sqlite", 0),
        ours("sqlite", 1000),
        ours("sqlite", 10_000),
        Variant("fastmcp", "fastmcp_task_calls.py", env="fastmcp", note="in memory"),
        Variant("zcp", "zcp_tasks.py", ("0",), env="zcp", note="in memory"),
        Variant("zcp 1000", "zcp_tasks.py", ("1000",), env="zcp"),
        Variant("floor two commits", "floor_commits.py"),
    ),
    peer="fastmcp",
    floor="floor two commits",
    compared=("ours memory", "fastmcp", "zcp"),
)
