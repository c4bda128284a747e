"""`zcp-actors call` and `tools`: results, questions, errors and exit codes."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from zcp_actors.cli.commands import run

PROGRAMS = Path(__file__).parent.parent / "programs"
PYTHON = shlex.quote(sys.executable)
APP = "asking_app.py:app"
DESK = "zcp_actors.demo.desk:app"

both_eras = pytest.mark.parametrize("era", ["2025-11-25", "2026-07-28"])


@pytest.fixture(autouse=True)
def in_the_programs_folder(monkeypatch):
    """The command changes where modules are looked for; a test must not."""
    monkeypatch.chdir(PROGRAMS)
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.delitem(sys.modules, "asking_app", raising=False)
    yield
    sys.modules.pop("asking_app", None)


@pytest.fixture
def outcome(capfd):
    """Run the command line in this process: (exit code, standard output, standard error)."""

    def go(*words: str) -> tuple[int, str, str]:
        capfd.readouterr()
        code = run(words)
        said = capfd.readouterr()
        return code, said.out.removeprefix("printed at import\n"), said.err

    return go


def error_of(err: str) -> str:
    """The one line of an error."""
    (line,) = [line for line in err.splitlines() if line.startswith("zcp-actors: error: ")]
    assert "Traceback" not in err
    return line.removeprefix("zcp-actors: error: ")


@both_eras
def test_an_app_named_by_its_file_is_called_in_process(outcome, era):
    code, out, _ = outcome("call", APP, "speak", "--arg", "text=hello", "--era", era)

    assert (code, out) == (0, "printed by a tool\nhello\n")


def test_an_app_named_by_its_module_is_found_in_the_current_directory(outcome):
    assert outcome("call", "asking_app:app", "work")[:2] == (0, "3 steps\n")


def test_a_function_without_arguments_makes_the_app(outcome):
    assert outcome("call", "asking_app.py:make", "work")[:2] == (0, "3 steps\n")


def test_a_command_line_is_started_and_called(outcome):
    code, out, _ = outcome("call", f"{PYTHON} -m mcp_server_time", "get_current_time", "--arg", "timezone=UTC")

    assert (code, json.loads(out)["timezone"]) == (0, "UTC")


def test_structured_content_is_printed_as_json_once(outcome):
    code, out, _ = outcome("call", DESK, "word_count", "--json", '{"text": "two words"}')

    assert (code, json.loads(out)) == (0, {"words": 2, "characters": 9})


def test_raw_prints_the_whole_result(outcome):
    code, out, _ = outcome("call", DESK, "word_count", "--arg", "text=7", "--raw")

    assert (code, json.loads(out)["structuredContent"]) == (0, {"words": 1, "characters": 1})
    assert json.loads(out)["content"][0]["type"] == "text"


def test_progress_is_a_bar_on_standard_error(outcome):
    code, out, err = outcome("call", APP, "work", "--arg", "steps=4")

    assert (code, out) == (0, "4 steps\n")
    assert "4/4" in err


def test_a_tool_that_fails_is_exit_code_1_and_says_why_on_standard_error(outcome):
    code, out, err = outcome("call", APP, "fail")

    assert (code, out) == (1, "")
    assert "a bad day" in err


@both_eras
def test_forms_are_answered_by_the_words_of_the_command_line(outcome, era):
    words = ("--answer", "name=Bo", "--answer", "size=large")
    code, out, _ = outcome("call", APP, "fill", *words, "--era", era)

    assert code == 0
    assert json.loads(out) == {"action": "accept", "content": {"name": "Bo", "size": "large", "age": 3}}


def test_yes_accepts_a_form_with_its_defaults(outcome):
    code, out, _ = outcome("call", DESK, "publish", "--arg", "topic=bees", "--yes", "--sample", "Bees.")

    assert code == 0
    assert [json.loads(out)[key] for key in ("published", "headline", "draft")] == [True, "Untitled", "Bees."]


def test_yes_for_a_form_that_needs_an_answer_says_which(outcome):
    code, _, err = outcome("call", APP, "fill", "--yes")

    assert code == 1
    assert '"name" is a required property' in error_of(err)


def test_an_answer_for_a_field_that_the_form_does_not_have_says_so(outcome):
    code, _, err = outcome("call", APP, "fill", "--answer", "nmae=Bo")

    assert code == 1
    assert "has no field 'nmae'; it has name, size, age" in error_of(err)


def test_without_a_terminal_a_form_is_declined(outcome):
    code, out, err = outcome("call", APP, "fill")

    assert (code, json.loads(out)["action"]) == (0, "decline")
    assert "declined a question of asker" in err


def test_yes_does_not_consent_to_visiting_a_page(outcome):
    """MCP client/elicitation, Safe URL Handling: explicit consent."""
    assert outcome("call", APP, "visit", "--yes")[:2] == (0, "decline\n")


def test_without_a_terminal_sampling_is_refused(outcome):
    code, _, err = outcome("call", APP, "model")

    assert code == 1
    assert "pass --sample TEXT" in error_of(err)


def test_control_characters_of_a_server_do_not_reach_the_terminal(outcome):
    _, _, err = outcome("call", APP, "fill")

    assert "Who \N{REPLACEMENT CHARACTER}[31mare you?" in err
    assert "\x1b" not in err


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["call"], 2, "Missing argument 'SERVER'."),
        (["cal"], 2, "No such command 'cal'."),
        (["call", APP, "nope"], 2, "asker has no tool 'nope'; it has fill, visit, model, work, speak, fail"),
        (["call", APP, "work", "--arg", "steps=x"], 2, "argument 'steps' must be an integer, not 'x'"),
        (["call", APP, "speak"], 2, "tool 'speak' needs text: pass --arg text=VALUE"),
        (["call", APP, "work", "--timeout", "0"], 2, "Invalid value for '--timeout'"),
        (["call", APP, "work", "--timeout", "nan"], 2, "Invalid value for '--timeout'"),
        (["call", "asking_app:nope", "work"], 2, "asking_app has no 'nope'; apps in it: app"),
        (["call", "asking_app:no_app", "work"], 2, "asking_app:no_app is no app but of type int"),
        (["call", "asking_app:broken", "work"], 2, "asking_app:broken() failed: ValueError: no app today"),
        (["call", "nowhere:app", "work"], 2, "cannot import nowhere: No module named 'nowhere'"),
        (["call", "nowhere.py:app", "work"], 2, "there is no file nowhere.py"),
        (["tools", "leaving_app:app"], 2, "importing leaving_app failed: SystemExit: I leave"),
        (["serve", "leaving_app:app"], 2, "importing leaving_app failed: SystemExit: I leave"),
        (["tools", "asking_app:leave"], 2, "asking_app:leave() failed: SystemExit"),
        (
            ["tools", "asking_app:make_slowly"],
            2,
            "asking_app:make_slowly is a coroutine function; expected",
        ),
        (["tools", "asking_app"], 2, "there is no program 'asking_app'; expected a command line, an app as module:app"),
        (["tools", "asking_app.py"], 2, "there is no program 'asking_app.py'; expected"),
        (["tools", ""], 2, "argv is empty"),
        (["serve", APP, "--unprotected"], 2, "--allow-host, --allow-origin and --unprotected are for --http"),
        (["serve", "work"], 2, "'work' does not name an app; expected module:app or path/to/file.py:app"),
        (["tools", "gopher://me:secret@h/mcp"], 2, "'gopher://': expected a command, an app, or an address"),
        (["tools", "http://127.0.0.1:9/mcp"], 3, ""),
        (["tools", "ws://127.0.0.1:9/ws"], 3, "127.0.0.1:9/ws cannot be reached"),
        (["tools", "'unclosed"], 2, "cannot split"),
        (["tools", "no-such-program-here -x"], 3, "cannot start no-such-program-here -x"),
        (["tools", f"{PYTHON} -m no_such_module_here"], 3, "server "),
    ],
)
def test_a_mistake_is_one_line_and_an_exit_code(outcome, words, code, message):
    found, out, err = outcome(*words)

    assert (found, out) == (code, "")
    assert error_of(err).startswith(message)


def test_a_server_that_ends_at_once_is_reported_with_its_last_words(outcome):
    _, _, err = outcome("tools", f"{PYTHON} -m no_such_module_here")

    assert error_of(err).endswith("No module named no_such_module_here")


def test_a_server_that_stays_silent_is_given_up_after_the_timeout(outcome):
    silent = f"{PYTHON} -c 'import sys; sys.stdin.read()'"

    code, _, err = outcome("call", silent, "work", "--timeout", "0.2")

    assert (code, error_of(err)) == (3, "connecting got no answer within 0.2 s; --timeout SECONDS changes that")


def test_a_server_that_opens_a_session_and_lists_nothing_is_given_up_after_the_timeout(outcome, tmp_path):
    program = tmp_path / "mute.py"
    program.write_text("""
