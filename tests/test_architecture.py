"""The shape of the code that design.md fixes in section 3, held by a test."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from architecture import (
    FILES,
    PAGE,
    PLUMBING,
    REPOSITORY,
    ROOT,
    diagram,
    imported,
    module,
    reduced,
    updated,
)

# A module imports only from lines above its own, or from its own package; one line is one layer.
LAYERS = """
errors schema
signals processors device explaining files distances memory archives
overrides fields importing maps arguments
layout lanes course networks tasks optimizers
training ensembles alignment
twins
growth statistics
deciding
analysis
experiment
balls provenance systems curvature tile_files
spaces compiled
tangent
store horizon
study exports tiles parts
limit
workers meter
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

NAMES = [str(path.relative_to(ROOT)) for path in FILES]


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


def test_a_diagram_has_no_arrow_that_follows_from_others() -> None:
    chain = {"a": {"b", "c", "d"}, "b": {"c"}, "c": set(), "d": set()}
    assert reduced(chain) == {"a": {"b", "d"}, "b": {"c"}, "c": set(), "d": set()}
    arrows = "    a --> b & d\n    b --> c\n    c\n    d\n"
    assert diagram(chain) == f"```mermaid\nflowchart BT\n{arrows}```\n"


def test_the_contributing_page_names_what_the_diagram_leaves_out() -> None:
    (listed,) = re.findall(
        r"serves every module alike \((.*?)\)", PAGE.read_text("utf-8"), re.DOTALL
    )
    assert re.findall(r"`(\w+)`", listed) == list(PLUMBING)


def test_the_contributing_page_names_what_ci_runs() -> None:
    (named,) = re.findall(r"^(.*) are what CI runs", PAGE.read_text("utf-8"), re.MULTILINE)
    runs = re.findall(
        r"^make [\w-]+$", (REPOSITORY / ".ci" / "run").read_text("utf-8"), re.MULTILINE
    )
    assert re.findall(r"`(make [\w-]+)`", named) == runs


def test_the_diagram_of_the_contributing_page_is_that_of_the_imports() -> None:
    page = PAGE.read_text("utf-8")
    assert page == updated(page), "the imports have changed: run python tests/architecture.py"
