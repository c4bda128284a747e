"""A tool of ours that asks its client back, in process. Words: era."""

import attrs
import trio

from benchmarks.worker import many_at_once, one_after_another, together_on_trio, words, work
from zcp_actors import Context, FastZCP, memory_client, open_runtime

app = FastZCP("Asking")


@attrs.define
class Approval:
    agreed: bool


@app.tool
async def approve(text: str, ctx: Context) -> str:
    answer = await ctx.elicit(f"Publish {text}?", Approval)
    return "yes" if answer.accepted and answer.data.agreed else "no"


@app.tool
async def draft(text: str, ctx: Context) -> str:
    return (await ctx.sample(f"Summarise {text}", max_tokens=20)).text


async def main(era):
    providers = {
        "elicitation_handler": lambda _: {"accepted": True, "data": {"agreed": True}},
        "sampling_handler": lambda _: "short",
    }
    async with open_runtime(), memory_client(app, era=era, **providers) as client:

        async def elicit():
            assert (await client.call_tool("approve", {"text": "it"})).structured_content == {"result": "yes"}

        async def sample():
            assert (await client.call_tool("draft", {"text": "it"})).structured_content == {"result": "short"}

        await work(
            {
                "elicit": one_after_another(elicit),
                "sample": one_after_another(sample),
                "hundred": many_at_once(elicit, together_on_trio),
            }
        )


if __name__ == "__main__":
    trio.run(main, *words())
