"""The registries of an app: order, names, and who is told of a change."""

from __future__ import annotations

import threading

import pytest
import trio

from zcp_actors.app.catalogue import Catalogue, Listeners
from zcp_actors.errors import SchemaError, UsageError
from zcp_actors.ports import Changed


def catalogue(listeners: Listeners | None = None) -> Catalogue[int]:
    return Catalogue("tool", "tools", app="test", listeners=listeners or Listeners())


def test_entries_are_listed_in_the_order_of_their_registration() -> None:
    things = catalogue()
    for number, name in enumerate(["c", "a", "b"]):
        things.add(name, number)
    assert things.page(None, 10) == ([0, 1, 2], None)


def test_a_taken_name_is_refused_and_replacing_keeps_its_place() -> None:
    things = catalogue()
    things.add("a", 1)
    things.add("b", 2)
    with pytest.raises(SchemaError, match="already is a tool 'a'.*replace=True"):
        things.add("a", 3)
    things.add("a", 3, replace=True)
    assert things.page(None, 10) == ([3, 2], None)


def test_removing_what_is_not_there_says_what_is() -> None:
    things = catalogue()
    things.add("a", 1)
    with pytest.raises(UsageError, match="no tool 'b' to remove; there are: a"):
        things.remove("b")
    assert things.remove("a") == 1
    assert things.known() == "there are no tools"


def test_an_error_lists_only_the_first_names() -> None:
    things = catalogue()
    for number in range(8):
        things.add(f"t{number}", number)
    assert things.known() == "there are: t0, t1, t2, t3, t4 and 3 more"


def test_the_view_of_the_entries_cannot_be_changed() -> None:
    things = catalogue()
    things.add("a", 1)
    with pytest.raises(TypeError):
        things.entries["b"] = 2


def test_every_change_is_announced_until_the_listener_is_forgotten() -> None:
    listeners = Listeners()
    heard: list[Changed] = []
    things = catalogue(listeners)
    things.add("before", 0)
    forget = listeners.add(heard.append)
    things.add("a", 1)
    things.add("a", 2, replace=True)
    things.remove("a")
    assert heard == [Changed("tools")] * 3
    forget()
    forget()
    things.add("b", 1)
    assert len(heard) == 3


async def test_a_change_made_in_another_thread_is_heard_in_the_listener_s_own_run() -> None:
    """A session is told of changes in its own trio run, whatever thread registered something."""
    listeners = Listeners()
    things = catalogue(listeners)
    heard = trio.Event()
    threads: list[int] = []

    def listen(_: Changed) -> None:
        threads.append(threading.get_ident())
        heard.set()

    listeners.add(listen)
    await trio.to_thread.run_sync(things.add, "a", 1)
    with trio.fail_after(30):
        await heard.wait()
    assert threads == [threading.get_ident()]


def test_a_listener_whose_run_has_ended_is_forgotten() -> None:
    listeners = Listeners()
    heard: list[Changed] = []

    async def main() -> None:
        listeners.add(heard.append)

    trio.run(main)
    things = catalogue(listeners)
    things.add("a", 1)
    assert heard == []
    assert not listeners._listeners
