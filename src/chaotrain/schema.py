"""Names, units and vocabulary of the labelled result: the one place that spells them.

A study is an [xarray.Dataset][] over `learning_rate`, `init`, `replica` and `epoch`. What a run
records is `RECORDED`; what the estimators derive from that is `DERIVED`; what is left after
averaging over initialisations is `SUMMARY`. Every name carries its dimensions and attributes.
"""

from __future__ import annotations

from dataclasses import dataclass

# An attribute of the data set and of its summary: what the task calls its score.
SCORE = "score"
LEARNING_RATE, INIT, REPLICA, EPOCH, TARGET = "learning_rate", "init", "replica", "epoch", "target"
DISTANCE, TANGENT_GROWTH = "distance", "tangent_growth"
ROUNDING_DISTANCE = "rounding_distance"
# How long the members of a ball were trained, where they leave before the end.
FOLLOWED, TRAINED = "followed", "trained"
LAYER = "layer"

# Verdict of a ball (design.md, section 1).
EXPONENTIAL = "exponential"
BOUNDED = "bounded"
SUBEXPONENTIAL = "subexponential"
CONTRACTING = "contracting"
UNDECIDED = "undecided"
BLOW_UP = "blow-up"
VERDICTS = (EXPONENTIAL, BOUNDED, SUBEXPONENTIAL, CONTRACTING, UNDECIDED, BLOW_UP)
DECIDED = (EXPONENTIAL, BOUNDED, SUBEXPONENTIAL, CONTRACTING)

# Status of a ball: whether it ran, and stayed finite.
FINITE = "finite"
ABSENT = "absent"

# What the tangent of a ball says: without a chaotic transient, with one that ended within the run,
# or with one that the run does not show to be over.
NO_TRANSIENT, ENDED, CENSORED = "none", "ended", "censored"
TRANSIENTS = (NO_TRANSIENT, ENDED, CENSORED)

# When a ball reaches a target: relative to its chaotic transient, at all, or without a transient.
BEFORE, INSIDE, AT_END, AFTER = "before", "inside", "at the end", "after"
NEVER, WITHOUT = "never", "no transient"
PHASES = (BEFORE, INSIDE, AT_END, AFTER, NEVER, WITHOUT)

# Regime of a learning rate.
EXPLOITATION = "exploitation"
EXPLORATION_EXPLOITATION = "exploration-exploitation"
TOO_SLOW = "too slow"
NO_LEARNING = "no learning"
REGIMES = (TOO_SLOW, EXPLOITATION, EXPLORATION_EXPLOITATION, NO_LEARNING)

# Verdict of a ball that did not run; regime of a learning rate that the data cannot decide; what a
# tangent that was not recorded says.
UNKNOWN = ""


@dataclass(frozen=True)
class Variable:
    """One variable of the result: its dimensions, what it is, and in which unit."""

    dims: tuple[str, ...]
    long_name: str
    units: str = "1"

    @property
    def attrs(self) -> dict[str, str]:
        """Attributes as xarray and CF readers expect them."""
        return {"long_name": self.long_name, "units": self.units}


_BALL = (LEARNING_RATE, INIT)
_RATE = (LEARNING_RATE,)

COORDINATES = {
    LEARNING_RATE: Variable(_RATE, "learning rate"),
    INIT: Variable((INIT,), "initialisation"),
    REPLICA: Variable((REPLICA,), "perturbed copy"),
    EPOCH: Variable((EPOCH,), "epoch", "epoch"),
    TARGET: Variable((TARGET,), "target test score"),
    LAYER: Variable((LAYER,), "layer of the network"),
}

RECORDED = {
    DISTANCE: Variable((*_BALL, REPLICA, EPOCH), "L1 distance to the reference network"),
    TANGENT_GROWTH: Variable((*_BALL, EPOCH), "ln‖v(t)‖/‖v(0)‖ of a tangent vector v"),
    ROUNDING_DISTANCE: Variable((*_BALL, EPOCH), "L1 distance to itself with other rounding"),
    "loss": Variable((*_BALL, EPOCH), "training loss"),
    "train_accuracy": Variable((*_BALL, EPOCH), "training score (accuracy, or R² of a regression)"),
    "test_accuracy": Variable((*_BALL, EPOCH), "test score (accuracy, or R² of a regression)"),
    "path_length": Variable((*_BALL, EPOCH), "Euclidean path length in weight space"),
    "displacement": Variable((*_BALL, EPOCH), "Euclidean distance from the initial weights"),
    FOLLOWED: Variable((*_BALL, REPLICA), "last epoch of the replica", "epoch"),
    TRAINED: Variable(_BALL, "last epoch of the reference", "epoch"),
}


