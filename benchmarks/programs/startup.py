"""How long a fresh interpreter takes. Words: the command line, or what is imported."""

import asyncio
import subprocess
import sys

from benchmarks.worker import now, timed_by_itself, words, work


async def main(*what):
    argv = [sys.executable, "-c", f"import {what[0]}"] if len(what) == 1 else [sys.executable, *what]

    async def run():
        start = now()
        subprocess.run(argv, check=True, capture_output=True, stdin=subprocess.DEVNULL)
        return (now() - start) / 1000

    await work({"run": timed_by_itself(run, least=3)})


if __name__ == "__main__":
    asyncio.run(main(*words()))
