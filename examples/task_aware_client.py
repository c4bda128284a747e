"""A tool that may run as a task, and a client that starts one, looks at it now and then, and takes its result.

python examples/task_aware_client.py
"""
# ruff: noqa: ANN001, ANN201, ARG001 - written as the ZCP guide writes it

import trio

from zcp_actors import FastZCP, open_runtime, stdio_client, stdio_server

app = FastZCP("Task Demo")


@app.tool(
    name="weather.refresh",
    description="Refresh weather data.",
    input_schema={
        "type": "object",
        "properties": {"city": {"type": "string"}},
        "required": ["city"],
        "additionalProperties": False,
    },
    output_mode="scalar",
    inline_ok=True,
    execution={"taskSupport": "optional"},
)
async def refresh(city: str, task=None, ctx=None):
    if task is not None:
        await task.update_status(f"Refreshing {city}")
    await trio.sleep(0.2)
    return {"city": city, "status": "done"}


async def main():
    async with open_runtime(), stdio_client(stdio_server(app)) as client:
        created = await client.call_tool_as_task("weather.refresh", {"city": "Hangzhou"}, ttl=30000, poll_interval=250)
        task_id = created["task"]["taskId"]
        while True:
            current = await client.get_task(task_id)
            if current["task"]["status"] in {"completed", "failed", "cancelled"}:
                break
            await trio.sleep(0.05)
        result = await client.get_task_result(task_id)
        print(result)


if __name__ == "__main__":
    trio.run(main)
