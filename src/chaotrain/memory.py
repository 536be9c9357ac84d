"""How much memory may be asked for: half of this machine's, checked before any of it is taken."""

from __future__ import annotations

import os
import resource

from chaotrain.errors import UserError

GIB = 2**30


def room() -> int:
    """Bytes that may be asked for: half of the memory, or of what this process is allowed.

    The other half is for what is made of them.
    """
    limit = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    allowed, _ = resource.getrlimit(resource.RLIMIT_AS)
    return (limit if allowed == resource.RLIM_INFINITY else min(limit, allowed)) // 2


def check(size: float, what: str, remedy: str, own: int | None = None) -> None:
    """Check that there is room for something.

    Args:
        size: Bytes that it needs.
        what: What needs them, for the message.
        remedy: What to do if they are too many.
        own: Bytes of a device that has a memory of its own.

    Raises:
        UserError: If they are more than `room`, or than the device has.

    Example:
        >>> check(1e30, "inits = 3: it", "lower inits")
        Traceback (most recent call last):
        chaotrain.errors.UserError: inits = 3: it needs 9.3e+20 GiB, ...
    """
    free = room() if own is None else own
    if size > free:
        held = "half of the memory here" if own is None else "the memory of the device"
        raise UserError(
            f"{what} needs {size / GIB:.2g} GiB, and {held} is {free / GIB:.2g} GiB: {remedy}"
        )
