"""
Agreeing on an era with real processes that are older, newer, silent, or dead.

Source: MCP 2026-07-28 basic/lifecycle, backward compatibility; 2025-11-25 basic/lifecycle, version negotiation.
"""

from __future__ import annotations

import json

import pytest
import trio
from interop.stage import program

from zcp_actors import Command, Timeouts, ZCPClientSession, open_runtime
from zcp_actors.errors import RequestTimeout, RPCError, ServerExited, StartFailed, UnsupportedVersion
from zcp_actors.protocol.dialect import SILENCE_SECONDS
from zcp_actors.sessions import handshake
from zcp_actors.transports.stdio import ChildWay

V2025, V2026 = "2025-11-25", "2026-07-28"


class Script:
    """A scripted server, and what it noted."""

    def __init__(self, file):
        self.file = file

    def client(self, manner, **options):
        return ZCPClientSession(ChildWay(Command(program("scripted_server.py", manner, str(self.file)))), **options)

    def noted(self):
        return self.file.read_text().split()


@pytest.fixture
def script(tmp_path):
    return Script(tmp_path / "notes")


async def pid(client):
    return json.loads((await client.call_tool("pids")).content[0].text)[0]


async def test_a_server_of_both_eras_is_spoken_to_in_the_newer(script):
    with trio.fail_after(30):
        async with open_runtime(), script.client("Server") as client:
            assert client.protocol_version == V2026
            await pid(client)

    assert script.noted() == ["start", "server/discover", "tools/call"]


@pytest.mark.parametrize("manner", ["Refuses", "Handshakes"])
async def test_an_error_to_discover_leads_to_the_handshake_on_the_same_pipe(script, manner):
    with trio.fail_after(30):
        async with open_runtime(), script.client(manner) as client:
            assert client.protocol_version == V2025
            await pid(client)

    assert script.noted() == ["start", "server/discover", "initialize", "notifications/initialized", "tools/call"]


async def test_two_seconds_of_silence_lead_to_the_handshake_and_a_late_answer_changes_nothing(script):
    with trio.fail_after(30):
        async with open_runtime():
            before = trio.current_time()
            async with script.client("Ignores") as client:
                assert trio.current_time() - before >= SILENCE_SECONDS
                await pid(client)
                await pid(client)
                assert client.protocol_version == V2025

    assert SILENCE_SECONDS == 2.0
    noted = [word for word in script.noted() if word != "notifications/cancelled"]
    assert noted == ["start", "server/discover", "initialize", "notifications/initialized", "tools/call", "tools/call"]


async def test_a_server_that_ends_at_discover_is_started_once_more_for_the_handshake(script):
    with trio.fail_after(30):
        async with open_runtime(), script.client("Dies") as client:
            assert client.protocol_version == V2025
            await pid(client)

    assert script.noted() == [
        "start",
        "server/discover",
        "start",
        "initialize",
        "notifications/initialized",
        "tools/call",
    ]


async def test_the_era_of_a_command_is_remembered_and_not_asked_for_again(script):
    with trio.fail_after(30):
        async with open_runtime():
            for _ in range(2):
                async with script.client("Dies") as client:
                    assert client.protocol_version == V2025

    assert script.noted().count("server/discover") == 1
    assert script.noted().count("start") == 3


@pytest.mark.parametrize(
    ("era", "asked"),
    [(V2025, ["start", "initialize", "notifications/initialized"]), (V2026, ["start", "server/discover"])],
)
async def test_a_forced_era_is_the_only_one_asked_for(script, era, asked):
    with trio.fail_after(30):
        async with open_runtime(), script.client("Server", era=era) as client:
            assert client.protocol_version == era

    assert script.noted() == asked


async def test_a_forced_newer_era_is_not_given_up_when_the_server_refuses_it(script):
    with trio.fail_after(30):
        async with open_runtime():
            with pytest.raises(RPCError) as refused:
                await script.client("Refuses", era=V2026).__aenter__()

    assert refused.value.code == -32601
    assert script.noted() == ["start", "server/discover"]


@pytest.mark.parametrize("manner", ["Future", "FutureResult"])
async def test_without_a_common_version_the_error_names_both_sides(script, manner):
    with trio.fail_after(30):
        async with open_runtime():
            with pytest.raises(UnsupportedVersion) as refused:
                await script.client(manner).__aenter__()

    assert V2026 in str(refused.value)
    assert "2099-01-01" in str(refused.value)
    assert refused.value.data == {"supported": ["2099-01-01"], "requested": V2026}
    assert "initialize" not in script.noted()


async def test_a_server_that_insists_on_an_unknown_version_in_the_handshake_is_refused(script):
    with trio.fail_after(30):
        async with open_runtime():
            with pytest.raises(UnsupportedVersion) as refused:
                await script.client("Ancient").__aenter__()

    assert "1999-12-31" in str(refused.value)
    assert V2025 in str(refused.value)


@pytest.mark.parametrize("era", [None, V2025, V2026])
async def test_a_server_that_fails_at_its_start_is_an_error_with_its_code_and_last_words(script, era):
    """The missing API key: the most frequent first experience."""
    with trio.fail_after(30):
        async with open_runtime():
            with pytest.raises(ServerExited) as failed:
                await script.client("Fails", era=era).__aenter__()

    assert failed.value.returncode == 1
    assert failed.value.stderr == ("API_KEY is not set",)


async def test_a_command_that_does_not_exist_is_an_error_that_names_it():
    with trio.fail_after(30):
        async with open_runtime():
            with pytest.raises(StartFailed, match="no-such-server"):
                await ZCPClientSession(ChildWay(Command(["/no-such-server"]))).__aenter__()


@pytest.mark.parametrize("era", [V2025, V2026])
async def test_a_server_that_never_answers_the_opening_is_given_up_and_ended(script, era, monkeypatch):
    monkeypatch.setattr(handshake, "HANDSHAKE", Timeouts(0.3, 0.3))
    with trio.fail_after(30):
        async with open_runtime() as runtime:
            with pytest.raises(RequestTimeout, match=r"initialize|server/discover"):
                await script.client("Mute", era=era).__aenter__()
            assert [node.name for node in runtime.tree().children] == []
