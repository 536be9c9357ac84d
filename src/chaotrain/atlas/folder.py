"""A collection directory: a study a case, run one after the other, and read together."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from chaotrain import experiment, files, signals
from chaotrain.atlas import judging
from chaotrain.atlas.collection import Case, Collection, Group
from chaotrain.atlas.rows import Row, row
from chaotrain.errors import UserError
from chaotrain.store import EXPERIMENT, Store
from chaotrain.study import Study

if TYPE_CHECKING:
    from chaotrain.runs import Progress

COLLECTION = "collection.toml"

Shown = Callable[[str], contextlib.AbstractContextManager["Progress | None"]]


class Atlas:
    """A collection directory, finished or not.

    Args:
        path: The directory.

    Raises:
        UserError: If it is no collection directory, or a file in it was altered.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.collection = _recorded(self.path)

    @cached_property
    def studies(self) -> dict[str, Study]:
        """The studies of those cases that have a finished tile, under their folders."""
        found = {}
        for path in self.collection.cases:
            with _named(path):
                study = _study(_folder(self.path, path))
                if study is not None and study.finished:
                    found[path] = study
        return found

    @property
    def finished(self) -> list[str]:
        """The cases all of whose tiles are finished."""
        return [path for path, study in self.studies.items() if _is_finished(study)]

    def rows(self) -> list[list[Row]]:
        """A row a case, the cases of a group together."""
        return [
            [self._row(path, case) for path, case in self.collection.within(group)]
            for group in self.collection.groups
        ]

    def cases(self, group: Group) -> list[tuple[str, Study | None]]:
        """The titles and studies of a group's cases, None where nothing is finished."""
        within = self.collection.within(group)
        return [(case.title, self.studies.get(path)) for path, case in within]

    def _row(self, path: str, case: Case) -> Row:
        study = self.studies.get(path)
        if study is None:
            return Row(path, case.title)
        with _named(path):
            return row_of(path, case.title, study)


def row_of(case: str, title: str, study: Study) -> Row:
    """The row of a study, of which some tiles are finished; until all are, it judges no claim."""
    found = row(case, title, study.summary)
    return found if _is_finished(study) else replace(found, claim=judging.NOT_FINISHED)


def is_atlas(path: Path) -> bool:
    """Whether a directory is that of a collection."""
    return files.exists(path / COLLECTION)


def run(
    collection: Collection,
    out: str | Path,
    shown: Shown | None = None,
    data_dir: str | Path | None = None,
    executor: Executor | None = None,
) -> Atlas:
    """Run every case into its folder, or go on where that was stopped.

    Every case is checked before the first one is computed. A case that is finished is left as it
    is. A collection that has grown by further cases goes on in the same directory.

    Args:
        collection: What to run.
        out: The collection directory.
        shown: Called with the name of each case, as "relu (2 of 5)"; what it returns is entered
            for as long as the case runs and gives the `runs.Progress`.
        data_dir: The folder of data that is not bundled; see `tasks.load`.
        executor: Computes the tiles; see `runs.run`.

    Raises:
        UserError: If a case or the directory does not fit; nothing is written then.
        Interrupted: If a signal asked for it; finished tiles are kept.
    """
    from chaotrain import runs, systems

    root, cases = Path(out), collection.cases
    _check(root, collection)
    left = {path: case for path, case in cases.items() if not _done(root, path, case)}
    for path, case in left.items():
        signals.check()
        with _named(path):
            systems.system_of(case.experiment, data_dir)
    with _recording(root, collection):
        for number, (path, case) in enumerate(cases.items(), 1):
            if path in left:
                name = f"{path} ({number} of {len(cases)})"
                with _named(path), shown(name) if shown else contextlib.nullcontext() as tick:
                    runs.run(case.experiment, root / path, tick, data_dir, executor)
    return Atlas(root)


