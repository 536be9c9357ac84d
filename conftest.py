"""What the examples in the docstrings of `chaotrain.figures` find: a study, and a folder."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import study_data


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
