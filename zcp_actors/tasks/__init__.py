"""
What must outlive a call: the stores of `ctx.once`.

Each fills in `ports.OnceStore`; pass one to `open_runtime(once_store=...)` or to a `ServerHandle`.
Refuses to know sessions.
"""

from __future__ import annotations

from zcp_actors.tasks.once_memory import MemoryOnceStore as MemoryOnceStore
from zcp_actors.tasks.once_sqlite import SqliteOnceStore as SqliteOnceStore
from zcp_actors.tasks.writer import Writer as Writer
