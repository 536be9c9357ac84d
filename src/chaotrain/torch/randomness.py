"""The random state of a process: remembered, restored, and left as it was."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
import torch


class Randomness(NamedTuple):
    """What the global generators of Python, NumPy and PyTorch (CPU and accelerator) stand at.

    A generator that is no global one, such as a `torch.Generator` of the caller's, is not in it.

    Example:
        >>> before = Randomness.now()
        >>> first = torch.rand(2)
        >>> before.restore()
        >>> torch.equal(torch.rand(2), first)
        True
    """

    python: Any
    numpy: Any
    cpu: Any
    accelerator: Any

    @classmethod
    def now(cls) -> Randomness:
        """The present random state."""
        numpy = np.random.get_state()  # noqa: NPY002 - the caller's loop may draw from it
        return cls(random.getstate(), numpy, torch.get_rng_state(), _accelerator())

    def restore(self) -> None:
        """Set every generator back to where it stood."""
        random.setstate(self.python)
        np.random.set_state(self.numpy)  # noqa: NPY002
        torch.set_rng_state(self.cpu)
        if torch.cuda.is_initialized() and self.accelerator is not None:
            torch.cuda.set_rng_state_all(self.accelerator)


@contextmanager
def undisturbed() -> Iterator[None]:
    """Whatever is drawn inside, the random state is afterwards as it was before.

    Example:
        >>> before = torch.get_rng_state()
        >>> with undisturbed():
        ...     _ = torch.rand(2)
        >>> torch.equal(torch.get_rng_state(), before)
        True
    """
    before = Randomness.now()
    try:
        yield
    finally:
        before.restore()


def _accelerator() -> Any:
    # Asking an idle CUDA for its state would start it.
    return torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else None
