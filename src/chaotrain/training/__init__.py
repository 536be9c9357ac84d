"""Training as a map: network + task + optimiser, one epoch a step."""

from chaotrain.training.penalty import Penalty
from chaotrain.training.state import TrainingState
from chaotrain.training.system import TrainingMap

__all__ = ["Penalty", "TrainingMap", "TrainingState"]
