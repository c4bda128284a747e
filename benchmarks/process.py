"""
One measured process: started for one round, asked for its measures, ended.

Owns the child and how long it may take. Refuses to fail the run: what goes wrong becomes a `WorkerFailed` with the
last words of the child.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import tempfile
import threading
from contextlib import suppress
from types import TracebackType
from typing import Any, Self

from benchmarks.environments import ROOT

PATIENCE = 60
"""Seconds that one order may take beyond what it asks for: 10 000 sessions of the slowest peer open within it."""


class WorkerFailed(Exception):
    """A program did not give its figures, and why."""


class Worker:
    """`with Worker(argv) as worker: worker.measure({...})`."""

    def __init__(self, argv: list[str], *, nice: int = 0) -> None:
        self._argv, self._nice = argv, nice

    def __enter__(self) -> Self:
        self._errors = tempfile.TemporaryFile()
        environment = os.environ | {"PYTHONPATH": str(ROOT), "PYTHONHASHSEED": "0", "OTEL_SDK_DISABLED": "false"}
        # Installed packages are compiled already; what was edited since would be compiled again at every start.
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        self._child = subprocess.Popen(
            self._argv,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            env=environment,
            cwd=ROOT,
            start_new_session=True,
        )
        if self._nice:
            os.setpriority(os.PRIO_PROCESS, self._child.pid, self._nice)
        try:
            self.facts = self._read(PATIENCE).get("hello", {})
        except BaseException:
            self._end()
            raise
        return self

    def measure(self, order: dict[str, Any]) -> dict[str, Any]:
        """Give one order and read its report. Raises `WorkerFailed`."""
        assert self._child.stdin is not None
        try:
            self._child.stdin.write(json.dumps(order).encode() + b"\n")
            self._child.stdin.flush()
        except BrokenPipeError:
            raise WorkerFailed(self._last_words()) from None
        report = self._read(PATIENCE + order["warm"] + order["seconds"])
        if "error" in report:
            raise WorkerFailed(report["error"])
        return report

    def _read(self, patience: float) -> dict[str, Any]:
        assert self._child.stdout is not None
        alarm = threading.Timer(patience, self._kill)
        alarm.start()
        try:
            line = self._child.stdout.readline()
        finally:
            alarm.cancel()
        if not line:
            raise WorkerFailed(self._last_words())
        report: dict[str, Any] = json.loads(line)
        return report

    def _last_words(self) -> str:
        self._child.wait()
        self._errors.seek(0)
        lines = self._errors.read().decode(errors="replace").strip().splitlines()
        return f"ended with {self._child.returncode}: {lines[-1] if lines else 'no last words'}"[:300]

    def _kill(self) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self._child.pid, signal.SIGKILL)

    def _end(self) -> None:
        assert self._child.stdin is not None
        assert self._child.stdout is not None
        self._child.stdin.close()
        with suppress(subprocess.TimeoutExpired):
            self._child.wait(5)
        self._kill()
        self._child.wait()
        self._child.stdout.close()
        self._errors.close()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._end()
