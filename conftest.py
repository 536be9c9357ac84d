"""What the examples in docstrings find: a study and a folder, and the packages they need."""

from __future__ import annotations

import importlib.util
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import study_data

# The examples in the docstrings of what needs an optional package that is not there.
collect_ignore_glob = [
    pattern
    for package, pattern in (
        ("torch", "src/chaotrain/torch/[!_]*.py"),
        ("lightning", "src/chaotrain/torch/lightning.py"),
        ("transformers", "src/chaotrain/torch/transformers.py"),
    )
    if importlib.util.find_spec(package) is None
]


@cache
def _study() -> SimpleNamespace:
    dataset, summary = study_data.study()
    return SimpleNamespace(dataset=dataset, summary=summary)


@pytest.fixture(autouse=True)
def figures_examples(
    request: pytest.FixtureRequest,
    doctest_namespace: dict[str, Any],
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """Give examples of the figures a synthetic study under the name they use."""
    path: Path = request.node.path
    if path.parent.name == "figures" and path.parent.parent.name == "chaotrain":
        doctest_namespace["study"] = _study()
        doctest_namespace["folder"] = tmp_path_factory.mktemp("figures")
