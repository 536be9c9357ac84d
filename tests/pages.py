"""What stands on a page of the documentation: its blocks of code, commands, links and headings."""

from __future__ import annotations

import contextlib
import doctest
import io
import itertools
import os
import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import typer

from chaotrain.cli import app

ROOT = Path(__file__).parents[1]
BLOCK = re.compile(
    r"(?:^<!-- (?P<remark>.*?) -->\n)?^```(?P<language>\w+)\n(?P<text>.*?)^```$",
    re.DOTALL | re.MULTILINE,
)
# What a page may tell to do that its test does not: to install, and what tests of its own do.
ELSEWHERE = ("pip", "make", "export")
FILE = re.compile(r"# ([\w-]+\.(?:py|toml))\b")
Run = Callable[[list[str]], int]


class Block(NamedTuple):
    """A fenced block; a remark above it may say why it is not run."""

    remark: str
    language: str
    text: str

    @property
    def runs(self) -> bool:
        return not self.remark.startswith("not run: ")


def all_blocks(page: Path) -> list[Block]:
    found = BLOCK.finditer(page.read_text("utf-8"))
    return [Block(match["remark"] or "", match["language"], match["text"]) for match in found]


def blocks(page: Path, language: str) -> list[str]:
    return [block.text for block in all_blocks(page) if block.language == language]


def words_of(text: str) -> list[list[str]]:
    """The words of every line of shell; a backslash at the end joins it to the next."""
    lines = text.replace("\\\n", " ").splitlines()
    return [found for line in lines if (found := shlex.split(line, comments=True))]


def commands(page: Path) -> list[list[str]]:
    return [words for text in blocks(page, "sh") for words in words_of(text)]


def anchors(page: Path) -> set[str]:
    """The names of a page's headings in links."""
    headings = re.findall(r"^#+ (.*)$", page.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def check_commands(page: Path) -> None:
    """Every command exists, with its options, and every script."""
    known = typer.main.get_command(app).commands
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)
    for line in commands(page):
        # After variables of the environment, or a program like time that runs it.
        line = list(itertools.dropwhile(lambda word: re.match(r"\w+=", word), line))
        program, *words = line[line.index("chaotrain") :] if "chaotrain" in line else line
        if program == "sbatch":
            program, *words = [word for word in words if not word.startswith("--")]
        if program == "make":
            assert words[0] in targets
        elif program == "chaotrain":
            options = [name for parameter in known[words[0]].params for name in parameter.opts]
            assert {word for word in words if word.startswith("--")} <= set(options)
        elif program.endswith(("python", "pytest")):
            assert (ROOT / words[0]).exists(), words
        elif program.endswith(".sh"):
            assert os.access(ROOT / program, os.X_OK), program
        else:
            assert (program, words[0]) == ("pip", "install") or program == "export"


def check_links(page: Path) -> None:
    """Every link into the repository leads to a file, and to a heading where it names one."""
    for link in re.findall(r"\]\(([^)\s]+)\)", page.read_text("utf-8")):
        if link.startswith("https://"):
            continue
        path, _, anchor = link.partition("#")
        target = page.parent / path if path else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


def execute(page: Path, run: Run, names: dict[str, object] | None = None) -> None:
    """Run a page in the current directory from top to bottom, as a reader would.

    Python goes into one namespace; a block that begins with the name of a file is written there.
    What a block of text right below shows has to be what was printed, up to spaces and "...".

    Args:
        page: The page.
        run: Runs `chaotrain` with these words, and returns its exit code.
        names: What is defined before.
    """
    names = {"__name__": page.stem} if names is None else names
    printed = io.StringIO()
    for block in all_blocks(page):
        if not block.runs:
            continue
        if block.language == "text":
            check_printed(block.text, printed.getvalue())
        elif file := FILE.match(block.text):
            Path(file[1]).write_text(block.text, "utf-8")
        elif block.language == "python":
            with contextlib.redirect_stdout(printed := io.StringIO()):
                exec(compile(block.text, str(page), "exec"), names)
        elif block.language == "sh":
            with contextlib.redirect_stdout(printed := io.StringIO()):
                for program, *words in words_of(block.text):
                    if program == "chaotrain":
                        assert run(words) == 0, words
                    else:
                        assert program in ELSEWHERE, f"not run, and not marked so: {program}"


def check_printed(wanted: str, got: str) -> None:
    flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    checker = doctest.OutputChecker()
    example = doctest.Example("", wanted)
    assert checker.check_output(wanted, got, flags), checker.output_difference(example, got, flags)
