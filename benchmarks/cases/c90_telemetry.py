"""What it costs to be watched."""

from benchmarks.case import HUNDRED, ONE, Case, Variant

CALL, ERA = "ours_call.py", "2025-11-25"


def ours(name: str, how: str, era: str = ERA) -> Variant:
    """A call with telemetry set up like this."""
    return Variant(f"ours {name}", CALL, (era, "1", how))


CASE = Case(
    name="telemetry",
    title="Telemetry of a tool call in process",
    says="one tools/call of echo with no recorder, with OpenTelemetry's API alone, and with its SDK; both sides record",
    measures=(ONE, HUNDRED),
    variants=(
        ours("null recorder", "null"),
        ours("no SDK", "default"),
        ours("SDK, unsampled", "unsampled"),
        ours("SDK, batch", "sdk"),
        ours("SDK, batch, 2026", "sdk", "2026-07-28"),
    ),
    peer="ours null recorder",
)
