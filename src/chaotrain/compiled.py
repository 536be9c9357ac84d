"""Compiled programs kept from one process to the next, in the cache of the user.

Never in a study: they are machine code, and a study from a stranger is not to run any. They are
found anew by JAX from the program, its options and the versions; here they are told apart by
what JAX leaves out, the processor and the number of threads, on which the last bits depend.
"""

from __future__ import annotations

import hashlib
import os
import platform
from pathlib import Path

from filelock import FileLock, Timeout

from chaotrain import processors

# Where JAX looks when it is imported; a user who sets it chooses another folder, or none.
VARIABLE = "JAX_COMPILATION_CACHE_DIR"
SETTINGS = {
    # A study compiles some eighty programs, most of them in less than a tenth of a second.
    "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
    # In bytes; the least recently used give way.
    "JAX_COMPILATION_CACHE_MAX_SIZE": str(2**29),
}


def keep() -> None:
    """Let JAX keep what it compiles, in this process and in those that it starts.

    To be called before JAX is imported, and again by a process that has got other processors. The
    folder can be deleted at any time.
    """
    import pooch

    root = Path(pooch.os_cache("chaotrain")) / "compiled"
    given = os.environ.get(VARIABLE)
    if given is not None and Path(given).parent != root:
        return
    folder = root / _machine()
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        _clear(folder)
    except OSError:  # no home, or one that cannot be written
        os.environ.pop(VARIABLE, None)
        return
    os.environ[VARIABLE] = str(folder)
    for name, value in SETTINGS.items():
        os.environ.setdefault(name, value)


def _machine() -> str:
    """A name for the processor, with all that it can do, and the threads of this process."""
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
        kinds = sorted(
            {line for line in lines if line.startswith(("model name", "flags", "Features"))}
        )
    except OSError:
        kinds = [platform.processor()]
    text = "\n".join([platform.system(), platform.machine(), *kinds, str(processors.count())])
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _clear(folder: Path) -> None:
    """Remove what a kill left half-written: JAX dates an entry when it is whole."""
    try:
        with FileLock(folder / ".lockfile", timeout=0):  # that of JAX
            for entry in folder.glob("*-cache"):
                if not entry.with_name(entry.name.removesuffix("-cache") + "-atime").exists():
                    entry.unlink()
    except Timeout:
        return
