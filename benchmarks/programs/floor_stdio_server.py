"""The least of servers over stdio: a thread that blocks, and the same answer to everything."""

import sys

import msgspec

decode, encode = msgspec.json.decode, msgspec.json.encode
RESULT = {
    "protocolVersion": "2025-11-25",
    "capabilities": {"tools": {}},
    "serverInfo": {"name": "floor", "version": "1"},
    "content": [{"type": "text", "text": "hello"}],
    "structuredContent": {"result": "hello"},
}

if __name__ == "__main__":
    for line in sys.stdin.buffer:
        message = decode(line)
        if "id" in message:
            sys.stdout.buffer.write(encode({"jsonrpc": "2.0", "id": message["id"], "result": RESULT}) + b"\n")
            sys.stdout.buffer.flush()
