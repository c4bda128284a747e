"""
Spans and metrics of everything that the layers report, by the OpenTelemetry API alone.

`Telemetry` is the recorder. It takes a tracer provider and a meter provider and never sets a global one; which SDK,
which exporter and when to flush is the application's, `flush` helps with the last.
"""

from zcp_actors.telemetry.clock import Clock as Clock
from zcp_actors.telemetry.flushing import flush as flush
from zcp_actors.telemetry.flushing import shut_down as shut_down
from zcp_actors.telemetry.recorder import Telemetry as Telemetry

__all__ = ["Clock", "Telemetry", "flush", "shut_down"]
