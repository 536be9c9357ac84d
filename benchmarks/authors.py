"""The time of the paper's published script beside the engine's, on all of MNIST.

    .venv/bin/python benchmarks/authors.py PATH/TO/MNIST_tanh.py

The script is github.com/pedrojg8/chaotic-transients-in-ANNs; it is not part of this project. It
runs here as it is, but for modules that it imports: torchvision, whose MNIST is replaced by the
bundled files with the same conversion of every image, and h5py and powerlaw, which the timed
functions do not use.
"""

from __future__ import annotations

import importlib.util
import sys
import time
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch
from PIL import Image

from chaotrain.tasks import idx, mnist
from dense import Dense

EPOCHS = 2
RUNS = 4
ETA = 7.5


class Digits(torch.utils.data.Dataset):  # type: ignore[type-arg]
    """MNIST as torchvision gives it: an image at a time, through PIL and a transform."""

    def __init__(self, root: str, train: bool, download: bool, transform: Any) -> None:
        part = "train" if train else "t10k"
        images, labels = (
            idx.read(mnist.FOLDER / f"{name}.gz", mnist.FILES[name], mnist.REMEDY)
            for name in (f"{part}-images-idx3-ubyte", f"{part}-labels-idx1-ubyte")
        )
        self.images, self.labels, self.transform = images, labels.astype(np.int64), transform

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> Any:
        return self.transform(Image.fromarray(self.images[index])), int(self.labels[index])


def to_tensor(image: Image.Image) -> torch.Tensor:
    """The pixels of a grey image as float32 in [0, 1], shape (1, height, width)."""
    return torch.from_numpy(np.array(image, np.uint8))[None].to(torch.get_default_dtype()).div(255)


def stand_ins() -> dict[str, ModuleType]:
    """The modules that the script imports and that this environment lacks."""
    modules = {name: ModuleType(name) for name in ("torchvision", "h5py", "powerlaw")}
    for name, module in modules.items():
        module.__spec__ = ModuleSpec(name, None)  # PyTorch looks for one
    datasets, transforms = ModuleType("datasets"), ModuleType("transforms")
    datasets.MNIST = Digits  # type: ignore[attr-defined]
    transforms.ToTensor = lambda: to_tensor  # type: ignore[attr-defined]
    transforms.Compose = lambda steps: steps[0]  # type: ignore[attr-defined]
    modules["torchvision"].datasets = datasets  # type: ignore[attr-defined]
    modules["torchvision"].transforms = transforms  # type: ignore[attr-defined]
    return modules


def main() -> int:
    """Print both times and their ratio."""
    if len(sys.argv) != 2 or not Path(sys.argv[1]).is_file():
        print("usage: python benchmarks/authors.py PATH/TO/MNIST_tanh.py", file=sys.stderr)
        return 2
    sys.modules.update(stand_ins())
    spec = importlib.util.spec_from_file_location("script", sys.argv[1])
    assert spec is not None
    assert spec.loader is not None
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    times = []
    for _ in range(RUNS):
        start = time.perf_counter()
        script.initialize_network_and_flatten(EPOCHS, ETA, 784, 64, 10)
        times.append((time.perf_counter() - start) / EPOCHS)
    ours = Dense((784, 64, 10), 60_000, balls=1, replicas=5, epochs=EPOCHS).engine()
    print(f"script {min(times):.3f} s a network-epoch, the fastest of {RUNS} runs")
    print(f"engine {ours:.3f} s, six networks side by side: {min(times) / ours:.1f} times faster")
    return 0


if __name__ == "__main__":
    sys.exit(main())
