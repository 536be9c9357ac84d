"""Docstrings as they are written, in Markdown with Google's sections, into what autodoc reads.

A name in backticks that is public becomes a link, any other code; $...$ becomes a formula.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterator
from functools import cache
from typing import Any

from docutils import nodes
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment

DOCTEST = re.compile(r"(^ *>>> .*?(?:\n *\n|\Z))", re.DOTALL | re.MULTILINE)
DISPLAY = re.compile(r"^( *)\$([^$]+)\$([.,:;]?)(?=\n *\n|\n?\Z)", re.MULTILINE)
INLINE = re.compile(r"(?<!`)`([^`]+)`(?!`)|\[(\w+)\]\[\]|\$([^$]+)\$|(\|)")
FORMULA = re.compile(r"(^ *\.\. math:: .*$)", re.MULTILINE)
TABLE = re.compile(r"^\|.*\|$\n?", re.MULTILINE)
SOURCE = re.compile(r"^( *)Source: ", re.MULTILINE)


@cache
def public() -> dict[str, str]:
    """The public names by where they are defined, as chaotrain.growth.fit.Growth is."""
    found = {}
    for package in ("chaotrain.torch", "chaotrain"):
        module = importlib.import_module(package)
        for name in module.__all__:
            value = getattr(module, name)
            if hasattr(value, "__qualname__"):
                home = f"{value.__module__}.{value.__qualname__}"
                found[home] = f"{package}.{name}"
    return found


def linked(name: str) -> str:
    """Code, with a link where it is a public name."""
    full = public().values()
    known = {target.rpartition(".")[2]: target for target in full}
    known |= {target: target for target in full}
    target = known.get(name.removeprefix("ct.").removesuffix("()"))
    return f":py:obj:`{name} <{target}>`" if target else f"``{name}``"


def inline(match: re.Match[str]) -> str:
    """Code, a reference or a formula; a bar, which would begin a substitution, is escaped."""
    code, name, formula, _ = match.groups()
    if formula is not None:
        return f":math:`{' '.join(formula.split())}`"
    return linked(code or name) if code or name else "\\|"


def display(match: re.Match[str]) -> str:
    """A formula that is a paragraph."""
    indent, formula, _ = match.groups()
    return f"{indent}.. math:: {' '.join(formula.split())}\n"


def converted(text: str) -> Iterator[str]:
    """The parts of a docstring, doctests left as they are."""
    for place, part in enumerate(DOCTEST.split(text)):
        pieces = [part] if place % 2 else FORMULA.split(DISPLAY.sub(display, part))
        for number, piece in enumerate(pieces):
            yield piece if place % 2 or number % 2 else INLINE.sub(inline, piece)


def process(
    app: Sphinx, what: str, name: str, obj: Any, options: Any, lines: list[str]
) -> None:
    """Rewrite a docstring in place."""
    text = "\n".join(lines)
    if what == "module":
        text = TABLE.sub("", text)
    text = SOURCE.sub(r"\1**Source:** ", text)
    lines[:] = "".join(converted(text)).split("\n")


def resolve(
    app: Sphinx,
    env: BuildEnvironment,
    node: pending_xref,
    content: nodes.TextElement,
) -> nodes.reference | None:
    """A reference to where a public name is defined, led to where it is documented."""
    target = public().get(node.get("reftarget", ""))
    if target is None:
        return None
    domain = env.get_domain("py")
    builder = app.builder
    return domain.resolve_xref(
        env, node["refdoc"], builder, "obj", target, node, content
    )


def setup(app: Sphinx) -> dict[str, bool]:
    """Connect the two, the first before napoleon."""
    app.connect("autodoc-process-docstring", process, priority=100)
    app.connect("missing-reference", resolve)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
