"""The shapes in which a host's callables may answer, and those that are no answer."""

from __future__ import annotations

from pathlib import PurePosixPath

import pytest

from zcp_actors.errors import UsageError
from zcp_actors.protocol.capabilities import ELICITATION, ROOTS, SAMPLING
from zcp_actors.sessions.answers import read_return
from zcp_actors.wire import ElicitRequestFormParams, TextContent, to_wire

FORM = ElicitRequestFormParams(
    message="?", requested_schema={"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}
)
TEXT = {"type": "text", "text": "hi"}


@pytest.mark.parametrize(
    ("returned", "content"),
    [
        ("hi", TEXT),
        (TEXT, TEXT),
        (TextContent(text="hi"), TEXT),
        ({"content": "hi", "model": None}, TEXT),
        ({"content": ["hi", TEXT]}, [TEXT, TEXT]),
        (["hi", TextContent(text="hi")], [TEXT, TEXT]),
        (
            {"content": {"type": "image", "data": "aGk=", "mime_type": "image/png"}},
            {"type": "image", "data": "aGk=", "mimeType": "image/png"},
        ),
    ],
    ids=str,
)
def test_a_model_may_answer_with_texts_blocks_or_a_mapping_in_either_spelling(returned, content):
    answer = to_wire(read_return(SAMPLING, None, returned))
    assert answer == {"role": "assistant", "model": "unknown", "content": content}


@pytest.mark.parametrize("key", ["stopReason", "stop_reason"])
def test_a_model_says_why_it_stopped_in_either_spelling(key):
    assert to_wire(read_return(SAMPLING, None, {"content": "hi", key: "endTurn"}))["stopReason"] == "endTurn"


@pytest.mark.parametrize("returned", [None, 3, b"hi", {}, [], {"text": "hi"}], ids=str)
def test_what_is_no_answer_of_a_model_says_what_would_be(returned):
    with pytest.raises(UsageError, match="expected a text, a content block or a mapping|content: missing"):
        read_return(SAMPLING, None, returned)


@pytest.mark.parametrize("accepted", ["yes", "false", 1, 0, [], {"name": "Ada"}])
def test_only_a_bool_is_consent(accepted):
    """A refusal that was written as a text must never pass for consent."""
    with pytest.raises(UsageError, match="'accepted' is True or False"):
        read_return(ELICITATION, FORM, {"accepted": accepted, "data": {"name": "Ada"}})


@pytest.mark.parametrize("returned", ["Ada", 3, ["Ada"], ("Ada",), object], ids=str)
def test_what_is_no_answer_of_a_person_says_what_would_be(returned):
    with pytest.raises(UsageError, match="expected a bool, or a mapping of the fields"):
        read_return(ELICITATION, FORM, returned)


@pytest.mark.parametrize("said", [{"accepted": True}, {"action": "accept"}, {"status": "accepted"}], ids=str)
def test_accepted_fields_that_have_no_names_are_no_answer(said):
    name = "content" if "action" in said else "data"
    with pytest.raises(UsageError, match="the accepted fields are a mapping by name, not list"):
        read_return(ELICITATION, FORM, {**said, name: ["Ada"]})


def test_a_root_may_be_an_absolute_path():
    answer = to_wire(read_return(ROOTS, None, [PurePosixPath("/srv/my files"), "file:///b"]))
    assert answer == {"roots": [{"uri": "file:///srv/my%20files"}, {"uri": "file:///b"}]}


@pytest.mark.parametrize("root", ["/srv", "http://a.example", 3, PurePosixPath("srv"), {"name": "a"}], ids=str)
def test_a_root_that_is_no_file_uri_is_refused(root):
    with pytest.raises(UsageError, match=r"must start with file://|cannot carry|no answer"):
        read_return(ROOTS, None, [root])
