"""A transcript is what crossed, in order, as plain JSON."""

from __future__ import annotations

from zcp_actors import Context, FastZCP, memory_client, open_runtime
from zcp_actors.testing import Transcript


def make_app() -> FastZCP:
    app = FastZCP("Demo")

    @app.tool
    async def ask(ctx: Context) -> str:
        return (await ctx.sample("q", max_tokens=5)).content.text

    return app


async def test_the_outline_names_messages_by_side_and_method_and_replies_by_their_request(autojump_clock):
    transcript = Transcript()
    async with open_runtime():
        options = {"era": "2025-11-25", "sampling_handler": lambda _: "a"}
        async with memory_client(make_app(), tap=transcript, **options) as client:
            await client.call_tool("ask")

    assert transcript.outline() == [
        "client initialize",
        "server result of initialize",
        "client notifications/initialized",
        "client tools/call",
        "server sampling/createMessage",
        "client result of sampling/createMessage",
        "server result of tools/call",
    ]
    assert transcript.of("server")[1]["params"]["maxTokens"] == 5
    assert len([*transcript]) == len(transcript) == 7


def test_bytes_are_read_long_lines_are_cut_and_only_the_newest_are_kept():
    transcript = Transcript(kept=2)
    transcript("out", b'{"jsonrpc":"2.0","id":1,"method":"first"}')
    transcript("out", b'{"jsonrpc":"2.0","id":2,"method":"ping"}')
    transcript("in", b'{"jsonrpc":"2.0","id":2,"error":{"code":-1,"message":"%s"}}' % (b"x" * 500))

    assert transcript.outline() == ["out ping", "in error of ping"]
    assert [len(line) for line in str(transcript).splitlines()] == [48, 160]
    assert str(transcript).endswith("...")


def test_a_reply_to_what_nobody_asked_says_so():
    transcript = Transcript()
    transcript("server", {"jsonrpc": "2.0", "id": 9, "result": {}})

    assert transcript.outline() == ["server result of what nobody asked"]
