"""Tables made from the code itself: variables of a result, fields of an experiment, commands.

`{variables} RECORDED`, `{fields} Grid` and `{commands}` are the directives.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable

import typer
from docutils import nodes
from docutils.parsers.rst import Directive
from docutils.statemachine import StringList
from pydantic_core import PydanticUndefined
from sphinx.application import Sphinx

from chaotrain import experiment, fields, schema
from chaotrain.cli import app as command_line


def cell(text: object) -> str:
    """What stands in a cell of a Markdown table."""
    return " ".join(str(text).split()).replace("|", "\\|")


def code(value: object) -> str:
    """A value as it is written in an experiment file."""
    if value is PydanticUndefined:
        return "needed"
    if value is None:
        return ""
    if isinstance(value, fields.Model):
        return "see below"
    text = (
        str(value).lower()
        if isinstance(value, bool)
        else str(value).replace("'", '"')
    )
    return f'`"{text}"`' if isinstance(value, str) else f"`{text}`"


class Table(Directive):
    """A Markdown table, parsed where it stands."""

    has_content = False

    def rows(self) -> Iterable[Iterable[object]]:
        """The rows, the first of which is the head."""
        raise NotImplementedError

    def run(self) -> list[nodes.Node]:
        """The table as nodes."""
        head, *rows = [[cell(value) for value in row] for row in self.rows()]
        lines = [" | ".join(row) for row in [head, ["---"] * len(head), *rows]]
        node = nodes.container(classes=["wide"])
        text = StringList([f"| {line} |" for line in lines], source="")
        self.state.nested_parse(text, self.content_offset, node)
        return [node]


class Variables(Table):
    """The variables of a data set, from `chaotrain.schema`."""

    required_arguments = 1

    def rows(self) -> Iterable[Iterable[object]]:
        """Name, axes, unit and meaning of each."""
        yield "name", "over", "unit", "what it is"
        for name, variable in getattr(schema, self.arguments[0]).items():
            unit = "" if variable.units == "1" else variable.units
            yield f"`{name}`", ", ".join(variable.dims), unit, variable.long_name


class Fields(Table):
    """The fields of a model of an experiment file, with what its docstring says of them."""

    required_arguments = 1

    def rows(self) -> Iterable[Iterable[object]]:
        """Name, default and meaning of each field that the model adds."""
        name = self.arguments[0]
        model = getattr(experiment, name, None) or getattr(fields, name)
        words = inspect.getdoc(model).partition("Attributes:\n")[2]
        said = re.findall(r"^    (\w+): (.*(?:\n        .*)*)", words, re.MULTILINE)
        yield "field", "default", "meaning"
        for field, meaning in said:
            yield f"`{field}`", code(model.model_fields[field].default), meaning


class Commands(Table):
    """What every command takes."""

    def rows(self) -> Iterable[Iterable[object]]:
        """Command with its arguments, options and what it does."""
        yield "command", "what it does", "options"
        for name, command in typer.main.get_command(command_line).commands.items():
            given = [p for p in command.params if p.param_type_name == "argument"]
            words = " ".join([name, *(p.metavar or p.name.upper() for p in given)])
            options = [f"`{p.opts[-1]}`" for p in command.params if p not in given]
            yield f"`{words}`", command.help, ", ".join(options)


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the directives."""
    for directive in (Variables, Fields, Commands):
        app.add_directive(directive.__name__.lower(), directive)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
