"""Many questions that wait for an answer."""

from benchmarks.case import Case, Measure, Variant


def ours(count: int, era: str = "2025-11-25", collector: str = "") -> Variant:
    """So many questions."""
    name = f"ours {count}" if era == "2025-11-25" else f"ours 2026 {count}"
    if not collector:
        return Variant(name, "ours_pending.py", (era, str(count)))
    note = "gc.set_threshold(10_000, 10, 1000), for programs that hold much: what is left are turns of our own"
    return Variant(f"{name}, collector {collector}", "ours_pending.py", (era, str(count), collector), note=note)


CASE = Case(
    name="pending",
    title="Pending questions in process",
    says="handlers that wait for an elicitation of theirs, whose answers wait in an inbox, 1 000 to a session",
    measures=(
        Measure("asked", "longest turn of the loop while they are asked", unit="ms"),
        Measure("bytes", "held by each, with its handler and both ends, without its caller", unit="bytes"),
        Measure("answered", "longest turn while they are answered", unit="ms"),
        Measure("ended", "longest turn while their sessions are closed", unit="ms"),
    ),
    variants=(ours(1000), ours(10_000), ours(100_000), ours(100_000, collector="seldom"), ours(10_000, "2026-07-28")),
)
