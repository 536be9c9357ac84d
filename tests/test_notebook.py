"""The notebook in examples/: it runs as it is stored, and what it shows is stored with it."""

from __future__ import annotations

import ast
import base64
import functools
import os
import re
from pathlib import Path
from typing import Any

import pytest

import chaotrain as ct

ROOT = Path(__file__).parents[1]
NOTEBOOK = ROOT / "examples" / "mnist.ipynb"
FIGURES = 5


@pytest.fixture
def notebook() -> Any:
    nbformat = pytest.importorskip("nbformat", reason="nbformat is not installed")
    found = nbformat.read(NOTEBOOK, as_version=4)
    nbformat.validate(found)
    return found


def outputs(notebook: Any, kind: str) -> list[str]:
    """What the cells show: kind "text" as printed, else of a media type."""
    shown = (output for cell in notebook.cells for output in cell.get("outputs", []))
    found = (
        output.get("text") if kind == "text" else output.get("data", {}).get(kind)
        for output in shown
    )
    return [text for text in found if text is not None]


def test_what_is_stored_was_run_from_top_to_bottom(notebook: Any) -> None:
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))
    kinds = {output.output_type for cell in code for output in cell.outputs}
    assert kinds == {"stream", "execute_result"}
    pictures = [base64.b64decode(picture) for picture in outputs(notebook, "image/png")]
    assert len(pictures) == FIGURES
    assert sum(map(len, pictures)) < 300_000
    assert "Traceback" not in str(notebook)
    first, *best = outputs(notebook, "text")
    assert "exponential" in first
    assert len(best) == 1


def test_its_names_are_those_of_the_package(notebook: Any) -> None:
    code = [cell.source for cell in notebook.cells if cell.cell_type == "code"]
    lines = "\n".join(code).splitlines()
    tree = ast.parse("\n".join(line for line in lines if not line.startswith("%")))
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and re.fullmatch(r"ct(\.\w+)+", ast.unparse(node)):
            functools.reduce(getattr, ast.unparse(node).split(".")[1:], ct)


@pytest.mark.slow
def test_it_runs(notebook: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nbclient = pytest.importorskip("nbclient", reason="nbclient is not installed")
    pytest.importorskip("ipykernel", reason="ipykernel is not installed")
    # The kernel is another process: it finds the package where this one does.
    sources = str(Path(ct.__file__).parents[1])
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([sources, os.environ.get("PYTHONPATH", "")]))
    for name in ("IPYTHONDIR", "JUPYTER_RUNTIME_DIR", "JUPYTER_CONFIG_DIR"):
        monkeypatch.setenv(name, str(tmp_path))
    for cell in notebook.cells:
        cell.pop("outputs", None)
        if cell.cell_type == "code":
            cell.outputs = []
    resources = {"metadata": {"path": str(tmp_path)}}
    nbclient.NotebookClient(
        notebook, kernel_name="python3", resources=resources, coalesce_streams=True
    ).execute()
    assert len(outputs(notebook, "image/png")) == FIGURES
    first, second = outputs(notebook, "text")
    assert first.splitlines()[1].startswith("η = 10: d goes from ")
    assert "exponential" in first
    assert second.count("The learning rate ") + second.count("No learning rate") == 3
