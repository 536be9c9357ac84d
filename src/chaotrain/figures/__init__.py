"""The figures of the paper, drawn from a study's data set and its summary alone.

Each function draws one figure, on new axes or on given ones, and returns the axes; `save_all`
writes them all. They need no engine and leave matplotlib's global state as it was.

| file | function | what is seen |
|---|---|---|
| figure-1 | [loss_trajectories][] | smooth descent, erratic learning, and none |
| figure-2 | [ball][] | how one ball of nearby networks comes apart, and its exponent |
| figure-3 | [balls][] | all balls at one learning rate, and their exponents |
| figure-4 | [exponents][] | λ_nMLE(η) |
| figure-5 | [transition][] | ρ(η) and ⟨τ⟩(η), with η_0, η_1 and η* |
| figure-5-targets | [training_times][] | ⟨τ⟩(η) for every target, over the regimes |
| lifetimes | [lifetimes][] | how long chaos lasts, and when in it the target is reached |

[cases][] draws λ_nMLE(η), ρ(η) and ⟨τ⟩(η) of many studies side by side, and `save_cases` writes it.
[epsilon_scan][] draws λ_nMLE against ε with its plateau, and λ(δ), of studies that differ in ε.
[anatomy][] draws one training: pair and tangent, local rate, loss and score, sharpness; and
[weights_and_function][] how far its pair is apart in weights, in outputs and in classes.
[spectrum][] draws the leading Lyapunov exponents along one trajectory, as they converge.
[onset][] draws a search for the onset: the exponent of each probe, and the race.
[sensitivities][] draws d(t) of two studies: replicas with other weights, and with other batches.
"""

from chaotrain.figures.dissection import anatomy, save_anatomy
from chaotrain.figures.panels import Case, cases, save_cases
from chaotrain.figures.rates import exponents, training_times, transition
from chaotrain.figures.saving import save_all
from chaotrain.figures.scans import epsilon_scan, save_epsilon_scan
from chaotrain.figures.search import onset, save_onset
from chaotrain.figures.sensitivities import save_sensitivities, sensitivities
from chaotrain.figures.separation import ball, balls
from chaotrain.figures.spaces import save_weights_and_function, weights_and_function
from chaotrain.figures.spectra import save_spectrum, spectrum
from chaotrain.figures.trajectories import loss_trajectories
from chaotrain.figures.transients import lifetimes

__all__ = [
    "Case",
    "anatomy",
    "ball",
    "balls",
    "cases",
    "epsilon_scan",
    "exponents",
    "lifetimes",
    "loss_trajectories",
    "onset",
    "save_all",
    "save_anatomy",
    "save_cases",
    "save_epsilon_scan",
    "save_onset",
    "save_sensitivities",
    "save_spectrum",
    "save_weights_and_function",
    "sensitivities",
    "spectrum",
    "training_times",
    "transition",
    "weights_and_function",
]