def recorded(name: str, axes: int) -> tuple[tuple[str, ...], dict[str, str]]:
    """Dimensions and attributes of what a map records of one ball, known to the schema or not.

    Example:
        >>> recorded("energy", axes=1), recorded("distance", axes=2)[0]
        ((('epoch',), {}), ('replica', 'epoch'))
    """
    known = RECORDED.get(name)
    dims = known.dims[len(_BALL) :] if known else (REPLICA, EPOCH)[2 - axes :]
    return dims, known.attrs if known else {}


_PAIR = (REPLICA, EPOCH)

# What `chaotrain.separation` measures of one ball, between the reference and each replica.
SEPARATION = {
    "l1": Variable(_PAIR, "L1 distance of the parameters"),
    "l2": Variable(_PAIR, "L2 distance of the parameters"),
    "l1_aligned": Variable(_PAIR, "L1 distance after alignment of the hidden units"),
    "l2_aligned": Variable(_PAIR, "L2 distance after alignment of the hidden units"),
    "layer_l1": Variable((LAYER, *_PAIR), "L1 distance of the parameters of a layer"),
    "layer_l2": Variable((LAYER, *_PAIR), "L2 distance of the parameters of a layer"),
    "layer_norm": Variable((LAYER, EPOCH), "L2 norm of a layer of the reference"),
    "disagreement": Variable(_PAIR, "share of test samples that get another class"),
    "output_l2": Variable(_PAIR, "L2 distance of the test outputs, root mean square over samples"),
    "output_norm": Variable((EPOCH,), "L2 norm of the reference's test outputs, likewise"),
    "test_accuracy": Variable((EPOCH,), "test score (accuracy, or R² of a regression)"),
    "replica_accuracy": Variable(_PAIR, "test score of the replica"),
}

DERIVED = {
    "exponent": Variable(_BALL, "local network Lyapunov exponent", "1/epoch"),
    "exponent_low": Variable(_BALL, "its lower 95% limit", "1/epoch"),
    "exponent_high": Variable(_BALL, "its upper 95% limit", "1/epoch"),
    "growth_start": Variable(_BALL, "start of the exponential phase", "epoch"),
    "growth_stop": Variable(_BALL, "end of the exponential phase", "epoch"),
    "saturation": Variable(_BALL, "distance at which the growth saturates"),
    "saturation_epoch": Variable(_BALL, "first epoch at that distance", "epoch"),
    "verdict": Variable(_BALL, "verdict of the growth fit"),
    "tangent_exponent": Variable(
        _BALL, "exponent by the tangent beside that by replicas", "1/epoch"
    ),
    "tangent_exponent_low": Variable(_BALL, "its lower 95% limit", "1/epoch"),
    "tangent_exponent_high": Variable(_BALL, "its upper 95% limit", "1/epoch"),
    "tangent_verdict": Variable(_BALL, "verdict of the fit of the tangent's growth"),
    "disagrees": Variable(_BALL, "whether replicas and tangent disagree (1 or 0)"),
    "horizon": Variable(_BALL, "epoch from which on rounding makes another training", "epoch"),
    "horizon_predicted": Variable(_BALL, "that epoch by the exponent", "epoch"),
    "status": Variable(_BALL, "whether the ball ran and stayed finite"),
    "blow_up_epoch": Variable(_BALL, "first epoch that is not finite", "epoch"),
    "training_time": Variable((*_BALL, TARGET), "first epoch at the target score", "epoch"),
    "loss_rise_share": Variable(_BALL, "share of epochs in which the training loss rises"),
    "path_ratio": Variable(_BALL, "path length over net displacement"),
    "transient": Variable(_BALL, "whether there is a chaotic transient, and whether it ended"),
    "transient_start": Variable(_BALL, "start of the chaotic transient", "epoch"),
    "transient_stop": Variable(_BALL, "end of the chaotic transient", "epoch"),
    "transient_lifetime": Variable(_BALL, "its lifetime, exceeded where censored", "epoch"),
    "target_phase": Variable((*_BALL, TARGET), "when in the transient the target is reached"),
}

