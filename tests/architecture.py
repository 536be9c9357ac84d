"""The imports of chaotrain as a graph, and its diagram in CONTRIBUTING.md.

Run it with `python tests/architecture.py` after a change of the imports.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

REPOSITORY = Path(__file__).parents[1]
ROOT = REPOSITORY / "src" / "chaotrain"
PAGE = REPOSITORY / "CONTRIBUTING.md"
FILES = sorted(ROOT.rglob("*.py"))
# What serves every module alike, and would hide the rest.
PLUMBING = (
    *("archives", "errors", "explaining", "fields", "files"),
    *("importing", "memory", "overrides", "schema", "signals"),
)
# What stands before and after the diagram on the page.
BEGIN, END = "<!-- diagram: python tests/architecture.py -->\n", "<!-- end of the diagram -->\n"


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


def graph() -> dict[str, set[str]]:
    """What each module imports, without the plumbing and the doors, which know every room."""
    imports: dict[str, set[str]] = {}
    for path in FILES:
        imports.setdefault(module(path), set()).update(imported(path))
    for name in ("__init__", "__main__", *PLUMBING):
        del imports[name]
    return {name: (others & imports.keys()) - {name} for name, others in imports.items()}


def reduced(imports: dict[str, set[str]]) -> dict[str, set[str]]:
    """An acyclic graph without the arrows that follow from others: its transitive reduction."""

    @cache
    def reached(name: str) -> frozenset[str]:
        return frozenset(imports[name]).union(*map(reached, imports[name]))

    return {
        name: others - frozenset().union(*map(reached, others)) for name, others in imports.items()
    }


def diagram(imports: dict[str, set[str]]) -> str:
    """The graph in Mermaid's language, an arrow from each module to what it imports."""
    arrows = [
        f"    {name}" + (f" --> {' & '.join(sorted(others))}" if others else "")
        for name, others in sorted(reduced(imports).items())
    ]
    return "\n".join(["```mermaid", "flowchart BT", *arrows, "```", ""])


def updated(page: str) -> str:
    """The text of the page with the diagram of the imports as they are."""
    before, rest = page.split(BEGIN)
    _, after = rest.split(END)
    return before + BEGIN + diagram(graph()) + END + after


if __name__ == "__main__":
    PAGE.write_text(updated(PAGE.read_text("utf-8")), "utf-8")
