"""What the onset finder returns: learning rates with intervals, the evidence, and a reason."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import xarray as xr

from chaotrain import schema
from chaotrain.onset.crossing import Crossing
from chaotrain.onset.race import LOSS, Race
from chaotrain.onset.search import Bracket

PROBE = "probe"
Interval = tuple[float, float]
UNKNOWN = Crossing(math.nan, math.nan, math.nan)


@dataclass(frozen=True, eq=False)
class Onset:
    """The onset of chaos, and a learning rate to train at.

    A learning rate that does not exist is NaN, as one that is bounded on one side only: there the
    other limit of its interval is 0 or infinite.

    Attributes:
        outcome: "onset", "diverges first", "stays regular", "chaotic throughout", "diverges
            throughout" or "budget spent".
        eta_first: The first transient growth: half of the initialisations grow by an e-fold.
        eta_first_interval: Its 95% interval, as that of the others.
        eta_0: Half of the initialisations are exponential.
        eta_0_interval: Its interval.
        eta_1: Nine in ten are exponential, the full onset.
        eta_1_interval: Its interval.
        divergence: Training diverges.
        divergence_interval: The largest η below that stayed finite, and the smallest that did not.
        bracket: The learning rates between which was raced.
        eta_fastest: The recommendation.
        eta_fastest_interval: Around all that were fastest for some initialisation.
        probes: Over `probe`, in the order asked, and `epoch`: `learning_rate`, `init`, `verdict`,
            `exponent`, `exponential` (as the search counts it), `peak_growth` (e-folds), `epochs`,
            `cost`, `growth` and `loss`. Its attributes are the learning rates above.
        race: Over `learning_rate`: `epochs` trained, `mean_training_time` and `reached` of the
            target, `best_score`, or `lowest_loss` of a map without one, and `loss` at the end;
            empty where there was none. Its attribute `measure` says what decided.
        cost: Gradient evaluations in all.
        seconds: Time in all.
        reason: One paragraph in plain words.
    """

    outcome: str
    eta_first: float
    eta_first_interval: Interval
    eta_0: float
    eta_0_interval: Interval
    eta_1: float
    eta_1_interval: Interval
    divergence: float
    divergence_interval: Interval
    bracket: Interval
    eta_fastest: float
    eta_fastest_interval: Interval
    probes: xr.Dataset
    race: xr.Dataset
    cost: float
    seconds: float
    reason: str

    @classmethod
    def of(
        cls,
        found: Bracket,
        raced: Race | None,
        limits: Interval | None,
        cost: float,
        seconds: float,
        reason: str,
    ) -> Onset:
        """From what the search and the race found."""
        named = {
            "eta_first": found.first or UNKNOWN,
            "eta_0": found.half or UNKNOWN,
            "eta_1": found.full or UNKNOWN,
            "divergence": found.divergence,
            "eta_fastest": UNKNOWN if raced is None else Crossing(raced.fastest, *raced.interval),
        }
        values: dict[str, Any] = {
            name: rate.value if rate.low > 0 and rate.high < math.inf else math.nan
            for name, rate in named.items()
        }
        intervals: dict[str, Any] = {f"{n}_interval": (r.low, r.high) for n, r in named.items()}
        attributes: dict[str, Any] = {"outcome": found.outcome, **values}
        for name, rate in named.items():
            attributes |= {f"{name}_low": rate.low, f"{name}_high": rate.high}
        return cls(
            outcome=found.outcome,
            **values,
            **intervals,
            bracket=limits or (math.nan, math.nan),
            probes=_probes(found).assign_attrs(attributes),
            race=_race(raced),
            cost=cost,
            seconds=seconds,
            reason=reason,
        )

    def __str__(self) -> str:
        """The reason."""
        return self.reason

    def to_dict(self) -> dict[str, Any]:
        """All but the curves, as JSON knows it: a number that is not finite is None."""
        content: dict[str, Any] = {}
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, xr.Dataset):
                table = value.drop_dims(schema.EPOCH, errors="ignore").reset_coords()
                content[field.name] = [
                    _plain(row) for row in table.to_dataframe().to_dict("records")
                ]
            else:
                content[field.name] = _plain(value)
        return content


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _plain(entry) for name, entry in value.items()}
    if isinstance(value, tuple):
        return [_plain(entry) for entry in value]
    value = value.item() if isinstance(value, np.generic) else value
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _probes(found: Bracket) -> xr.Dataset:
    probes = [judged.probe for judged in found.judged]
    longest = max(len(probe.growth) for probe in probes)

    def padded(curve: np.ndarray) -> np.ndarray:
        return np.append(curve, np.full(longest - len(curve), np.nan))

    scalars = {
        schema.LEARNING_RATE: [probe.eta for probe in probes],
        schema.INIT: [probe.init for probe in probes],
        "verdict": [judged.verdict for judged in found.judged],
        "exponent": [judged.exponent for judged in found.judged],
        "exponential": [judged.exponential for judged in found.judged],
        "peak_growth": [judged.peak for judged in found.judged],
        "epochs": [len(probe.growth) - 1 for probe in probes],
        "cost": [probe.cost for probe in probes],
    }
    curves = {
        "growth": [padded(probe.growth) for probe in probes],
        "loss": [padded(probe.loss) for probe in probes],
    }
    return xr.Dataset(
        {
            **{name: (PROBE, values) for name, values in scalars.items()},
            **{name: ((PROBE, schema.EPOCH), values) for name, values in curves.items()},
        },
        {PROBE: np.arange(len(probes)), schema.EPOCH: np.arange(longest)},
    )


def _race(raced: Race | None) -> xr.Dataset:
    lanes = raced.lanes if raced is not None else ()
    by_loss = raced is not None and raced.measure == LOSS
    columns = {
        "epochs": [lane.epochs for lane in lanes],
        "mean_training_time": [lane.time for lane in lanes],
        "reached": [lane.reached for lane in lanes],
        "best_score": [math.nan if by_loss else lane.score for lane in lanes],
        "lowest_loss": [-lane.score if by_loss else math.nan for lane in lanes],
        "loss": [lane.loss for lane in lanes],
    }
    rates = np.array([lane.eta for lane in lanes], dtype=float)
    return xr.Dataset(
        {name: (schema.LEARNING_RATE, values) for name, values in columns.items()},
        {schema.LEARNING_RATE: rates},
        {} if raced is None else {"measure": raced.measure, "target": raced.target or math.nan},
    )
