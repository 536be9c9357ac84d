"""Fashion-MNIST: 70,000 pictures of clothes from Zalando, in the format of MNIST; MIT licence.

Not bundled: see `chaotrain.tasks.fetch`. H. Xiao, K. Rasul and R. Vollgraf, "Fashion-MNIST: a novel
image dataset for benchmarking machine learning algorithms", arXiv:1708.07747. Copyright Zalando SE.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from chaotrain.tasks import fetch, mnist
from chaotrain.tasks.task import Task

FOLDER = "fashion-mnist"
SOURCE = "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com"


class Digests(NamedTuple):
    """SHA-256 of a file as it is, and as it is offered for download."""

    content: str
    compressed: str


# The second of each is also what TensorFlow Datasets records.
FILES = {
    "train-images-idx3-ubyte": Digests(
        "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
        "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
    ),
    "train-labels-idx1-ubyte": Digests(
        "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
        "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
    ),
    "t10k-images-idx3-ubyte": Digests(
        "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
        "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
    ),
    "t10k-labels-idx1-ubyte": Digests(
        "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
        "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
    ),
}


def load(data_dir: str | Path | None = None) -> Task:
    """All of Fashion-MNIST: pictures as 784 pixels in [0, 1], labels 0 to 9.

    With 6,000 pictures an MLP 784-64-10 of tanh units and Glorot's initialisation reaches the
    default target, 0.8, in about 90 epochs of full-batch gradient descent at learning rate 0.3.

    Args:
        data_dir: A folder that holds `fashion-mnist/train-images-idx3-ubyte.gz` and its siblings;
            by default the one that `CHAOTRAIN_DATA` names, or else the cache.

    Raises:
        UserError: If a file is missing and cannot be downloaded, or is damaged.
    """
    return in_bytes(data_dir).in_unit_interval()


def in_bytes(data_dir: str | Path | None = None) -> Task:
    """As `load`, with pixels from 0 to 255, a byte each."""
    files = {
        name: fetch.path(
            fetch.Remote(FOLDER, f"{name}.gz", f"{SOURCE}/{name}.gz", digests.compressed), data_dir
        )
        for name, digests in FILES.items()
    }
    hashes = {name: digests.content for name, digests in FILES.items()}
    return mnist.from_files("fashion-mnist", files, hashes, fetch.remedy(FOLDER), target=0.8)
