"""
The shape of the source: imports run one way, deciding is pure, shields end, files and functions stay short.

An import counts wherever it stands, also under TYPE_CHECKING: naming a thing is knowing it.
"""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SOURCES = sorted([*ROOT.glob("zcp_actors/**/*.py"), *ROOT.glob("adapters/**/*.py")])

BELOW_SESSIONS = {"errors", "ports", "wire", "schemas", "protocol", "actors"}
ABOVE_SESSIONS = BELOW_SESSIONS | {"sessions"}
MAY_IMPORT = {
    "errors": set(),
    "ports": {"errors"},
    "wire": {"errors"},
    "schemas": {"errors"},
    "protocol": {"errors", "wire", "schemas"},
    "actors": {"errors", "ports"},
    "sessions": BELOW_SESSIONS,
    "tasks": ABOVE_SESSIONS,
    "telemetry": {"errors", "ports"},
    "app": {"errors", "ports", "wire", "schemas", "protocol", "sessions", "tasks"},
    "transports": {"errors", "ports", "wire", "protocol", "actors", "sessions"},
    "group": ABOVE_SESSIONS | {"transports"},
    "auth": ABOVE_SESSIONS,
    "host": ABOVE_SESSIONS,
    "adapters": {"root", "ports", "aio"},
}
"""Layer -> the layers it may know besides itself. One that is not listed (root, aio, testing, cli) may know all."""

RUNTIMES = {"trio", "asyncio", "anyio"}
CHANCE = {"time", "random", "secrets", "uuid"}
NEVER = {"wire": RUNTIMES, "schemas": RUNTIMES, "protocol": RUNTIMES | CHANCE}
"""A layer that decides gets times and nonces as arguments, so that every run of it can be repeated."""

LONGEST_FILE = 500
LONGEST_FUNCTION = 60

each_source = pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))


def layer_of(module: str) -> str:
    package, *names = module.split(".")
    if package != "zcp_actors":
        return "adapters" if package == "zcp_actors_adapters" else ""
    return names[0] if names else "root"


def module_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(part for part in parts if part not in ("adapters", "__init__"))


def imports(tree: ast.AST) -> set[str]:
    """Every imported name in full; `from zcp_actors import wire` counts as `zcp_actors.wire`."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"line {node.lineno}: relative imports hide the direction"
            is_layer = {name for alias in node.names if (ROOT / "zcp_actors" / (name := alias.name)).exists()}
            is_layer |= {name for alias in node.names if (ROOT / "zcp_actors" / f"{(name := alias.name)}.py").exists()}
            modules = {f"zcp_actors.{name}" for name in is_layer} if node.module == "zcp_actors" else set()
            found |= modules or {node.module or ""}
    return found


@each_source
def test_imports_run_one_way(path: Path) -> None:
    layer = layer_of(module_of(path))
    known = {layer_of(name) for name in imports(ast.parse(path.read_text()))} - {"", layer}

    assert known <= MAY_IMPORT.get(layer, known)


@each_source
def test_what_decides_imports_no_runtime_and_no_chance(path: Path) -> None:
    packages = {name.split(".")[0] for name in imports(ast.parse(path.read_text()))}

    assert not packages & NEVER.get(layer_of(module_of(path)), set())


@each_source
def test_nothing_imports_the_mcp_package_anyio_or_the_adapters_folder(path: Path) -> None:
    packages = {name.split(".")[0] for name in imports(ast.parse(path.read_text()))}

    assert not packages & {"mcp", "anyio", "adapters"}


@each_source
def test_every_shield_has_a_deadline(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call):
            given = {keyword.arg for keyword in node.keywords}
            assert "shield" not in given or given & {"deadline", "relative_deadline"} or timed(node), node.lineno
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            shields = {ast.unparse(t.value) for t, value in assigned(node, "shield") if ast.unparse(value) != "False"}
            assert shields <= {ast.unparse(t.value) for t, _ in assigned(node, "deadline")}, node.lineno


def assigned(function: ast.AST, attribute: str) -> list[tuple[ast.Attribute, ast.expr]]:
    """The assignments to `something.attribute` in a function, with their values."""
    return [
        (target, node.value)
        for node in ast.walk(function)
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Attribute) and target.attr == attribute
    ]


def timed(call: ast.Call) -> bool:
    """`trio.move_on_after(5, shield=True)` and its siblings cannot be written without a time."""
    return isinstance(call.func, ast.Attribute) and call.func.attr in {
        "move_on_after",
        "move_on_at",
        "fail_after",
        "fail_at",
    }


@each_source
def test_files_and_functions_are_short(path: Path) -> None:
    text = path.read_text()
    lengths = {
        node.name: (node.end_lineno or 0) - node.lineno + 1
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }

    assert text.count("\n") <= LONGEST_FILE
    assert {name: length for name, length in lengths.items() if length > LONGEST_FUNCTION} == {}