import json, sys
for line in sys.stdin:
    message = json.loads(line)
    if message["method"] == "initialize":
        told = {"protocolVersion": "2025-11-25", "capabilities": {"tools": {}}}
        told["serverInfo"] = {"name": "mute", "version": "1"}
        print(json.dumps({"jsonrpc": "2.0", "id": message["id"], "result": told}), flush=True)
""")

    code, _, err = outcome("tools", f"{PYTHON} {program}", "--era", "2025-11-25", "--timeout", "1")

    assert code == 3
    assert " got no answer within 1 s; --timeout" in err  # a slow machine may not come farther than "connecting"


def test_a_program_that_is_no_server_is_named_with_what_it_wrote(outcome):
    chatty = "sh -c 'echo Welcome; while read line; do :; done'"

    code, _, err = outcome("tools", chatty, "--timeout", "3")

    assert code == 3
    assert error_of(err).endswith("does not seem to be an MCP server: it answers nothing, and writes 'Welcome'")


@pytest.mark.parametrize(("served", "wanted"), [("2025-11-25", "2026-07-28"), ("2026-07-28", "2025-11-25")])
def test_an_era_that_the_server_does_not_speak_is_a_connection_that_is_not_there(outcome, served, wanted):
    server = f"{PYTHON} -m zcp_actors.cli serve {APP} --era {served}"

    code, _, err = outcome("tools", server, "--era", wanted)

    assert code == 3
    assert "opens no session (did you pass --era?): " in error_of(err)


def test_a_file_whose_path_holds_a_blank_is_an_app_where_it_is_there(outcome, tmp_path):
    (tmp_path / "two words").mkdir()
    (tmp_path / "two words" / "desk_copy.py").write_text("from zcp_actors.demo.desk import app")

    assert outcome("tools", f"{tmp_path}/two words/desk_copy.py:app")[0] == 0


def test_errors_of_several_tasks_are_told_as_one(capsys):
    from zcp_actors.cli.failure import report
    from zcp_actors.errors import ConnectionLost, UsageError

    group = ExceptionGroup("several", [ExceptionGroup("inner", [ConnectionLost("gone")]), UsageError("mistaken")])

    assert (report(group), capsys.readouterr().err) == (2, "zcp-actors: error: mistaken\n")


def test_a_bug_among_errors_is_not_hidden():
    from zcp_actors.cli.failure import report
    from zcp_actors.errors import ConnectionLost

    with pytest.raises(ExceptionGroup):
        report(ExceptionGroup("several", [ConnectionLost("gone"), ZeroDivisionError()]))


def test_debug_shows_where_a_mistake_was_found(outcome):
    import click

    with pytest.raises(click.ClickException, match="there is no file"):
        run(["--debug", "call", "nowhere.py:app", "work"])


def test_a_bug_is_not_hidden_as_a_mistake(monkeypatch):
    def bug(*_: object, **__: object) -> int:
        raise ZeroDivisionError

    monkeypatch.setattr("zcp_actors.cli.listing.list_tools", bug)

    with pytest.raises(ZeroDivisionError):
        run(["tools", APP])


def test_the_table_lists_the_tools_and_their_arguments(outcome):
    code, out, _ = outcome("tools", DESK)

    assert code == 0
    assert "publish" in out
    assert "pages?, ask_at?" in out


def test_raw_lists_the_tools_as_json(outcome):
    code, out, _ = outcome("tools", DESK, "--raw")

    assert (code, [tool["name"] for tool in json.loads(out)]) == (0, ["publish", "typeset", "word_count", "status"])


@pytest.mark.parametrize("words", ["--help", "-h", "", "trace", "call --help", "serve --help", "demo --help"])
def test_help_is_no_mistake(outcome, words):
    code, out, _ = outcome(*words.split())

    assert code == 0
    assert out.startswith("Usage: zcp-actors")


def test_the_version_is_that_of_the_package(outcome):
    from importlib.metadata import version

    assert outcome("--version")[:2] == (0, f"zcp-actors, version {version('zcp-actors')}\n")


def test_a_reader_that_has_enough_is_no_error_to_report():
    done = subprocess.run(
        ["/bin/sh", "-c", f"{PYTHON} -m zcp_actors.cli tools {DESK} --raw | true"],
        check=False,
        capture_output=True,
        timeout=60,
    )

    assert done.stderr == b""
