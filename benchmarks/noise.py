"""
How noisy the machine was: what others did with it while we measured, and what machine it is.
"""

from __future__ import annotations

import os
import platform
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import attrs

from benchmarks.environments import pins

OURS = ("zcp-actors", "trio", "attrs", "msgspec", "jsonschema-rs", "httpx", "httpx2", "hypercorn", "trio-websocket",
        "opentelemetry-api", "opentelemetry-sdk", "pykka")  # fmt: skip


def busy() -> float:
    """Seconds of CPU that everybody together has used since the machine started; 0 where it does not say."""
    try:
        first = Path("/proc/stat").read_text().splitlines()[0].split()[1:]
    except OSError:
        return 0.0
    user, nice, system, _idle, _iowait, irq, softirq, steal = map(int, first[:8])
    return (user + nice + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK")


@attrs.define
class Noise:
    """Opened when a run begins."""

    start: float = attrs.field(factory=time.monotonic)
    busy_at_start: float = attrs.field(factory=busy)
    load_at_start: float = attrs.field(factory=lambda: os.getloadavg()[0])

    def told(self) -> dict[str, float]:
        """The load at both ends, and the share of all CPUs that was in use, by us and by others."""
        elapsed = max(time.monotonic() - self.start, 1e-3)
        share = (busy() - self.busy_at_start) / elapsed / (os.cpu_count() or 1)
        return {"load_before": self.load_at_start, "load_after": os.getloadavg()[0], "busy": share}


def machine() -> dict[str, Any]:
    """What the figures depend on."""
    return {
        "cpu": cpu_name(),
        "cpus": os.cpu_count(),
        "system": f"{platform.system()} {platform.release()}",
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "versions": {name: found for name in OURS if (found := version_of(name))} | pins(),
    }


def version_of(name: str) -> str | None:
    """The version of an installed distribution."""
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def cpu_name() -> str:
    """What the processor calls itself."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())
