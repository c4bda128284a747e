"""
A supervised actor runtime on trio. It knows nothing of MCP.

Owns the public names of the layer. Read in this order: `exit`, `ref`, `reply`, `host`, `cell`, `mailbox`, `actor`,
`seat`, `strategy`, `supervisor`, `regroup`, `ending`, `workers`, `timers`, `registry`, `inspection`, `trace`,
`watchdog`, and `runtime`, where all of it meets.
"""

from __future__ import annotations

from zcp_actors.actors.actor import Actor
from zcp_actors.actors.cell import Cell
from zcp_actors.actors.dead_letters import DeadLetter, DeadLetters
from zcp_actors.actors.ending import each_soon
from zcp_actors.actors.exit import Exit
from zcp_actors.actors.inspection import Node
from zcp_actors.actors.mailbox import Envelope
from zcp_actors.actors.ref import Ref
from zcp_actors.actors.registry import Registry
from zcp_actors.actors.reply import Reply, askers, settle
from zcp_actors.actors.runtime import Runtime, current_runtime, open_runtime
from zcp_actors.actors.standing import StandingJob
from zcp_actors.actors.strategy import Child, Limit, Restart, Strategy
from zcp_actors.actors.supervisor import Supervisor
from zcp_actors.actors.timers import Timer, Timers
from zcp_actors.actors.trace import Record, Trace
from zcp_actors.actors.workers import Job, Workers

__all__ = [
    "Actor",
    "Cell",
    "Child",
    "DeadLetter",
    "DeadLetters",
    "Envelope",
    "Exit",
    "Job",
    "Limit",
    "Node",
    "Record",
    "Ref",
    "Registry",
    "Reply",
    "Restart",
    "Runtime",
    "StandingJob",
    "Strategy",
    "Supervisor",
    "Timer",
    "Timers",
    "Trace",
    "Workers",
    "askers",
    "current_runtime",
    "each_soon",
    "open_runtime",
    "settle",
]
