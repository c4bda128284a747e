"""The same over streamable HTTP, without sockets: the real bytes of both sides, in one process.

python examples/streamable_http_task_client.py
"""
# ruff: noqa: ANN001, ANN201 - written as the ZCP guide writes it

import trio

from zcp_actors import FastZCP, open_runtime, streamable_http_client, streamable_http_server

app = FastZCP("Task Demo")


@app.tool(
    name="weather.refresh_cache",
    description="Refresh remote weather cache.",
    input_schema={
        "type": "object",
        "properties": {"city": {"type": "string"}},
        "required": ["city"],
        "additionalProperties": False,
    },
    execution={"taskSupport": "optional"},
)
async def refresh_cache(city: str, task=None):
    if task is not None:
        await task.update_status(f"Refreshing {city}")
    await trio.sleep(0.05)
    return {"city": city, "status": "refreshed"}


async def main():
    server = streamable_http_server(app, endpoint="http://127.0.0.1:8000/zcp")
    async with open_runtime(), streamable_http_client(server) as client:
        created = await client.call_tool_as_task("weather.refresh_cache", {"city": "Hangzhou"})
        task_id = created["task"]["taskId"]
        while True:
            task = await client.get_task(task_id)
            if task["task"]["status"] in {"completed", "failed", "cancelled"}:
                break
            await trio.sleep(0.01)
        result = await client.get_task_result(task_id)
        print(result)


if __name__ == "__main__":
    trio.run(main)
