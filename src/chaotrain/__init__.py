"""Training a neural network as a dynamical system: measure its chaos, find its onset.

Everything public is reached from here; nothing heavy is imported before it is asked for.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from chaotrain import (
        alignment,
        anatomy,
        distances,
        figures,
        maps,
        networks,
        optimizers,
        schedules,
        tangent,
        tasks,
        torch,
    )
    from chaotrain.analysis import finite_size_exponent
    from chaotrain.balls import divergence
    from chaotrain.curvature import sharpness, sharpness_along, stability_threshold
    from chaotrain.errors import ProvenanceWarning, UserError
    from chaotrain.growth import Growth, fit_growth
    from chaotrain.horizon import reproducibility_horizon
    from chaotrain.maps import Map
    from chaotrain.networks import Network
    from chaotrain.onset import Onset
    from chaotrain.onset.finder import find_onset
    from chaotrain.runs import sweep
    from chaotrain.spaces import separation
    from chaotrain.study import Study
    from chaotrain.tangent import (
        finite_time_exponent,
        kaplan_yorke,
        lyapunov_convergence,
        lyapunov_spectrum,
        rescaled_pair,
        tangent_growth,
    )
    from chaotrain.tasks import Task
    from chaotrain.training import Penalty, TrainingMap

__version__ = "0.1.0"

__all__ = [
    "Growth",
    "Map",
    "Network",
    "Onset",
    "Penalty",
    "ProvenanceWarning",
    "Study",
    "Task",
    "TrainingMap",
    "UserError",
    "alignment",
    "anatomy",
    "distances",
    "divergence",
    "figures",
    "find_onset",
    "finite_size_exponent",
    "finite_time_exponent",
    "fit_growth",
    "kaplan_yorke",
    "lyapunov_convergence",
    "lyapunov_spectrum",
    "maps",
    "networks",
    "optimizers",
    "reproducibility_horizon",
    "rescaled_pair",
    "schedules",
    "separation",
    "sharpness",
    "sharpness_along",
    "stability_threshold",
    "sweep",
    "tangent",
    "tangent_growth",
    "tasks",
    "torch",
]

# Where each name lives; a module stands for itself.
_HOMES = {
    "Growth": "growth",
    "Map": "maps",
    "Network": "networks",
    "Onset": "onset",
    "Penalty": "training",
    "Study": "study",
    "Task": "tasks",
    "TrainingMap": "training",
    "ProvenanceWarning": "errors",
    "UserError": "errors",
    "divergence": "balls",
    "find_onset": "onset.finder",
    "finite_size_exponent": "analysis",
    "finite_time_exponent": "tangent",
    "fit_growth": "growth",
    "kaplan_yorke": "tangent",
    "lyapunov_convergence": "tangent",
    "lyapunov_spectrum": "tangent",
    "reproducibility_horizon": "horizon",
    "rescaled_pair": "tangent",
    "separation": "spaces",
    "sharpness": "curvature",
    "sharpness_along": "curvature",
    "stability_threshold": "curvature",
    "sweep": "runs",
    "tangent_growth": "tangent",
}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'chaotrain' has no attribute {name!r}")
    home = importlib.import_module(f"chaotrain.{_HOMES.get(name, name)}")
    value = getattr(home, name) if name in _HOMES else home
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
