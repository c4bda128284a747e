"""How a server is started, as data."""

from __future__ import annotations

import pytest

from zcp_actors.errors import UsageError
from zcp_actors.transports.command import Command


def test_a_line_is_split_as_a_shell_would():
    assert Command.parse("python -m server 'two words'") == Command(["python", "-m", "server", "two words"])


def test_its_text_is_a_line_that_parses_to_itself():
    command = Command(["run", "two words", "it's"])

    assert Command.parse(str(command)) == command


def test_no_text_of_it_shows_a_value_of_the_environment():
    command = Command(["run"], env={"API_KEY": "hush"})

    assert "hush" not in f"{command} {command!r}"
    assert "API_KEY" in repr(command)


@pytest.mark.parametrize("argv", [[], [""], "python -m server", ["a\0b"]])
def test_argv_that_names_no_program_is_refused(argv):
    with pytest.raises(UsageError, match="argv"):
        Command(argv)


def test_an_open_quotation_is_refused():
    with pytest.raises(UsageError, match="split"):
        Command.parse("run 'half")


@pytest.mark.parametrize("env", [{"A=B": "x"}, {"": "x"}, {"A": "\0"}])
def test_a_variable_that_cannot_be_set_is_refused(env):
    with pytest.raises(UsageError, match="cannot be set"):
        Command(["run"], env=env)


@pytest.mark.parametrize("limits", [{"grace": 0}, {"max_message": -1}])
def test_limits_are_more_than_nothing(limits):
    with pytest.raises(UsageError, match="more than 0"):
        Command(["run"], **limits)


def test_only_safe_variables_are_inherited_unless_told_otherwise(monkeypatch):
    monkeypatch.setenv("HTTPS_PROXY", "http://user:password@proxy")
    monkeypatch.setenv("XDG_CACHE_HOME", "/cache")

    assert "HTTPS_PROXY" not in Command(["run"]).environment()
    assert Command(["run"]).environment()["XDG_CACHE_HOME"] == "/cache"
    assert "HTTPS_PROXY" in Command(["run"], inherit_env=["*"]).environment()
    assert Command(["run"], inherit_env=[], env={"A": "b"}).environment() == {"A": "b"}


def test_exported_shell_functions_are_not_inherited(monkeypatch):
    monkeypatch.setenv("LC_TRAP", "() { :; }; echo gotcha")

    assert "LC_TRAP" not in Command(["run"]).environment()
