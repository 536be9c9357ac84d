"""Executors for tiles: processes of this machine, or the workers of a Dask cluster.

Nothing heavy is imported here: a process takes its share of the processors before JAX, which
starts a thread for each that it finds, is loaded.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from chaotrain import compiled, device, processors
from chaotrain.errors import UserError, first_line

if TYPE_CHECKING:
    from multiprocessing.queues import SimpleQueue

# Seconds that a scheduler has to answer.
PATIENCE = 10


def chosen(workers: int | None, dask: str | None) -> AbstractContextManager[Executor | None]:
    """The executor that a user asks for, for as long as the context lasts; None for none.

    Args:
        workers: How many processes of this machine.
        dask: The address of a Dask scheduler, or its scheduler file.

    Raises:
        UserError: If both are given, or what is given cannot be had.
    """
    if workers is not None and dask is not None:
        raise UserError(f"workers = {workers}, dask = {dask}: give one of them, not both")
    if workers is not None:
        return local(workers)
    return nullcontext() if dask is None else cluster(dask)


@contextmanager
def local(count: int) -> Iterator[Executor]:
    """Processes of this machine, each on its own share of the processors, and on its own GPU.

    The shares are equal, so that every process has the same number of threads. A process ends with
    the one that started it, however that ends. Where there are GPUs, this process keeps off them.

    Args:
        count: How many.

    Raises:
        UserError: If there are fewer processors, or GPUs.
    """
    usable, gpus = processors.usable(), device.gpus()
    for held, what in ((len(usable), "processors"), (len(gpus) or count, "GPUs")):
        if not 1 <= count <= held:
            raise UserError(
                f"workers = {count}: this process may use {held} {what}, give from 1 to {held}"
            )
    each = len(usable) // count
    context = multiprocessing.get_context("spawn")
    shares = context.SimpleQueue()
    for number in range(count):
        share = usable[number * each : (number + 1) * each]
        shares.put((share, gpus[number] if gpus else None))
    if gpus:
        device.stay_off_gpus()
    others = set(multiprocessing.active_children())
    executor = ProcessPoolExecutor(count, context, _settle, (shares,))
    try:
        # Ctrl-C goes to the whole group of processes: only the first of them is to answer it.
        old = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            for _ in range(count):
                executor.submit(_load)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, old)
        yield executor
    except BaseException:
        # The tile in hand is lost, since it may take minutes.
        for process in set(multiprocessing.active_children()) - others:
            process.kill()
        raise
    finally:
        executor.shutdown(cancel_futures=True)


@contextmanager
def cluster(address: str) -> Iterator[Executor]:
    """The workers of a Dask cluster.

    Args:
        address: That of its scheduler, such as "tcp://10.0.0.1:8786", or the file in which the
            scheduler was told to write it, by `--scheduler-file`.

    Raises:
        UserError: If `distributed` is not installed, or no scheduler answers.
    """
    try:
        from distributed import Client
    except ImportError:
        raise UserError(
            f"dask = {address}: this needs distributed, install chaotrain[dask]"
        ) from None
    # What concerns the user is told in one line, and the rest is in the logs of the cluster.
    for name in ("distributed", "distributed.client"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    try:
        where = {"scheduler_file" if Path(address).is_file() else "address": address}
        client = Client(**where, timeout=PATIENCE, set_as_default=False)
    except (OSError, ValueError) as error:
        raise UserError(
            f"dask = {address}: no scheduler answers there ({first_line(error)}), start one"
        ) from None
    with client:
        yield client.get_executor(pure=False)


def _settle(shares: SimpleQueue[tuple[list[int], str | None]]) -> None:
    """Take a share of the processors, and end with the process that started this one."""
    share, gpu = shares.get()
    if gpu is not None:
        os.environ["CUDA_VISIBLE_DEVICES"] = gpu
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, share)
    compiled.keep()
    threading.Thread(target=_follow, daemon=True).start()


def _follow() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


def _load() -> None:
    """Import what every tile needs, while the first process prepares the study."""
    from chaotrain import workers  # noqa: F401
