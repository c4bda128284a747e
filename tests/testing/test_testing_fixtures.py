"""The fixtures work in a project that lists the plugin, and the tools work where there is no pytest."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import zcp_actors

PROJECT = """
import pytest, trio
from zcp_actors import Context, FastZCP, current_runtime, memory_client
from zcp_actors.testing import open_probe

app = FastZCP("Demo")
runs = []

@app.tool
async def ask(ctx: Context) -> str:
    runs.append(1)
    return (await ctx.sample("q", max_tokens=5)).content.text

@pytest.mark.trio
async def test_virtual_time(virtual_clock):
    await trio.sleep(1000)
    assert trio.current_time() == 1000

@pytest.mark.trio
async def test_runtime_is_around(runtime, no_leaks):
    assert current_runtime() is runtime
    async with memory_client(app) as client:
        await client.list_tools()

@pytest.mark.trio
async def test_leaves_a_probe(runtime, no_leaks):
    open_probe("forgotten")

@pytest.mark.trio
async def test_replays(runtime, always_replay, virtual_clock):
    runs.clear()
    async with memory_client(app, era="2025-11-25", sampling_handler=lambda _: "a") as client:
        await client.call_tool("ask")
    assert len(runs) == 2

@pytest.mark.trio
async def test_does_not_replay(runtime):
    runs.clear()
    async with memory_client(app, era="2025-11-25", sampling_handler=lambda _: "a") as client:
        await client.call_tool("ask")
    assert len(runs) == 1
"""


def test_a_project_that_lists_the_plugin_gets_the_fixtures(tmp_path):
    (tmp_path / "conftest.py").write_text('pytest_plugins = ["zcp_actors.testing.fixtures"]\n')
    (tmp_path / "test_project.py").write_text(PROJECT)
    (tmp_path / "pytest.ini").write_text("[pytest]\n")

    ran = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-rA", "-p", "no:cacheprovider", str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        cwd=tmp_path,
    )

    assert "1 failed, 4 passed" in ran.stdout or "4 passed, 1 error" in ran.stdout, ran.stdout
    assert "left behind" in ran.stdout
    assert "cell root/forgotten" in ran.stdout


def test_the_tools_import_without_pytest():
    program = "import sys; sys.modules['pytest'] = sys.modules['pytest_trio'] = None; import zcp_actors.testing"

    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)


def test_nothing_in_the_package_imports_the_tools():
    root = Path(zcp_actors.__file__).parent
    sources = [path for path in root.rglob("*.py") if (root / "testing") not in path.parents]
    importing = [path for path in sources if "zcp_actors.testing" in imported(path)]

    assert sources
    assert importing == []


def imported(path):
    nodes = [*ast.walk(ast.parse(path.read_text()))]
    names = {node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)}
    names |= {f"{n.module}.{alias.name}" for n in nodes if isinstance(n, ast.ImportFrom) for alias in n.names}
    names |= {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    return {".".join(name.split(".")[:2]) for name in names}
