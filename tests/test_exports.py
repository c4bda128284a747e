"""The public surface: what the package says it exports is what it exports, and its root holds nothing else."""

from __future__ import annotations

import ast
import inspect
from pathlib import Path

import zcp_actors

ROOT_MODULE = Path(__file__).parent.parent / "zcp_actors" / "__init__.py"


def test_all_names_the_public_members_in_order():
    public = [
        name
        for name, value in vars(zcp_actors).items()
        if not name.startswith("_") and not inspect.ismodule(value) and name not in ("annotations", "TYPE_CHECKING")
    ]

    assert sorted(public) == list(zcp_actors.__all__)


def test_the_root_holds_imports_and_all_and_nothing_else():
    docstring, *statements = ast.parse(ROOT_MODULE.read_text()).body
    others = [node for node in statements if not isinstance(node, ast.Import | ast.ImportFrom)]

    assert isinstance(docstring, ast.Expr)
    assert [ast.unparse(node.targets[0]) for node in others if isinstance(node, ast.Assign)] == ["__all__"]
    assert len(others) == 1
