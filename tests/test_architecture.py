"""The shape of the code that design.md fixes in section 3, held by a test."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import chaotrain

ROOT = Path(chaotrain.__file__).parent

# A module imports only from lines above its own, or from its own package; one line is one layer.
LAYERS = """
errors schema
signals overrides explaining files maps distances
fields importing
layout networks tasks optimizers
training ensembles alignment
twins
growth statistics
analysis
experiment
balls provenance systems curvature
spaces
tangent
store horizon
study exports tiles parts
workers
runs
atlas sensitivity figures anatomy onset schedules pools
tables progress torch
report status
showing complaints
comparing
cli
__main__
"""
LAYER = {name: depth for depth, line in enumerate(LAYERS.split("\n")) for name in line.split()}

LONGEST = 330

FILES = sorted(ROOT.rglob("*.py"))
NAMES = [str(path.relative_to(ROOT)) for path in FILES]


def module(path: Path) -> str:
    """The name of the layer that a file belongs to: a module, or a package."""
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


def imported(path: Path) -> Iterator[str]:
    """Every module of chaotrain that a file imports, wherever it does and for whatever."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports relatively"
            bare = node.module == "chaotrain"
            names = [f"chaotrain.{a.name}" for a in node.names] if bare else [str(node.module)]
        else:
            continue
        yield from (name.split(".")[1] for name in names if name.startswith("chaotrain."))


@pytest.mark.parametrize("path", FILES, ids=NAMES)
def test_imports_point_up(path: Path) -> None:
    name = module(path)
    if name == "__init__":  # the front door knows every room
        return
    assert name in LAYER, f"give {name} a line in LAYERS"
    for other in imported(path):
        if other != name:
            assert LAYER[other] < LAYER[name], f"{path.name} imports {other}, which is not above it"


def test_every_layer_exists() -> None:
    assert LAYER.keys() == {module(path) for path in FILES} - {"__init__"}


@pytest.mark.parametrize("path", sorted((ROOT / "figures").glob("*.py")), ids=lambda p: p.name)
def test_figures_import_no_engine(path: Path) -> None:
    assert set(imported(path)) <= {"schema", "statistics", "figures"}


@pytest.mark.parametrize("path", FILES, ids=NAMES)
def test_a_file_is_one_idea_and_not_long(path: Path) -> None:
    text = path.read_text("utf-8")
    assert len(text.splitlines()) <= LONGEST
    if text.strip():
        assert ast.get_docstring(ast.parse(text)), f"{path} does not say what it is for"
