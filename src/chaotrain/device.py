"""What computes: a processor, whose caches are small, or a GPU with a memory of its own."""

from __future__ import annotations

import importlib.metadata
import os
from pathlib import Path
from typing import NamedTuple

GIB = 2**30
# Where Linux shows them, as nvidia0, nvidia1, and so on.
DEVICES = Path("/dev")
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


def gpus() -> list[str]:
    """The GPUs that JAX would compute on, by their names in CUDA_VISIBLE_DEVICES.

    Without loading JAX, which takes most of a GPU's memory for this process when it looks for one.
    """
    plugins = importlib.metadata.entry_points(group="jax_plugins")
    chosen = os.environ.get("JAX_PLATFORMS") or "cuda"
    if "cuda" not in chosen.split(",") or not any("cuda" in plugin.name for plugin in plugins):
        return []
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    if named is not None:
        return [name for name in named.split(",") if name]
    return sorted(
        (path.name.removeprefix("nvidia") for path in DEVICES.glob("nvidia[0-9]*")), key=int
    )


def stay_off_gpus() -> None:
    """Let JAX compute on the processor in this process, before it has computed anything."""
    import jax

    jax.config.update("jax_platforms", "cpu")  # type: ignore[no-untyped-call]


def here() -> Device:
    """The device that JAX computes on in this process."""
    import jax

    first = jax.devices()[0]
    if first.platform == "cpu":
        return Device()
    return Device(cached=False, memory=(first.memory_stats() or {}).get("bytes_limit"))
