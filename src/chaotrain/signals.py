"""SIGINT and SIGTERM as an exception, so that a run can close what it holds."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

from chaotrain.errors import Interrupted

_received: list[int] = []


@contextmanager
def raised() -> Iterator[None]:
    """Raise `Interrupted` on SIGINT and SIGTERM, for as long as the context lasts."""

    def stop(number: int, frame: FrameType | None) -> NoReturn:
        _received.append(number)
        raise Interrupted(number)

    old = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        _received.clear()
        for number, handler in old.items():
            signal.signal(number, handler)


def check() -> None:
    """Raise again what was lost: Python drops an exception that is raised in a finaliser.

    Raises:
        Interrupted: If a signal has come since `raised` began.
    """
    if _received:
        raise Interrupted(_received[-1])
