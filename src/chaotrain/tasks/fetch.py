"""Data that is not bundled: found in a folder of the user's, or else downloaded once and cached."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

from chaotrain.errors import UserError

# The environment variable with a folder of data sets.
VARIABLE = "CHAOTRAIN_DATA"


class Remote(NamedTuple):
    """A file that can be downloaded.

    Args:
        folder: The folder of its data set, in the user's folder and in the cache.
        name: The file.
        url: Where the authors of the data offer it.
        sha256: The digest of the file as it is there.
    """

    folder: str
    name: str
    url: str
    sha256: str


def remedy(folder: str) -> str:
    """What to do about a file of a data set that is missing or damaged."""
    return (
        f"put the original into a folder {folder} and name the folder that holds {folder} "
        f"by --data-dir or {VARIABLE}"
    )


def path(remote: Remote, data_dir: str | Path | None = None) -> Path:
    """Where a file is: in `data_dir` if given, else in the folder that `CHAOTRAIN_DATA` names.

    If it is not there, it is downloaded by pooch into the cache of the user, unless `data_dir`
    was given.

    Raises:
        UserError: If it is not in `data_dir`, or cannot be downloaded, in one line that says which
            file to put where.
    """
    found = held(remote.folder, remote.name, data_dir)
    if found is not None:
        return found
    if data_dir is not None:
        missing = Path(data_dir) / remote.folder / remote.name
        raise UserError(
            f"data file {missing} is missing: put it there, or leave data_dir (--data-dir) out to "
            "have it downloaded"
        )
    return download(remote)


def held(folder: str, name: str, data_dir: str | Path | None = None) -> Path | None:
    """The file in `data_dir`, or else in the folder that `CHAOTRAIN_DATA` names, if it is there.

    Raises:
        UserError: If that folder does not exist.
    """
    given = data_dir if data_dir is not None else os.environ.get(VARIABLE)
    if not given:
        return None
    root = Path(given).expanduser()
    if not root.is_dir():
        what = "data_dir" if data_dir is not None else VARIABLE
        raise UserError(f"{what} = {str(given)!r}: there is no such folder, name one that exists")
    file = root / folder / name
    return file if file.is_file() else None


def download(remote: Remote) -> Path:
    """The file in the cache, downloaded with a progress bar on stderr if it is not there yet.

    The cache is pooch's, `~/.cache/chaotrain` on Linux. Only a file with the right SHA-256 is kept
    there.

    Raises:
        UserError: If it cannot be downloaded.
    """
    import pooch

    pooch.get_logger().setLevel("WARNING")
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), disable=_cached(remote)) as progress:
        try:
            return Path(
                pooch.retrieve(
                    remote.url,
                    f"sha256:{remote.sha256}",
                    fname=remote.name,
                    path=cache(remote.folder),
                    downloader=pooch.HTTPDownloader(progressbar=_Bar(progress, remote.name)),
                )
            )
        except ValueError:  # pooch's word for a digest that differs
            reason = "what came is damaged, its SHA-256 differs"
        except OSError as error:  # the errors of requests are among these
            reason = error.strerror or type(error).__name__
    raise UserError(
        f"data file {remote.name} cannot be downloaded from {remote.url} ({reason}): "
        f"{remedy(remote.folder)}"
    )


def cache(folder: str) -> Path:
    """Where the downloaded files of a data set are kept."""
    import pooch

    return Path(pooch.os_cache("chaotrain")) / folder


def _cached(remote: Remote) -> bool:
    return (cache(remote.folder) / remote.name).is_file()


class _Bar:
    """A progress bar as pooch calls it: it sets `total`, and ends with reset, update and close."""

    def __init__(self, progress: Progress, name: str) -> None:
        self._progress = progress
        self._task = progress.add_task(name, total=None)

    @property
    def total(self) -> float | None:
        return self._progress.tasks[self._task].total

    @total.setter
    def total(self, size: int) -> None:
        self._progress.update(self._task, total=size or None)

    def update(self, size: int) -> None:
        self._progress.advance(self._task, size)

    def reset(self) -> None:
        self._progress.update(self._task, completed=0)

    def close(self) -> None:
        self._progress.refresh()
