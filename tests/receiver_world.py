"""A client that may be a task's receiver, and its server in the words of tasks, played by the test."""

from __future__ import annotations

from contextlib import asynccontextmanager

import pytest
import trio
from session_world import STATEFUL, assert_empty

from zcp_actors import Inbox, open_runtime
from zcp_actors.errors import RPCError
from zcp_actors.testing.scripted_server import scripted_server

SCHEMA = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
FORM = {"message": "How many?", "requestedSchema": SCHEMA}
PROMPT = {"messages": [{"role": "user", "content": {"type": "text", "text": "?"}}], "maxTokens": 5}


class Server:
    """The server of a test, in the words of tasks."""

    def __init__(self, client, peer, runtime) -> None:
        self.client, self.peer, self.runtime = client, peer, runtime

    async def elicit(self, task=None, **more):
        """The task that an elicitation becomes."""
        result = await self.peer.ask("elicitation/create", {**FORM, "task": task or {}, **more})
        assert set(result) <= {"task", "_meta"}
        return result["task"]

    async def sample(self, task=None):
        return (await self.peer.ask("sampling/createMessage", {**PROMPT, "task": task or {}}))["task"]

    async def get(self, id):
        return await self.peer.ask("tasks/get", {"taskId": id})

    async def result(self, id):
        return await self.peer.ask("tasks/result", {"taskId": id})

    async def cancel(self, id):
        return await self.peer.ask("tasks/cancel", {"taskId": id})

    async def refusal(self, method, params):
        with pytest.raises(RPCError) as caught:
            await self.peer.ask(method, params)
        return caught.value

    async def changes(self):
        """What was notified of tasks since the last look: (id, status)."""
        await trio.testing.wait_all_tasks_blocked()
        heard = []
        while any(each.get("method") == "notifications/tasks/status" for each in self.peer.untaken):
            params = (await self.peer.notification("notifications/tasks/status"))["params"]
            heard.append((params["taskId"], params["status"]))
        return heard

    def answer(self, answer):
        """A person answers the one question that waits."""
        (pending,) = self.runtime.pending()
        self.runtime.answer(pending.id, answer)


@asynccontextmanager
async def asked(recorder=None, **options):
    """A client whose person and model are an inbox, and its server; when the block ends well, nothing is left."""
    async with open_runtime(grace=1.0, recorder=recorder) as runtime:
        async with scripted_server(
            STATEFUL, **{"elicitation_handler": Inbox(), "sampling_handler": Inbox(), **options}
        ) as (client, peer):
            yield Server(client, peer, runtime)
        await assert_empty(runtime)
