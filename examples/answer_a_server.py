"""A host in one page: it opens the example server in this process, in both eras, and answers what the server asks.

python examples/answer_a_server.py
"""

from __future__ import annotations

from typing import Any

import trio

from zcp_actors import open_runtime, stdio_client
from zcp_actors.demo.desk import app


def model(request: Any) -> str:
    """Where a host would ask its language model."""
    return f"[{request.messages[-1].content.text}]"


def person(request: Any) -> dict[str, Any]:
    """Where a host would show a form."""
    return {"accepted": True, "data": {"headline": request.message.split()[-1], "tone": "plain"}}


async def main() -> None:
    async with open_runtime():
        for era in ("2025-11-25", "2026-07-28"):
            client = stdio_client(app, era=era, sampling_handler=model, elicitation_handler=person)
            async with client:
                receipt = await client.call_tool("publish", {"topic": "bees"})
                print(era, receipt.structured_content["headline"], receipt.structured_content["draft"])


if __name__ == "__main__":
    trio.run(main)
