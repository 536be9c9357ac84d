"""A scan of ε: studies that differ in nothing else, read together, with the plateau of λ_nMLE."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr

from chaotrain import schema
from chaotrain.analysis.arrays import ordered
from chaotrain.analysis.finite_size import default_sizes, finite_size_exponent
from chaotrain.statistics.averages import Floats
from chaotrain.statistics.plateau import widest_plateau

EPSILON = "epsilon"
_SCANNED = (schema.LEARNING_RATE, EPSILON)
_RATE = (schema.LEARNING_RATE,)
# From the summary of each study.
TAKEN = ("nmle", "nmle_low", "nmle_high", "rho", "rho_low", "rho_high", "ran", "decided")
PLATEAU = {
    "plateau": schema.Variable(_RATE, "mean λ_nMLE over the plateau", "1/epoch"),
    "plateau_low": schema.Variable(_RATE, "its lower 95% limit", "1/epoch"),
    "plateau_high": schema.Variable(_RATE, "its upper 95% limit", "1/epoch"),
    "plateau_first": schema.Variable(_RATE, "smallest ε of the plateau"),
    "plateau_last": schema.Variable(_RATE, "largest ε of the plateau"),
    "plateau_p": schema.Variable(_RATE, "p value of equal means over the plateau"),
    "plateau_inits": schema.Variable(_RATE, "initialisations decided at every ε of the plateau"),
}


def scan(studies: Mapping[float, tuple[xr.Dataset, xr.Dataset]]) -> xr.Dataset:
    """Read studies that differ in ε alone together.

    Args:
        studies: For each ε, what `derive` and `summarise` return of its study. Initialisations of
            the same index start at the same weights.

    Returns:
        Over (`learning_rate`, `epsilon`), ε increasing: λ_nMLE and ρ with their intervals, `ran`
        and `decided`. Over `learning_rate`: the plateau, by `statistics.plateau.widest_plateau` of
        the Λ of decided balls (NaN if there is none). Over (`learning_rate`, `size`): the
        finite-size exponent `rate` of the study with the smallest ε, which grows past the most
        sizes.

    Source: the scan is that of K. Danovski, M. C. Soriano, L. Lacasa, Front. Complex Syst. 2,
    1367957 (2024).
    """
    epsilons = sorted(studies)
    data = {epsilon: studies[epsilon][0].sortby(schema.LEARNING_RATE) for epsilon in epsilons}
    summaries = [studies[epsilon][1] for epsilon in epsilons]
    variables: dict[str, Any] = {}
    for name in TAKEN:
        values = np.stack([summary[name].values for summary in summaries], axis=1)
        variables[name] = (_SCANNED, values, schema.SUMMARY[name].attrs)
    exponents = np.stack([_exponents(data[epsilon]) for epsilon in epsilons])
    found = np.stack(
        [_plateau(exponents[:, rate], epsilons) for rate in range(exponents.shape[1])], axis=1
    )
    for (name, variable), column in zip(PLATEAU.items(), found, strict=True):
        variables[name] = (variable.dims, column, variable.attrs)
    rates = summaries[0][schema.LEARNING_RATE]
    attributes = {"long_name": "half-width of the perturbation", "units": "1"}
    whole = xr.Dataset(
        variables, coords={EPSILON: (EPSILON, epsilons, attributes), schema.LEARNING_RATE: rates}
    )
    return whole.merge(_sizes(data[epsilons[0]]))


def _exponents(dataset: xr.Dataset) -> Floats:
    """Λ of the decided balls, (R, I); NaN elsewhere."""
    decided = np.isin(ordered(dataset, "verdict"), schema.DECIDED)
    return np.where(decided, ordered(dataset, "exponent"), np.nan)


def _plateau(exponents: Floats, epsilons: list[float]) -> list[float]:
    """The values of `PLATEAU` at one learning rate."""
    found = widest_plateau(exponents)
    if found is None:
        return [np.nan] * (len(PLATEAU) - 1) + [0]
    limits = epsilons[found.start], epsilons[found.stop]
    return [found.value, found.low, found.high, *limits, found.p_value, found.size]


def _sizes(dataset: xr.Dataset) -> xr.Dataset:
    """λ(δ) at every learning rate, on the sizes of all."""
    distance = dataset["distance"]
    thresholds = default_sizes(ordered(dataset, "distance"))
    rates = [
        finite_size_exponent(distance.isel({schema.LEARNING_RATE: index}), thresholds)
        for index in range(distance.sizes[schema.LEARNING_RATE])
    ]
    return xr.concat(rates, dataset[schema.LEARNING_RATE])