def _recorded(root: Path) -> Collection:
    path = root / COLLECTION
    try:
        content = files.read(path)
    except OSError:
        raise UserError(f"{root} is not a collection: it has no readable {COLLECTION}") from None
    above, _, last = content.removesuffix(b"\n").rpartition(b"\n")
    try:
        # The first collections have no seal.
        if last.startswith(b"#") and content != _sealed(above + b"\n"):
            raise ValueError("another SHA-256")
        text = content.decode()
    except ValueError:
        raise UserError(f"{path} was altered: restore it, or run anew elsewhere") from None
    return Collection.from_toml(text, path)


def _sealed(content: bytes) -> bytes:
    """A recorded collection with its SHA-256 in the last line."""
    return content + f"# SHA-256 of the above: {hashlib.sha256(content).hexdigest()}\n".encode()


def _study(folder: Path) -> Study | None:
    """The study in a folder, None if none was begun there."""
    begun = files.exists(folder / EXPERIMENT) and Store(folder).provenance() is not None
    return Study(folder) if begun else None


def _is_finished(study: Study) -> bool:
    return len(study.finished) == len(study.tiles)


def _folder(root: Path, path: str) -> Path:
    """The folder of a case.

    Raises:
        UserError: If it leads out of that of the collection.
    """
    folder = root
    for part in Path(path).parts:
        folder /= part
        files.check_folder(folder)
    return folder


def _done(root: Path, path: str, case: Case) -> bool:
    """Whether a case is finished; refuse a folder that does not fit it."""
    with _named(path):
        Store(_folder(root, path)).check(case.experiment)
        study = _study(root / path)
        return study is not None and _is_finished(study)


@contextlib.contextmanager
def _named(path: str) -> Iterator[None]:
    """Name the case in what is wrong with it."""
    try:
        yield
    except UserError as error:
        raise UserError(f"case {path}: {error}") from None


def _check(root: Path, new: Collection) -> None:
    """Refuse a directory that holds anything but this collection.

    Raises:
        UserError: With what differs.
    """
    if is_atlas(root):
        differs = _difference(_recorded(root), new)
        if differs:
            raise UserError(
                f"out = {root}: holds a collection that differs in {differs}; choose another "
                "directory, or the same fields to resume it"
            )
    elif files.exists(root / EXPERIMENT):
        raise UserError(f"out = {root}: holds one study, not a collection, choose another")
    else:
        try:
            held = {entry.name for entry in root.iterdir()} if files.exists(root) else set()
        except OSError as error:
            raise UserError(
                f"out = {root}: it cannot be used ({error.strerror}), choose another directory"
            ) from None
        if not held.issubset({COLLECTION + files.UNFINISHED}):
            raise UserError(f"out = {root}: it holds files but no collection, choose another")


def _difference(there: Collection, here: Collection) -> str:
    """What keeps a collection from going on as another, for a person to read."""
    if there.scale != here.scale:
        return f"scale ({there.scale} there, {here.scale} here)"
    old, new = there.cases, here.cases
    missing = [path for path in old if path not in new]
    if missing:
        return f"cases ({', '.join(missing)} there, not here)"
    for path, case in old.items():
        differs = experiment.difference(case.experiment, new[path].experiment)
        if differs:
            return f"case {path}: {differs}"
    return ""


@contextlib.contextmanager
def _recording(root: Path, collection: Collection) -> Iterator[None]:
    """Record the collection; take that back if no case could be begun."""
    made = [folder for folder in (root, *root.parents) if not folder.exists()]
    content, path = _sealed(collection.to_toml().encode()), root / COLLECTION
    fresh = not is_atlas(root)
    with files.writing(root):
        root.mkdir(parents=True, exist_ok=True)
    if fresh or files.read(path) != content:
        files.write(path, content)
    try:
        yield
    except UserError:
        if fresh and not any((root / case).exists() for case in collection.cases):
            files.remove(path)
            for folder in made:
                with contextlib.suppress(OSError):
                    folder.rmdir()
        raise
