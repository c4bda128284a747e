"""A kind of task: work that is started by its name, asks a model and a person on its way, and is no tool.

python examples/review_run.py
"""
# ruff: noqa: ANN001, ANN201, ARG005, ASYNC110 - written as the ZCP guide writes it

import trio

from zcp_actors import FastZCP, open_runtime, stdio_client, stdio_server

app = FastZCP("Review")


@app.task("review.run")
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


async def main():
    client = stdio_client(
        stdio_server(app),
        sampling_handler=lambda request: {"role": "assistant", "content": "Short draft."},
        elicitation_handler=lambda request: {"accepted": True, "data": {}},
    )
    async with open_runtime(), client:
        created = await client.create_task("review.run", {"topic": "transports"})
        task_id = created["task"]["taskId"]
        while (await client.get_task(task_id))["task"]["status"] not in {"completed", "failed", "cancelled"}:
            await trio.sleep(0.05)
        print(await client.get_task_result(task_id))


if __name__ == "__main__":
    trio.run(main)
