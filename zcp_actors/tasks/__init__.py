"""
What must outlive a call: the stores of `ctx.once` and of tasks.

Each fills in `ports.OnceStore` or `ports.TaskStore`. Refuses to know sessions.
"""

from __future__ import annotations

from zcp_actors.tasks.limits import TaskLimits as TaskLimits
from zcp_actors.tasks.memory import MemoryTaskStore as MemoryTaskStore
from zcp_actors.tasks.once_memory import MemoryOnceStore as MemoryOnceStore
from zcp_actors.tasks.once_sqlite import SqliteOnceStore as SqliteOnceStore
from zcp_actors.tasks.sqlite import SqliteTaskStore as SqliteTaskStore
from zcp_actors.tasks.sqlite import default_task_file as default_task_file
from zcp_actors.tasks.writer import Writer as Writer
