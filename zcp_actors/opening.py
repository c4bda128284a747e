"""
The way in for programs: a runtime with everything that this package can attach to one.

Owns the joining of layers that do not know each other: here the runtime and its telemetry.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from zcp_actors.sessions import open_runtime as open_bare_runtime
from zcp_actors.telemetry import Telemetry

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager

    from opentelemetry.metrics import MeterProvider
    from opentelemetry.trace import TracerProvider

    from zcp_actors.ports import OnceStore, Recorder, TaskStore
    from zcp_actors.sessions import Runtime


def open_runtime(
    *,
    grace: float = 10.0,
    tracer_provider: TracerProvider | None = None,
    meter_provider: MeterProvider | None = None,
    recorder: Recorder | None = None,
    name: str = "root",
    max_children: int | None = None,
    once_store: OnceStore | None = None,
    task_store: TaskStore | None = None,
) -> AbstractAsyncContextManager[Runtime]:
    """Open a runtime for `async with`. Everything opened inside ends before the block does.

    A cancellation, or an error, reaches the body first: its `finally` blocks still find living clients. `grace` is how
    many seconds everything together has to end.

    Spans and metrics go to `tracer_provider` and `meter_provider`; where one is not given, to the global one, if the
    application has set any up by now. No global one is ever set here, and flushing is the application's affair (see
    `zcp_actors.telemetry.flush`). A `recorder` takes the place of both: `Telemetry(...)` with options of its own, or
    `ports.NullRecorder()` for nothing at all.

    `task_store`, which must be open until after the runtime, keeps the tasks of the apps that are served in it, and the
    handles of tasks at other servers (`Runtime.resume_tasks`); `once_store` keeps what `ctx.once` records.
    """
    return open_bare_runtime(
        grace=grace,
        recorder=Telemetry(tracer_provider, meter_provider) if recorder is None else recorder,
        name=name,
        max_children=max_children,
        once_store=once_store,
        task_store=task_store,
    )
