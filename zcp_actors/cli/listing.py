"""
`zcp-actors tools`: what a server offers, in a table.

Owns the walk over the pages of a list and the table. Refuses to call anything.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click
import trio

from zcp_actors.cli.connecting import Strays, connect
from zcp_actors.cli.failure import printable
from zcp_actors.cli.interruption import second_ctrl_c_kills
from zcp_actors.cli.printing import as_json
from zcp_actors.cli.target import client_of
from zcp_actors.opening import open_runtime
from zcp_actors.sessions import Timeouts
from zcp_actors.wire import to_wire

if TYPE_CHECKING:
    from zcp_actors.sessions import ZCPClientSession

MAX_PAGES = 1000
"""Pages of one list. A server with more repeats itself: a page commonly holds fifty entries."""


def list_tools(server: str, era: str | None, *, limit: float | None = None, raw: bool) -> int:
    """Print the tools of a server, which has `limit` seconds to be there and to list them."""
    strays = Strays()
    timeouts = None if limit is None else Timeouts(limit, limit)
    name, tools = trio.run(_fetch, client_of(server, era=era, tap=strays, timeouts=timeouts), strays, limit)
    if raw:
        click.echo(as_json([to_wire(tool) for tool in tools]))
    else:
        _print_table(name, tools)
    return 0


async def _fetch(client: ZCPClientSession, strays: Strays, limit: float | None) -> tuple[str, list[Any]]:
    with second_ctrl_c_kills():
        async with open_runtime():
            await connect(client, strays, limit)
            return f"{client.name} · {client.protocol_version}", await all_tools(client)


async def all_tools(client: ZCPClientSession) -> list[Any]:
    """Return the tools of every page. Raises `click.ClickException` for a list without an end."""
    page = await client.list_tools()
    tools = list(page.tools)
    for _ in range(MAX_PAGES):
        if page.next_cursor is None:
            return tools
        page = await client.list_tools(cursor=page.next_cursor)
        tools += page.tools
    raise click.ClickException(f"{client.name} lists more than {MAX_PAGES} pages of tools; it seems to repeat itself")


def _print_table(title: str, tools: list[Any]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(title=Text(printable(title)), title_justify="left", show_lines=False)
    table.add_column("tool", no_wrap=True)
    table.add_column("arguments")
    table.add_column("what it does", ratio=1)
    for tool in tools:
        said = (tool.description or tool.title or "").strip()
        table.add_row(*(Text(printable(text)) for text in (tool.name, signature(tool.input_schema), said)))
    Console(highlight=False).print(table)


def signature(schema: Any) -> str:
    """Return a tool's arguments for people: `topic, pages?` where the second may be left out."""
    found = dict(schema or {})
    required = found.get("required") or ()
    return ", ".join(name if name in required else f"{name}?" for name in found.get("properties") or {})
