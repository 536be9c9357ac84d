"""What computes: a processor, whose caches are small, or a GPU with a memory of its own."""

from __future__ import annotations

from typing import NamedTuple

GIB = 2**30
# What steps side by side may take by default, in GiB, where a processor computes; on a GPU this
# part of what JAX may take there. The rest is for the data and for what is recorded.
BUDGET, PART = 2.0, 0.5


class Device(NamedTuple):
    """What a study is cut into tiles for.

    Attributes:
        cached: Whether blocks are kept small for a processor's cache, or large for a GPU.
        memory: Bytes of the device's own memory that JAX may take; None of a processor, which
            uses that of the machine, and where it is not known.
    """

    cached: bool = True
    memory: int | None = None

    def budget(self, given: float | None) -> float:
        """GiB that may step side by side: what the user gave, or else the default here.

        Example:
            >>> Device().budget(None), Device(cached=False, memory=2**36).budget(None)
            (2.0, 32.0)
        """
        if given is not None:
            return given
        return BUDGET if self.memory is None else PART * self.memory / GIB


def here() -> Device:
    """The device that JAX computes on in this process."""
    import jax

    first = jax.devices()[0]
    if first.platform == "cpu":
        return Device()
    return Device(cached=False, memory=(first.memory_stats() or {}).get("bytes_limit"))
