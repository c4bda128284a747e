"""
Tools for the tests of programs that use zcp_actors, and of zcp_actors itself. No pytest is needed but for `fixtures`.

Owns the public names. `Probe` is an actor to talk to; `scripted_server` and `scripted_client` are the other end of a
session, in both eras; `faulty` and `byte_client` are ways on which things go wrong; `virtual_clock`, `always_replay`
and `no_leaks` are about the test itself. Nothing in the package imports this.
"""

from __future__ import annotations

from zcp_actors.testing.byte_way import ByteFaults, ByteWay, byte_client
from zcp_actors.testing.fault_way import FaultWay, faulty
from zcp_actors.testing.faults import (
    Cut,
    Delay,
    Drop,
    Duplicate,
    FaultPlan,
    Happened,
    Passing,
    Plan,
    RandomPlan,
    Reorder,
    Rule,
)
from zcp_actors.testing.leaks import no_leaks
from zcp_actors.testing.probe import LATER, Probe, open_probe
from zcp_actors.testing.record import ANY
from zcp_actors.testing.replaying import ALWAYS_REPLAY_VARIABLE, always_replay
from zcp_actors.testing.scripted_client import ScriptedClient, scripted_client
from zcp_actors.testing.scripted_peer import ScriptedPeer
from zcp_actors.testing.scripted_server import ScriptedServer, scripted_server
from zcp_actors.testing.transcript import Transcript
from zcp_actors.testing.virtual_time import virtual_clock

__all__ = [
    "ALWAYS_REPLAY_VARIABLE",
    "ANY",
    "LATER",
    "ByteFaults",
    "ByteWay",
    "Cut",
    "Delay",
    "Drop",
    "Duplicate",
    "FaultPlan",
    "FaultWay",
    "Happened",
    "Passing",
    "Plan",
    "Probe",
    "RandomPlan",
    "Reorder",
    "Rule",
    "ScriptedClient",
    "ScriptedPeer",
    "ScriptedServer",
    "Transcript",
    "always_replay",
    "byte_client",
    "faulty",
    "no_leaks",
    "open_probe",
    "scripted_client",
    "scripted_server",
    "virtual_clock",
]