SUMMARY = {
    "nmle": Variable(_RATE, "mean local Lyapunov exponent λ_nMLE", "1/epoch"),
    "nmle_std": Variable(_RATE, "standard deviation (n - 1) of Λ over initialisations", "1/epoch"),
    "nmle_low": Variable(_RATE, "lower 95% limit of λ_nMLE", "1/epoch"),
    "nmle_high": Variable(_RATE, "upper 95% limit of λ_nMLE", "1/epoch"),
    "rho": Variable(_RATE, "share of decided initialisations that are exponential"),
    "rho_low": Variable(_RATE, "lower 95% Wilson limit of ρ"),
    "rho_high": Variable(_RATE, "upper 95% Wilson limit of ρ"),
    "tangent_nmle": Variable(_RATE, "λ_nMLE by the tangent, of those compared", "1/epoch"),
    "tangent_nmle_low": Variable(_RATE, "its lower 95% limit", "1/epoch"),
    "tangent_nmle_high": Variable(_RATE, "its upper 95% limit", "1/epoch"),
    "compared": Variable(_RATE, "initialisations measured by replicas and tangent"),
    "disagreeing": Variable(_RATE, "those in which the two disagree beyond the joint interval"),
    "horizon": Variable(
        _RATE, "median epoch from which on rounding makes another training", "epoch"
    ),
    "horizon_low": Variable(_RATE, "its lower 95% limit", "epoch"),
    "horizon_high": Variable(_RATE, "its upper 95% limit", "epoch"),
    "horizon_predicted": Variable(_RATE, "the median of that epoch by the exponent", "epoch"),
    "horizon_predicted_low": Variable(_RATE, "its lower 95% limit", "epoch"),
    "horizon_predicted_high": Variable(_RATE, "its upper 95% limit", "epoch"),
    "ran": Variable(_RATE, "initialisations run"),
    "decided": Variable(_RATE, "initialisations decided"),
    "regime": Variable(_RATE, "training regime"),
    "best_accuracy": Variable(_RATE, "median over initialisations of the best test score"),
    "loss_rise_share": Variable(_RATE, "mean share of epochs in which the training loss rises"),
    "path_ratio": Variable(_RATE, "mean path length over net displacement"),
    "mean_training_time": Variable((LEARNING_RATE, TARGET), "mean of min(τ, T)", "epoch"),
    "mean_training_time_low": Variable((LEARNING_RATE, TARGET), "lower 95% limit of ⟨τ⟩", "epoch"),
    "mean_training_time_high": Variable((LEARNING_RATE, TARGET), "upper 95% limit of ⟨τ⟩", "epoch"),
    "reached": Variable((LEARNING_RATE, TARGET), "share that reached the target"),
    "reached_training_time": Variable(
        (LEARNING_RATE, TARGET), "mean τ over those that reached", "epoch"
    ),
    "transient_share": Variable(_RATE, "share of initialisations with a chaotic transient"),
    "transient_share_low": Variable(_RATE, "lower 95% Wilson limit of that share"),
    "transient_share_high": Variable(_RATE, "upper 95% Wilson limit of that share"),
    "transient_ended": Variable(_RATE, "share of the transients that ended within the run"),
    "transient_lifetime": Variable(_RATE, "median lifetime of the transients", "epoch"),
    "transient_lifetime_low": Variable(_RATE, "lower 95% limit of the median", "epoch"),
    "transient_lifetime_high": Variable(_RATE, "upper 95% limit of the median", "epoch"),
    **{
        f"target_{phase.replace(' ', '_')}": Variable((LEARNING_RATE, TARGET), words)
        for phase, words in {
            BEFORE: "share that reached the target before the transient",
            INSIDE: "share that reached the target inside the transient",
            AT_END: "share that reached the target at the end of the transient",
            AFTER: "share that reached the target after the transient",
            NEVER: "share that never reached the target",
            WITHOUT: "share that reached the target without a transient",
        }.items()
    },
    "eta_fastest": Variable((TARGET,), "learning rate η* with the smallest ⟨τ⟩"),
    "eta_fastest_low": Variable((TARGET,), "lower 95% limit of η*"),
    "eta_fastest_high": Variable((TARGET,), "upper 95% limit of η*"),
    "eta_ratio": Variable((TARGET,), "η* over η_1"),
    "eta_ratio_low": Variable((TARGET,), "lower 95% limit of η*/η_1"),
    "eta_ratio_high": Variable((TARGET,), "upper 95% limit of η*/η_1"),
}

# Attributes of the summary; each is NaN where it does not exist on the grid, and a limit of 0 or ∞
# is one that the grid leaves open. `eta_fastest` and `eta_ratio` repeat the variables of that name
# for the main target, the attribute `target`.
SUMMARY_ATTRIBUTES = tuple(
    f"{name}{limit}"
    for name in ("eta_0", "eta_1", "eta_fastest", "eta_ratio")
    for limit in ("", "_low", "_high")
)
