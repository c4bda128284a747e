"""What the disk asks for a task that is to survive: two commits, each synced, one after the other."""

import asyncio
import sqlite3
import tempfile
from pathlib import Path

from benchmarks.worker import one_after_another, work


async def main():
    with tempfile.TemporaryDirectory() as folder:
        connection = sqlite3.connect(Path(folder) / "floor.sqlite3", isolation_level=None)
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("CREATE TABLE task (id INTEGER PRIMARY KEY, record TEXT)")

        async def whole():
            row = connection.execute("INSERT INTO task (record) VALUES (?)", ("x" * 500,)).lastrowid
            connection.execute("UPDATE task SET record = ? WHERE id = ?", ("y" * 500, row))

        await work({"whole": one_after_another(whole)})


if __name__ == "__main__":
    asyncio.run(main())
