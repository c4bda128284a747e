"""
What was promised: figures that a run is held against.

Owns the table and how a figure is judged. Ratios are medians over the rounds of one run, each round's own pair.
"""

from __future__ import annotations

from typing import Literal

import attrs

SPOKEN = {"per": "µs for each", "cpu": "CPU µs"}
"""Figures whose names say too little."""


@attrs.frozen
class Target:
    """One promise: that `variant` does `relation` `number` (of `other`)."""

    case: str
    measure: str
    variant: str
    relation: Literal["at most", "at most more", "at most times", "times better than"]
    number: float
    other: str = ""
    by: str = ""
    """"p50", "p99", "rate" or "cpu"; empty: what the measure compares by."""
    stretch: str = ""
    """What a prototype with the same duties reached."""

    @property
    def text(self) -> str:
        """The promise in words."""
        words = {
            "at most": "≤ {}",
            "at most more": "≤ {} more than",
            "at most times": "≤ {} ×",
            "times better than": "≥ {} × better than",
        }[self.relation]
        parts = (SPOKEN.get(self.by, self.by), words.format(f"{self.number:g}"), self.other)
        return " ".join(filter(None, parts))

    def met(self, figure: float) -> bool:
        """Tell whether this figure, or ratio, keeps the promise."""
        return figure >= self.number if self.relation == "times better than" else figure <= self.number


def ahead(case: str, measure: str, variant: str, number: float, other: str, by: str = "", stretch: str = "") -> Target:
    """`variant` is `number` times better than `other`."""
    return Target(case, measure, variant, "times better than", number, other, by, stretch)


def within(case: str, measure: str, variant: str, number: float, other: str, by: str = "", stretch: str = "") -> Target:
    """`variant` costs at most `number` times what `other` does."""
    return Target(case, measure, variant, "at most times", number, other, by, stretch)


def most(case: str, measure: str, variant: str, number: float, by: str = "", stretch: str = "") -> Target:
    """`variant` costs at most `number`, in the measure's unit."""
    return Target(case, measure, variant, "at most", number, by=by, stretch=stretch)


TARGETS: tuple[Target, ...] = (
    within("call", "one", "ours 2025", 2, "floor hop", stretch="1.2 ×"),
    within("call", "one", "ours 2026", 2, "floor hop", stretch="1.2 ×"),
    ahead("call", "one", "ours 2025", 12, "mcp 2025", stretch="24 ×"),
    ahead("call", "one", "ours 2026", 7, "mcp 2026"),
    ahead("call", "one", "ours 2025", 1, "ts 2025"),
    ahead("call", "one", "ours 2026", 1, "ts 2026"),
    ahead("call", "one", "ours 2025", 1, "zcp", by="rate"),
    ahead("call", "hundred", "ours 2025", 16, "mcp 2025", stretch="33 ×"),
    ahead("call", "hundred", "ours 2025", 2, "ts 2025"),
    within("call", "one", "ours 2025 500 tools", 1.05, "ours 2025", stretch="1.0 ×"),
    within("call", "one", "ours 2026 500 tools", 1.05, "ours 2026", stretch="1.0 ×"),
    ahead("question", "elicit", "ours 2025", 14, "mcp 2025", stretch="24 µs"),
    ahead("question", "elicit", "ours 2025", 1.5, "ts 2025"),
    ahead("question", "elicit", "ours 2026", 6, "mcp 2026", stretch="28 µs + sealing"),
    ahead("question", "elicit", "ours 2026", 1, "ts 2026"),
    ahead("stdio", "one", "ours 2025", 4, "mcp 2025", stretch="≤ 1.2 × floor"),
    ahead("stdio", "one", "ours 2025", 1.5, "ts 2025"),
    ahead("stdio", "hundred", "ours 2025", 10, "mcp 2025", stretch="30 000/s"),
    ahead("stdio", "hundred", "ours 2025", 1.5, "ts 2025"),
    within("http_server", "one", "ours 2025", 1.35, "floor hypercorn", stretch="h11 driven directly: 230 µs"),
    ahead("http_server", "one", "ours 2025", 1, "ts 2025"),
    ahead("http_server", "one", "ours 2025", 1.7, "mcp 2025"),
    ahead("http", "one", "ours 2025", 2, "mcp 2025"),
    ahead("http", "hundred", "ours 2025 httpx2", 2, "mcp 2025"),
    ahead("websocket", "one", "ours 2025", 1, "zcp", stretch="130 µs"),
    ahead("tasks", "whole", "ours memory", 40, "fastmcp"),
    Target("tasks", "hundred", "ours memory", "at most", 200, by="per", stretch="50 µs"),
    within("tasks", "whole", "ours sqlite", 1.5, "floor two commits"),
    ahead("tasks", "hundred", "ours sqlite", 10, "fastmcp"),
    within("tasks", "whole", "ours memory 10000", 1.2, "ours memory"),
    within("tasks", "whole", "ours sqlite 10000", 1.2, "ours sqlite"),
    most("tasks", "cancel", "ours memory", 50, stretch="25 µs"),
    most("tasks", "cancel", "ours memory", 150, by="p99"),
    most("cancel", "stop", "ours 2025", 45, stretch="30 µs"),
    most("cancel", "stop", "ours 2026", 45, stretch="30 µs"),
    most("sessions", "bytes", "ours 2025 1000", 20 * 1024, stretch="6 KiB"),
    most("sessions", "open", "ours 2025 1000", 120, stretch="55 µs"),
    ahead("sessions", "fan", "ours 2025 5000", 20, "mcp 2025 5000", stretch="45 000/s"),
    Target("sessions", "fan", "ours 2025 5000", "at most times", 1.6, "ours 2025 10", by="per"),
    most("pending", "bytes", "ours 100000", 5 * 1024),
    most("pending", "ended", "ours 100000", 50),
    Target("telemetry", "one", "ours SDK, batch", "at most more", 30, "ours null recorder", stretch="12 µs a side"),
    within("telemetry", "one", "ours no SDK", 1.05, "ours null recorder"),
)
"""One row for each figure promised. Bytes of a session, and what recording costs, are of both ends."""
