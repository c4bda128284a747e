"""The programs of examples/ run, and do what they say."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from zcp_actors.cli.trace_file import Span, read_spans
from zcp_actors.cli.trace_tree import traces_of

EXAMPLES = Path(__file__).parents[2] / "examples"


def ran(*words: str, folder: Path = EXAMPLES, **environment: str) -> str:
    """Run python with these words among the examples; return what it printed."""
    done = subprocess.run(
        [sys.executable, *words],
        cwd=folder,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return done.stdout


def test_a_host_answers_the_same_server_in_both_eras():
    old, new = ran("answer_a_server.py").splitlines()

    assert old.split(maxsplit=1) == ["2025-11-25", "line.] [Summarise bees in one line.]"]
    assert new.split(maxsplit=1) == ["2026-07-28", "line.] [Summarise bees in one line.]"]


def test_an_answer_completes_the_call_of_a_server_that_was_killed(tmp_path):
    out = ran("answer_from_elsewhere.py", XDG_STATE_HOME=str(tmp_path))

    assert out.splitlines()[-1] == "printed 'Worth the wait', by another process than began it"


GUIDE_HANDLER = """\
async def run_review(payload):
    task = payload["task"]
    await task.update_status("Collecting context")
    await trio.sleep(0.2)
    draft = await task.create_message(
        {
            "messages": [{"role": "user", "content": f"Summarize {payload['topic']} briefly."}],
            "maxTokens": 120,
        }
    )
    approval = await task.elicit({"kind": "approval", "prompt": "Approve sending the draft?"})
    return {"draft": draft, "approval": approval}
"""


def test_the_guide_s_review_works_with_the_handler_as_written():
    """The ZCP guide, review_run.py; nothing but the library's name of `sleep` is another."""
    assert GUIDE_HANDLER in (EXAMPLES / "review_run.py").read_text(encoding="utf-8")
    out = ran("review_run.py")

    assert "'draft': {'role': 'assistant', 'content': {'type': 'text', 'text': 'Short draft.'}" in out
    assert "'approval': {'action': 'accept', 'accepted': True, 'content': {}, 'data': {}}" in out


def test_the_guide_s_clients_start_a_task_look_at_it_and_take_its_result():
    assert "structured_content={'city': 'Hangzhou', 'status': 'done'}" in ran("task_aware_client.py")
    assert "structured_content={'city': 'Hangzhou', 'status': 'refreshed'}" in ran("streamable_http_task_client.py")


def test_an_order_is_taken_by_the_command_line():
    words = ("ask_a_person.py:app", "order", "--arg", "dish=soup", "--answer", "size=large")
    out = ran("-m", "zcp_actors.cli", "call", *words)

    assert json.loads(out) == {"number": 1, "text": "large soup for you"}


def test_the_spans_of_an_agent_enclose_its_calls_and_the_questions_come_back_below_them(tmp_path):
    out = ran(str(EXAMPLES / "traced_agent_loop.py"), folder=tmp_path)
    files = [tmp_path / "agent.json", tmp_path / "server.json"]
    (trace,) = (trace for trace in traces_of(read_spans(files)) if trace.rows[0].span.name == "invoke_agent publisher")
    spans = {span.id: span for span in trace.spans}

    def above(span: Span) -> list[str]:
        return [] if span.parent is None else [spans[span.parent].name, *above(spans[span.parent])]

    def of(name: str, service: str) -> list[str]:
        return next(above(span) for span in trace.spans if (span.name, span.service) == (name, service))

    assert "Busy bees" in out
    assert of("tools/call word_count", "publishing-desk")[-2:] == ["agent step", "invoke_agent publisher"]
    assert of("wait_for elicitation/create", "publishing-desk")[-2:] == ["agent step", "invoke_agent publisher"]
    assert of("chat my-model", "my-agent")[0] == "sampling/createMessage"
    assert "tools/call publish" in of("chat my-model", "my-agent")
