"""A process killed between intent and outcome (DESIGN: an intent without an outcome raises `OnceUncertain`)."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import trio

from zcp_actors.errors import OnceUncertain
from zcp_actors.tasks import SqliteOnceStore

PROGRAM = Path(__file__).parent.parent / "programs" / "once_then_hang.py"


async def test_after_a_kill_the_finished_is_known_and_the_unfinished_uncertain(tmp_path):
    path = tmp_path / "once.db"
    with trio.fail_after(30):
        process = await trio.lowlevel.open_process([sys.executable, PROGRAM, str(path)], stdout=subprocess.PIPE)
        try:
            said = b""
            while not said.endswith(b"\n"):
                said += await process.stdout.receive_some()
        finally:
            process.kill()
            with trio.CancelScope(shield=True, deadline=trio.current_time() + 10):
                await process.wait()
            await process.stdout.aclose()
        assert (said, process.returncode) == (b"begun\n", -9)

        async with SqliteOnceStore(path) as store:
            assert await store.begin(("press", "", "nonce"), "finished") == (True, "receipt")
            with pytest.raises(OnceUncertain):
                await store.begin(("press", "", "nonce"), "cut-short")
