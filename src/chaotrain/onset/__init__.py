"""The onset finder: where chaos sets in as the learning rate grows, and which rate to train at."""

from chaotrain.onset.finder import find_onset
from chaotrain.onset.result import Onset

__all__ = ["Onset", "find_onset"]
