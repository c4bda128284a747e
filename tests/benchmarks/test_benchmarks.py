"""The benchmarks themselves: adding a case is one file, a run gives tables, JSON and pictures, no peer fails a run."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import case, cases
from benchmarks.case import Case, Measure, Variant, all_cases
from benchmarks.figures import Round, percentile, times_better
from benchmarks.judged import judged
from benchmarks.results import read, told, write
from benchmarks.rounds import Options, Outcome, chosen, run, turned
from benchmarks.targets import TARGETS, ahead, most, within

ROOT = Path(__file__).parents[2]
SECONDS = 120
PROGRAM = """
import asyncio
from benchmarks.worker import one_after_another, work, words

async def main(milliseconds):
    async def nap():
        await asyncio.sleep(float(milliseconds) / 1000)
    await work({"nap": one_after_another(nap)}, version="7")

asyncio.run(main(*words()))
"""
MADE = """
from benchmarks.case import Case, Measure, Variant
from benchmarks.targets import within

CASE = Case(
    name="made", title="Made", says="naps", measures=(Measure("nap", "one nap", seconds=0.05, warm=0.0),),
    variants=(
        Variant("ours", {program!r}, ("1",)),
        Variant("peer", {program!r}, ("5",)),
        Variant("another", {program!r}, ("1",), env="mcp"),
        Variant("broken", {program!r}, ("x",)),
    ),
    peer="peer",
    targets=(within("made", "nap", "ours", 0.9, "peer"), within("made", "nap", "ours", 1, "another")),
)
"""


@pytest.fixture
def made(tmp_path, monkeypatch):
    """A case in a file of its own, in a folder that is looked at as well."""
    program = tmp_path / "programs/napping.py"
    program.parent.mkdir()
    program.write_text(PROGRAM)
    (tmp_path / "z99_made.py").write_text(MADE.format(program=str(program)))
    monkeypatch.setattr(cases, "__path__", [*cases.__path__, str(tmp_path)])
    monkeypatch.setattr("benchmarks.environments.home", lambda peer: tmp_path / peer)
    yield all_cases()["made"]
    sys.modules.pop("benchmarks.cases.z99_made", None)


def test_adding_a_case_is_adding_one_file(made):
    assert list(all_cases())[-1] == "made"


def test_a_peer_that_is_absent_or_broken_is_told_and_fails_nothing(made):
    outcome = run(made, Options(rounds=2), lambda name: None)

    assert [variant.name for variant in outcome.measured] == ["ours", "peer"]
    assert outcome.absent["another"] == "mcp is not installed"
    assert "could not convert string to float" in outcome.absent["broken"]
    assert outcome.facts["ours"] == {"version": "7"}


def test_a_target_is_judged_by_the_pairs_of_its_rounds_or_said_not_to_be_measured(made):
    outcome = run(made, Options(rounds=2), lambda name: None)
    fast, unknown = judged(outcome)

    assert 0.1 < fast.figure < 0.9
    assert (fast.verdict, unknown.verdict) == ("met", "not measured")


def test_results_are_read_as_they_were_written(made, tmp_path):
    outcome = run(made, Options(rounds=2), lambda name: None)
    write(outcome, {"load_before": 0.0}, Options(rounds=2), tmp_path)
    again, _ = read(made, tmp_path)

    first, second = (told(each, {}, Options()) | {"date": ""} for each in (outcome, again))
    assert second == first


def test_every_round_turns_the_order_and_the_same_run_has_the_same_order_twice():
    variants = [Variant(name, "program.py") for name in "abcd"]
    orders = [[each.name for each in turned(variants, number)] for number in range(4)]

    assert [order[0] for order in orders] == orders[0]
    assert orders == [[each.name for each in turned(variants, number)] for number in range(4)]


def test_without_peers_ours_and_the_floors_are_left():
    names = ("ours 2025", "mcp 2025", "floor hop", "ours, raw client", "zcp, raw client")
    made = Case("x", "X", "x", (Measure("one", "one"),), tuple(Variant(name, "program.py") for name in names))

    assert [each.name for each in chosen(made, Options(peers=False))] == ["ours 2025", "floor hop", "ours, raw client"]


def test_every_target_names_a_case_a_measure_and_variants_that_exist():
    known = all_cases()
    for target in TARGETS:
        of = known[target.case]
        variants = {each.name for each in of.variants}
        assert target.measure in {each.name for each in of.measures}, target
        assert {target.variant, target.other or target.variant} <= variants, target


def test_every_case_compares_with_variants_that_it_has():
    for each in all_cases().values():
        variants = {variant.name for variant in each.variants}
        assert {each.peer or each.variants[0].name, each.floor or each.variants[0].name} <= variants
        for variant in each.variants:
            folder = "peers/node" if variant.env == "node" else "programs"
            assert (ROOT / "benchmarks" / folder / variant.program).exists(), variant


def round_of(**figures):
    return Round(**{"p50": 1.0, "p99": 1.0, "per": 1.0, "cpu": 1.0, "rate": 1.0, "count": 1} | figures)


def test_a_ratio_is_the_median_of_the_pairs_of_rounds_that_both_have():
    ours = {0: round_of(p50=1), 1: round_of(p50=10), 2: round_of(p50=1), 3: round_of(p50=99)}
    peer = {0: round_of(p50=4), 1: round_of(p50=50), 2: round_of(p50=6)}

    assert times_better(ours, peer, "p50") == 5
    assert times_better({0: round_of(rate=30)}, {0: round_of(rate=10)}, "rate") == 3
    assert times_better(ours, {7: round_of()}, "p50") is None


@pytest.mark.parametrize(
    ("target", "ratio_ours", "met"),
    [
        (most("t", "one", "ours", 10), 10.0, True),
        (most("t", "one", "ours", 10), 10.1, False),
        (within("t", "one", "ours", 2, "peer"), 40.0, True),
        (within("t", "one", "ours", 2, "peer"), 41.0, False),
        (ahead("t", "one", "ours", 4, "peer"), 5.0, True),
        (ahead("t", "one", "ours", 4, "peer"), 5.1, False),
    ],
)
def test_a_target_is_met_up_to_its_number_and_not_beyond(target, ratio_ours, met):
    variants = (Variant("ours", "x.py"), Variant("peer", "x.py"))
    outcome = Outcome(Case("t", "T", "t", (Measure("one", "one"),), variants, targets=(target,)))
    outcome.rounds["ours", "one"] = {0: round_of(p50=ratio_ours)}
    outcome.rounds["peer", "one"] = {0: round_of(p50=20.0)}

    assert judged(outcome)[0].met is met


def test_percentiles_are_values_that_were_measured():
    ordered = [float(each) for each in range(1, 101)]

    assert (percentile(ordered, 50), percentile(ordered, 99), percentile([7.0], 99)) == (51.0, 99.0, 7.0)


def test_a_quick_run_of_two_cases_writes_tables_json_and_pictures(tmp_path):
    if importlib.util.find_spec("matplotlib") is None and not os.environ.get("CI"):
        pytest.skip("matplotlib is not there: `make test-environment` installs it")
    words = [
        "--case",
        "cancel",
        "--case",
        "actors",
        "--quick",
        "--rounds",
        "1",
        "--peers",
        "none",
        "--to",
        str(tmp_path),
    ]
    done = subprocess.run(
        [sys.executable, "-m", "zcp_actors.cli", "bench", *words, "--to", str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=SECONDS,
        cwd=tmp_path,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert "Cancelling a call in process: cancel to handler stopped" in done.stdout
    assert "targets met" in done.stdout
    for name in ("cancel", "actors"):
        kept = json.loads((tmp_path / f"{name}.json").read_text())
        assert {row["variant"] for row in kept["figures"]} >= {
            "ours" if name == "actors" else "ours 2025",
            "floor trio",
        }
        assert (tmp_path / f"{name}.png").read_bytes().startswith(b"\x89PNG")
    assert "| **ours 2025** |" in (tmp_path / "tables.md").read_text()


def test_the_command_lists_the_cases():
    done = subprocess.run(
        [sys.executable, "-m", "zcp_actors.cli", "bench", "--list"],
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=True,
    )

    assert {line.split()[0] for line in done.stdout.splitlines()} >= set(case.all_cases())


def test_an_installation_without_the_source_tree_is_told_where_the_benchmarks_are(tmp_path):
    from zcp_actors.cli.bench import run_bench
    from zcp_actors.errors import UsageError

    with pytest.raises(UsageError, match="clone it and run 'make bench'"):
        run_bench((), tmp_path)
