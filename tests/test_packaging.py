"""The artefact: what `pip install` gets."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def wheel_names(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)],
        cwd=ROOT,
        check=True,
        capture_output=True,
        timeout=120,
    )
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        return archive.namelist()


def test_the_wheel_tells_type_checkers_that_both_packages_are_typed(wheel_names):
    assert {"zcp_actors/py.typed", "zcp_actors_adapters/py.typed"} <= set(wheel_names)


def test_the_wheel_holds_the_two_packages_and_nothing_else(wheel_names):
    tops = {name.split("/")[0] for name in wheel_names if ".dist-info/" not in name}

    assert tops == {"zcp_actors", "zcp_actors_adapters"}
