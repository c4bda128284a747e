"""The kernel without MCP."""

from benchmarks.case import Case, Measure, Variant

CASE = Case(
    name="actors",
    title="Actor messages",
    says="ask, tell, start and stop, cancel of an actor that answers at once",
    measures=(
        Measure("ask", "ask, one after another"),
        Measure("hundred", "ask, 100 at once", better="rate"),
        Measure("tell", "tell, each of a burst of 100"),
        Measure("spawn", "start and stop"),
        Measure("cancel", "cancel to stopped"),
    ),
    variants=(
        Variant("ours", "ours_actors.py"),
        Variant("pykka", "pykka_actors.py", note="a thread each"),
        Variant("floor trio", "floor_actors.py", note="by hand: nobody supervises, no ask has a deadline"),
    ),
    peer="pykka",
    floor="floor trio",
    quick=True,
)
