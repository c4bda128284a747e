"""
Questions inside a result (2026-07-28): what the server still needs, and how the client's retry brings it.

Owns the embedded requests, which have a method and params and no id, and the answers. An answer carries no tag: the
question under its key tells which it is. Refuses to open `request_state`: it is the server's, and the client echoes it.
"""

from __future__ import annotations

from typing import Any, Literal

import attrs

from zcp_actors.wire.elicitation import ElicitRequestParams, ElicitResult
from zcp_actors.wire.meta_keys import V2026_07_28
from zcp_actors.wire.model import Model, only
from zcp_actors.wire.params import RequestParams
from zcp_actors.wire.results import Result
from zcp_actors.wire.roots import ListRootsResult
from zcp_actors.wire.sampling import CreateMessageRequestParams, CreateMessageResult


@attrs.frozen(kw_only=True, eq=False, repr=False)
class CreateMessageRequest(Model):
    """A question to the client's model."""

    method: Literal["sampling/createMessage"] = "sampling/createMessage"
    params: CreateMessageRequestParams


@attrs.frozen(kw_only=True, eq=False, repr=False)
class ListRootsRequest(Model):
    """A question about the client's workspace."""

    method: Literal["roots/list"] = "roots/list"
    params: RequestParams | None = None


@attrs.frozen(kw_only=True, eq=False, repr=False)
class ElicitRequest(Model):
    """A question to the client's person."""

    method: Literal["elicitation/create"] = "elicitation/create"
    params: ElicitRequestParams


InputRequest = CreateMessageRequest | ListRootsRequest | ElicitRequest
InputRequests = dict[str, InputRequest]
InputResponse = CreateMessageResult | ListRootsResult | ElicitResult
InputResponses = dict[str, Any]
"""By the keys of the questions, and read one by one, each as what its question asks for: what answers no question is
passed over, whatever it is."""


@attrs.frozen(kw_only=True, eq=False, repr=False)
class InputRequiredResult(Result):
    """Not done: answer these, and ask again with the answers and this state."""

    result_type: Literal["input_required"] = "input_required"
    input_requests: InputRequests | None = None
    request_state: str | None = None


@attrs.frozen(kw_only=True, eq=False, repr=False)
class InputResponseRequestParams(RequestParams):
    """Params of a request that can be such a retry."""

    input_responses: InputResponses | None = only(V2026_07_28)
    request_state: str | None = only(V2026_07_28)
