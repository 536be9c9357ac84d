"""From what a study recorded to what it says: labels around the estimators and the statistics."""

from chaotrain.analysis.best import Best, answerable, best_for_epochs, best_for_target
from chaotrain.analysis.derived import derive
from chaotrain.analysis.finite_size import finite_size_exponent
from chaotrain.analysis.scan import scan
from chaotrain.analysis.summary import summarise

__all__ = [
    "Best",
    "answerable",
    "best_for_epochs",
    "best_for_target",
    "derive",
    "finite_size_exponent",
    "scan",
    "summarise",
]
