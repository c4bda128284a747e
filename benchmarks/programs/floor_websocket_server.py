"""The least of websocket servers: trio-websocket, the same answer to everything."""

from functools import partial

import msgspec
import trio
from trio_websocket import ConnectionClosed, serve_websocket

from benchmarks.programs.floor_stdio_server import RESULT


async def handle(request):
    socket = await request.accept(subprotocol=next(iter(request.proposed_subprotocols), None))
    try:
        while True:
            message = msgspec.json.decode(await socket.get_message())
            if "id" in message:
                answer = {"jsonrpc": "2.0", "id": message["id"], "result": RESULT}
                await socket.send_message(msgspec.json.encode(answer).decode())
    except ConnectionClosed:
        pass


async def main():
    async with trio.open_nursery() as nursery:
        server = await nursery.start(partial(serve_websocket, handle, "127.0.0.1", 0, ssl_context=None))
        print(f"ws://127.0.0.1:{server.port}/ws", flush=True)


if __name__ == "__main__":
    trio.run(main)
