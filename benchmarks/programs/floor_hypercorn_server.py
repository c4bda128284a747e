"""The least of ASGI servers on hypercorn's trio worker: the body is read, the same JSON goes back."""

import json
from functools import partial

import trio
from hypercorn.config import Config
from hypercorn.trio import serve

BODY = json.dumps(
    {"jsonrpc": "2.0", "id": 1, "result": {"content": [{"type": "text", "text": "hello"}], "isError": False}}
).encode()
HEADERS = [(b"content-type", b"application/json"), (b"content-length", str(len(BODY)).encode())]


async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        while True:
            event = (await receive())["type"]
            await send({"type": f"{event}.complete"})
            if event == "lifespan.shutdown":
                return
    while (await receive()).get("more_body"):
        pass
    await send({"type": "http.response.start", "status": 200, "headers": HEADERS})
    await send({"type": "http.response.body", "body": BODY})


async def main():
    config = Config()
    config.bind = ["127.0.0.1:0"]
    config.accesslog = config.errorlog = None
    config.keep_alive_timeout, config.keep_alive_max_requests = 60, 10**9
    async with trio.open_nursery() as nursery:
        (url,) = await nursery.start(partial(serve, app, config))
        print(f"{url}/mcp", flush=True)


if __name__ == "__main__":
    trio.run(main)
