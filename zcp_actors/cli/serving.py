"""
`zcp-actors serve`: an app over this process's standard streams, or over HTTP.

Owns the log on standard error, and the moment from which standard output is the wire's alone: before the app is
imported. Refuses to know signals and streams: `serve_stdio` and `serve_http` do.
"""

from __future__ import annotations

import logging
import signal
import sys
from contextlib import AsyncExitStack
from functools import partial
from typing import Any

import attrs
import click
import trio

from zcp_actors.cli.target import load_app
from zcp_actors.cli.tracing import TraceOptions, Tracing, tracing
from zcp_actors.opening import open_runtime
from zcp_actors.sessions import ServerHandle
from zcp_actors.tasks import MemoryTaskStore, SqliteTaskStore
from zcp_actors.transports import HTTPConfig, serve_http, serve_stdio
from zcp_actors.transports.http.origins import is_loopback
from zcp_actors.transports.standard_streams import standard_streams_kept

MEMORY = ":memory:"
"""What SQLite calls a store without a file, and so do we."""


@attrs.frozen(kw_only=True)
class ServeOptions:
    """What was typed, whatever the way."""

    app: str
    era: str | None = None
    log_level: str = "warning"
    store: str | None = None
    """A file for tasks, or `MEMORY`; None leaves it to the app."""
    traces: TraceOptions = attrs.field(factory=TraceOptions)


def serve_app(options: ServeOptions) -> int:
    """Serve the app until the input ends or a signal comes; return the exit code."""
    at_terminal = sys.stdin.isatty()
    with standard_streams_kept():  # what the app starts while it is imported may print at any time
        handle = _loaded(options)
    if at_terminal:
        click.echo(
            f"serving {handle.app.name} to whoever types JSON-RPC here, as a host would; Ctrl-C ends it", err=True
        )
    return _run(handle, options, serve_stdio)


def serve_app_over_http(options: ServeOptions, address: str, *, hosts: Any, origins: Any, unprotected: bool) -> int:
    """Serve the app at `[HOST]:PORT` until a signal comes; return the exit code."""
    host, port = read_address(address)
    if not unprotected and not is_loopback(host):
        raise click.ClickException(
            f"{host} can be reached by others than this machine, and nobody is asked who they are; leave the host out, "
            "or say --unprotected"
        )
    config = HTTPConfig(allowed_hosts=hosts, allowed_origins=origins)
    serve = partial(serve_http, host=host, port=port, config=config, unprotected=unprotected)
    return _run(_loaded(options), options, partial(_serve_http, serve))


def _run(handle: ServerHandle, options: ServeOptions, serve: Any) -> int:
    with tracing(options.traces, handle.app.name) as found:
        ended_by = trio.run(_serve, handle, serve, options.store, found)
    return 128 + signal.SIGINT if ended_by is signal.SIGINT else 0


async def _serve(handle: ServerHandle, serve: Any, store: str | None, traces: Tracing) -> signal.Signals | None:
    """Serve in a runtime, around which the store is open: what the tasks have to say last is still written."""
    async with AsyncExitStack() as stack:
        if store is not None:
            opened = MemoryTaskStore() if store == MEMORY else SqliteTaskStore(store)
            handle = attrs.evolve(handle, task_store=await stack.enter_async_context(opened))
        runtime = await stack.enter_async_context(open_runtime(**traces.options))
        ended_by: signal.Signals | None = await serve(runtime, handle)
        return ended_by


def read_address(text: str) -> tuple[str, int]:
    """Read `[HOST]:PORT`; without a host it is this machine alone. Raises `click.ClickException`."""
    host, _, port = text.rpartition(":")
    if not port.isdecimal() or not 0 <= int(port) < 1 << 16:
        raise click.ClickException(f"expected an address such as :8000 or 127.0.0.1:8000, got {text!r}")
    return host.removeprefix("[").removesuffix("]") or "127.0.0.1", int(port)


def _loaded(options: ServeOptions) -> ServerHandle:
    logging.basicConfig(
        stream=sys.stderr, level=options.log_level.upper(), format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    handle = ServerHandle.of(load_app(options.app))
    return handle if options.era is None else attrs.evolve(handle, era=options.era)


async def _serve_http(serve: Any, runtime: Any, handle: ServerHandle) -> signal.Signals | None:
    async with trio.open_nursery() as nursery:
        ended: list[signal.Signals | None] = []

        async def serving(task_status: trio.TaskStatus[list[str]]) -> None:
            ended.append(await serve(runtime, handle, task_status=task_status))

        for url in await nursery.start(serving):
            click.echo(f"serving {handle.app.name} at {url}", err=True)
    return ended[0]
