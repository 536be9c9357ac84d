"""The batches of an epoch, drawn once from whatever loads them."""

from __future__ import annotations

import copy
import itertools
import math
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import torch

from chaotrain.errors import UserError
from chaotrain.explaining import short
from chaotrain.torch.checks import check_scalar
from chaotrain.torch.randomness import Randomness

# More are not drawn without being asked for: the loader may have no end.
MOST = 1000


def drawn(loader: Iterable[Any], count: int | None) -> list[Any]:
    """The first batches of a loader, whose own generators stand afterwards as before.

    Args:
        loader: Anything that yields batches.
        count: How many; None for all there are.

    Raises:
        UserError: If there are none, fewer than asked for, or no end of them.

    Example:
        >>> drawn([1, 2, 3], 2)
        [1, 2]
    """
    if not isinstance(loader, Iterable):
        raise UserError(
            f"loader = {short(loader)}: give something that yields batches, like a DataLoader"
        )
    most = MOST + 1 if count is None else count
    with _generators_kept(loader):
        # Copies, for a loader may fill one buffer again and again.
        batches = [copy.deepcopy(batch) for batch in itertools.islice(loader, most)]
    if not batches:
        raise UserError("loader: it yielded no batch, give one that is neither empty nor exhausted")
    if count is None and len(batches) > MOST:
        raise UserError(
            f"loader: it yielded more than {MOST} batches, say with batches=N how many make an "
            "epoch here"
        )
    if count is not None and len(batches) < count:
        raise UserError(f"batches = {count}: the loader yielded {len(batches)}, ask for no more")
    return batches


def check_replay(model: Any, loss: Any, batch: Any) -> None:
    """Check that a loss can be computed, and computed again.

    Raises:
        UserError: If the batch is on another device, or the second loss differs from the first.
    """
    before, values = Randomness.now(), []
    for _ in range(2):
        before.restore()
        try:
            value = loss(copy.deepcopy(model), batch)
        except RuntimeError as error:
            places = {tensor.device for tensor in _tensors(batch)}
            here = next(model.parameters()).device
            if not places or places == {here}:
                raise
            data = ", ".join(sorted(map(str, places)))
            raise UserError(
                f"loader: its batches are on {data} and the model is on {here}, move the one to "
                "the other"
            ) from error
        check_scalar(value)
        values.append(float(value.detach()))
    one, other = values
    if one != other and not (math.isnan(one) and math.isnan(other)):
        raise UserError(
            f"loader: one batch gave the loss {one:.9g} and then {other:.9g}, let batches not be "
            "used up and randomness come from the global generators"
        )


def _tensors(batch: Any) -> Iterator[Any]:
    if torch.is_tensor(batch):
        yield batch
    elif isinstance(batch, dict):
        yield from _tensors(list(batch.values()))
    elif isinstance(batch, list | tuple):
        for item in batch:
            yield from _tensors(item)


@contextmanager
def _generators_kept(loader: Any) -> Iterator[None]:
    holders = (loader, *(getattr(loader, name, None) for name in ("sampler", "batch_sampler")))
    found = [getattr(holder, "generator", None) for holder in holders]
    states = [(g, g.get_state()) for g in found if isinstance(g, torch.Generator)]
    try:
        yield
    finally:
        for generator, state in states:
            generator.set_state(state)
