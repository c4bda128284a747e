"""Where the keys of sealed states come from, and which are refused."""

from __future__ import annotations

import os
import stat
import subprocess
import sys

import pytest

from zcp_actors import open_runtime
from zcp_actors.errors import InvalidParams, StartFailed, UsageError
from zcp_actors.protocol.sealing import MIN_KEY_LENGTH, Sealer
from zcp_actors.protocol.serving import Served
from zcp_actors.sessions.runtime import MAX_CALL_STATES
from zcp_actors.sessions.state_keys import STATE_DIR, STATE_KEYS, file_keys, key_file, state_keys
from zcp_actors.wire import CallToolRequestParams

LONG, OTHER = "k" * 32, "o" * 40

posix_only = pytest.mark.skipif(os.name != "posix", reason="file modes are POSIX")


@pytest.fixture
def environ(tmp_path):
    return {STATE_DIR: str(tmp_path / "state")}


# ---- the order of the sources
def test_the_authors_keys_come_first(environ):
    keys = state_keys("app", [LONG, b"b" * 32], {**environ, STATE_KEYS: OTHER}, served=True)

    assert keys == [LONG.encode(), b"b" * 32]


def test_the_environment_comes_before_the_file(environ, tmp_path):
    keys = state_keys("app", None, {**environ, STATE_KEYS: f"{LONG}, {OTHER}\n"}, served=True)

    assert keys == [LONG.encode(), OTHER.encode()]
    assert not (tmp_path / "state").exists()


def test_a_served_app_keeps_its_key_over_restarts(environ):
    first = state_keys("app", None, environ, served=True)

    assert state_keys("app", None, {**environ, STATE_KEYS: ""}, served=True) == first
    assert Sealer(first)


def test_two_apps_have_two_keys_even_when_their_names_read_the_same(environ):
    assert key_file("a b", environ) != key_file("a-b", environ)
    assert state_keys("a b", None, environ, served=True) != state_keys("a-b", None, environ, served=True)


@pytest.mark.parametrize("name", ["../../etc", "/", "", "été", "x" * 500])
def test_no_name_leads_out_of_the_state_directory(name, environ, tmp_path):
    path = key_file(name, environ)

    assert path.parent.parent == tmp_path / "state"
    assert path.resolve() == path
    assert file_keys(path)


def test_an_app_in_process_has_a_random_key_and_writes_nothing(environ, tmp_path):
    one, other = (state_keys("app", None, environ, served=False) for _ in range(2))

    assert one != other
    assert Sealer(one)
    assert not (tmp_path / "state").exists()


def test_a_line_added_above_the_others_in_the_file_seals_from_then_on(environ):
    (old,) = state_keys("app", None, environ, served=True)
    path = key_file("app", environ)
    path.write_bytes(LONG.encode() + b"\n" + old + b"\n")

    assert state_keys("app", None, environ, served=True) == [LONG.encode(), old]


# ---- what is refused
@pytest.mark.parametrize(
    ("given", "words"),
    [([], "holds no key"), ([LONG, "short-secret"], "key 2 of state_keys= has 12 bytes"), (LONG, "not one key")],
    ids=["empty", "short", "text"],
)
def test_a_list_that_cannot_be_used_is_refused_without_showing_it(given, words):
    with pytest.raises(UsageError, match=words) as caught:
        state_keys("app", given, {}, served=False)
    assert "secret" not in str(caught.value).replace("import secrets", "").replace("secrets.token", "")


def test_a_short_key_in_the_environment_is_refused_by_its_place():
    with pytest.raises(UsageError, match=f"key 2 of {STATE_KEYS} has 0 bytes"):
        state_keys("app", None, {STATE_KEYS: f"{LONG},"}, served=True)


@posix_only
@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660])
def test_a_key_file_that_others_can_read_is_refused_with_the_cure(mode, environ):
    state_keys("app", None, environ, served=True)
    path = key_file("app", environ)
    path.chmod(mode)

    with pytest.raises(StartFailed, match=f"chmod 600 {path}"):
        state_keys("app", None, environ, served=True)


@posix_only
def test_a_new_key_file_is_its_owners_alone_whatever_the_umask(environ):
    before = os.umask(0)
    try:
        state_keys("app", None, environ, served=True)
    finally:
        os.umask(before)
    path = key_file("app", environ)

    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


@posix_only
def test_a_link_or_a_pipe_in_place_of_the_key_file_is_refused(environ, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_text(LONG)
    path = key_file("app", environ)
    path.parent.mkdir(parents=True)
    path.symlink_to(elsewhere)
    with pytest.raises(StartFailed, match="cannot be read"):
        file_keys(path)

    path.unlink()
    os.mkfifo(path, 0o600)
    with pytest.raises(StartFailed, match="not a regular file"):
        file_keys(path)


@pytest.mark.parametrize(
    "content", [b"", b"c2hvcnQ=\n", b"some notes\n", b"\xff\xfe"], ids=["empty", "short", "text", "binary"]
)
def test_a_damaged_key_file_is_refused_and_left_as_it_is(content, environ):
    state_keys("app", None, environ, served=True)
    path = key_file("app", environ)
    path.write_bytes(content)

    with pytest.raises(StartFailed, match="is damaged; delete it"):
        state_keys("app", None, environ, served=True)
    assert path.read_bytes() == content


def test_a_directory_that_cannot_be_made_is_an_error_that_names_the_variables(tmp_path):
    (tmp_path / "state").write_text("a file is in the way")

    with pytest.raises(StartFailed) as caught:
        state_keys("app", None, {STATE_DIR: str(tmp_path / "state")}, served=True)
    assert STATE_DIR in str(caught.value)
    assert STATE_KEYS in str(caught.value)


# ---- two processes
def test_a_process_that_loses_the_race_takes_the_winners_key(environ, monkeypatch):
    """Deterministic: the other process makes its file between our look and our link."""
    path, link, won = key_file("app", environ), os.link, []

    def late(source, target):
        monkeypatch.setattr(os, "link", link)
        won.extend(file_keys(path))
        link(source, target)

    monkeypatch.setattr(os, "link", late)

    assert file_keys(path) == won
    assert [entry.name for entry in path.parent.iterdir()] == ["state.keys"]


def test_processes_that_start_together_end_with_one_key(environ):
    program = (
        "import os, sys; from zcp_actors.sessions.state_keys import state_keys; sys.stdin.read(1);"
        "print(state_keys('app', None, os.environ, served=True)[0].hex())"
    )
    where = {**os.environ, **environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    processes = [
        subprocess.Popen([sys.executable, "-c", program], env=where, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        for _ in range(4)
    ]
    for process in processes:
        process.stdin.write(b"!")
        process.stdin.flush()
    keys = [process.communicate(timeout=60)[0].strip() for process in processes]

    assert len(set(keys)) == 1
    assert len(bytes.fromhex(keys[0].decode())) >= MIN_KEY_LENGTH


async def test_a_runtime_remembers_the_sealing_of_so_many_apps_and_opens_the_states_of_all():
    def call():
        return Served(1, 1, "tools/call", CallToolRequestParams(name="press"))

    async with open_runtime() as runtime:
        state = runtime.call_state("first").seal(call(), "nonce", "")
        for number in range(MAX_CALL_STATES):
            assert runtime.call_state(f"app {number}") is runtime.call_state(f"app {number}")

        assert len(runtime._call_states) == MAX_CALL_STATES
        assert runtime.call_state("first").open(call(), state, "")[1] == "nonce"
        with pytest.raises(InvalidParams, match="another request"):
            runtime.call_state("second").open(call(), state, "")
