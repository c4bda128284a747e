"""
`zcp-actors call`: one tool call, its questions, its progress, its result.

Owns who answers a server's questions: the words of the command line first, then the person at the terminal, else
nobody. Refuses to print results (`printing`) and to read words (`arguments`).
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import attrs
import click
import trio

from zcp_actors import schemas
from zcp_actors.cli.arguments import read_arguments, read_pairs
from zcp_actors.cli.bars import Bars
from zcp_actors.cli.connecting import Strays, connect
from zcp_actors.cli.failure import FAILED
from zcp_actors.cli.interruption import second_ctrl_c_kills
from zcp_actors.cli.listing import all_tools
from zcp_actors.cli.printing import print_result
from zcp_actors.cli.target import client_of
from zcp_actors.cli.task_call import call_as_task
from zcp_actors.cli.terminal import Terminal, say
from zcp_actors.cli.tracing import TraceOptions, Tracing, tracing
from zcp_actors.errors import Refused
from zcp_actors.opening import open_runtime
from zcp_actors.sessions import Timeouts, ZCPClientSession


@attrs.frozen(kw_only=True)
class CallOptions:
    """What was typed."""

    server: str
    tool: str
    pairs: tuple[str, ...] = ()
    json_text: str | None = None
    era: str | None = None
    timeout: float | None = None
    yes: bool = False
    answers: tuple[str, ...] = ()
    sample: str | None = None
    raw: bool = False
    task: bool = False
    otlp: str | None = None
    trace_file: Path | None = None

    @property
    def timeouts(self) -> Timeouts | None:
        """The limits of the call in seconds; time in which a person is asked does not count."""
        return None if self.timeout is None else Timeouts(self.timeout, self.timeout)


def call_tool(options: CallOptions) -> int:
    """Call the tool and print its result; return 1 when the tool says that it failed."""
    with Bars() as bars:
        person = Answers(options, Terminal(paused=bars.paused) if sys.stdin.isatty() else None)
        providers = {"sampling_handler": person.sample, "elicitation_handler": person.elicit}
        strays = Strays()
        client = client_of(options.server, era=options.era, tap=strays, **providers)
        with tracing(TraceOptions(file=options.trace_file, otlp=options.otlp), "zcp-actors") as traces:
            result = trio.run(_call, options, client, strays, bars, traces)
    print_result(result, raw=options.raw)
    return FAILED if result.is_error else 0


async def _call(options: CallOptions, client: ZCPClientSession, strays: Strays, bars: Bars, traces: Tracing) -> Any:
    with second_ctrl_c_kills():
        async with open_runtime(**traces.options):
            await connect(client, strays, options.timeout)
            arguments = await _arguments(client, options)
            if options.task:
                return await call_as_task(client, options.tool, arguments, bars, options.timeout)
            heard = bars.listener(options.tool)
            return await client.call_tool(options.tool, arguments, timeouts=options.timeouts, on_progress=heard)


async def _arguments(client: ZCPClientSession, options: CallOptions) -> dict[str, Any]:
    """Read the arguments by the schema that the server lists."""
    tools = {tool.name: tool for tool in await all_tools(client)}
    if options.tool not in tools:
        offered = ", ".join(tools) or "none"
        raise click.ClickException(f"{client.name} has no tool {options.tool!r}; it has {offered}")
    schema = dict(tools[options.tool].input_schema or {})
    return read_arguments(options.pairs, options.json_text, schema, options.tool)


@attrs.frozen
class Answers:
    """Who answers the server's questions."""

    options: CallOptions
    terminal: Terminal | None

    async def elicit(self, request: Any, pending: Any) -> Any:
        """By `--answer` and `--yes` where the question is a form, then by the person. A page is the person's alone."""
        if request.mode != "url" and (self.options.yes or self.options.answers):
            return {"action": "accept", "content": self._filled(request)}
        if self.terminal is not None:
            return await self.terminal.elicit(request, pending)
        say(f"zcp-actors: declined a question of {pending.backend}, nobody is at the terminal: {request.message}")
        return {"action": "decline"}

    def _filled(self, request: Any) -> dict[str, Any]:
        """The form's content. Raises `Refused` where it does not fit: the call then says why."""
        schema, form = dict(request.requested_schema), f"form {request.message!r}"
        try:
            content = schemas.apply_defaults(schema, read_pairs(self.options.answers, schema, form, "field"))
            schemas.check_form(schema, content)
        except (click.ClickException, schemas.Mismatch) as error:
            raise Refused(f"the {form} cannot be sent: {error}; pass --answer FIELD=VALUE") from error
        return content

    async def sample(self, request: Any, pending: Any) -> Any:
        """By `--sample`, then by the person."""
        if self.options.sample is not None:
            return self.options.sample
        if self.terminal is not None:
            return await self.terminal.sample(request, pending)
        raise Refused("nobody is at the terminal to answer a sampling request; pass --sample TEXT")
