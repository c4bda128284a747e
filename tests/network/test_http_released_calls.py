"""A call that lets its connection go: its client must know how to come back (2025-11-25 basic/transports, polling)."""

from __future__ import annotations

from network.http_site import Events, site


async def test_a_call_that_lets_go_before_its_stream_began_still_gives_an_id_to_come_back_with():
    """conformance: server-sse-polling."""
    async with site() as server:
        session = await server.session()
        async with session.stream(1, "let_go") as response:
            events = Events(response)
            assert await events.rest() == []
        assert events.last is not None
        assert events.retry is not None
        server.gates.go.set()
        async with session.listen(events.last) as response:
            (reply,) = await Events(response).rest()

    assert reply["id"] == 1
    assert reply["result"]["structuredContent"] == {"result": "after all"}
