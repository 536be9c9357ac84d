"""What computes, found without a GPU: by the devices and plugins of a machine that is made up."""

from __future__ import annotations

import os
from importlib.metadata import EntryPoint
from pathlib import Path
from types import SimpleNamespace

import jax
import pytest

from chaotrain import device, memory, pools, processors
from chaotrain.device import Device
from chaotrain.errors import UserError

CUDA = EntryPoint("xla_cuda13", "jax_plugins.xla_cuda13", "jax_plugins")


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Eleven GPUs and JAX's plugin for them."""
    for name in (*(f"nvidia{number}" for number in range(11)), "nvidiactl", "nvidia-uvm", "null"):
        (tmp_path / name).touch()
    monkeypatch.setattr(device, "DEVICES", tmp_path)
    monkeypatch.setattr("importlib.metadata.entry_points", lambda group: [CUDA])
    for name in ("CUDA_VISIBLE_DEVICES", "JAX_PLATFORMS"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def test_all_gpus_of_a_host_in_their_order(host: Path) -> None:
    assert device.gpus() == [str(number) for number in range(11)]


@pytest.mark.parametrize(
    ("variables", "found"),
    [
        ({"CUDA_VISIBLE_DEVICES": "3,GPU-5a"}, ["3", "GPU-5a"]),
        ({"CUDA_VISIBLE_DEVICES": ""}, []),
        ({"JAX_PLATFORMS": "cpu"}, []),
        ({"JAX_PLATFORMS": "cuda,cpu", "CUDA_VISIBLE_DEVICES": "1"}, ["1"]),
    ],
)
def test_those_that_the_user_lets_jax_see(
    variables: dict[str, str], found: list[str], host: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert device.gpus() == found


def test_none_without_the_plugin(host: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.metadata.entry_points", lambda group: [])
    assert device.gpus() == []


def test_more_workers_than_gpus_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device, "gpus", lambda: ["0"])
    monkeypatch.setattr(processors, "usable", lambda: [0, 1])
    refused = r"workers = 2: this process may use 1 GPUs, give from 1 to 1"
    with pytest.raises(UserError, match=refused), pools.local(2):
        pass


@pytest.mark.slow
@pytest.mark.skipif(processors.count() < 2, reason="needs two processors")
def test_each_process_has_its_own_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device, "gpus", lambda: ["5", "7"])
    before = jax.config.jax_platforms
    try:
        with pools.local(2) as pool:
            assert jax.config.jax_platforms == "cpu"
            seen = set[str | None]()
            while len(seen) < 2:
                seen.add(pool.submit(os.getenv, "CUDA_VISIBLE_DEVICES").result())
    finally:
        jax.config.update("jax_platforms", before)
    assert seen == {"5", "7"}


def test_the_device_here_is_what_jax_says(monkeypatch: pytest.MonkeyPatch) -> None:
    assert device.here() == Device(cached=True, memory=None)
    for stats, held in (({"bytes_limit": 2**36}, 2**36), ({}, None), (None, None)):
        gpu = SimpleNamespace(platform="gpu", memory_stats=lambda stats=stats: stats)
        monkeypatch.setattr(jax, "devices", lambda gpu=gpu: [gpu])
        assert device.here() == Device(cached=False, memory=held)


def test_what_a_gpu_cannot_hold_is_refused_by_its_own_memory() -> None:
    memory.check(2**30, "a tile", "compute it elsewhere", 2**30)
    said = r"a tile needs 2 GiB, and the memory of the device is 1 GiB: compute it elsewhere"
    with pytest.raises(UserError, match=said):
        memory.check(2**31, "a tile", "compute it elsewhere", 2**30)
