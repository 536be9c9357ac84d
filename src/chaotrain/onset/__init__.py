"""The onset finder: where chaos sets in as the learning rate grows, and which rate to train at.

`finder` computes; what it returns can be read without the engine.
"""

from chaotrain.onset.result import Onset

__all__ = ["Onset"]
