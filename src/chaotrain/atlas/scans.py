"""Which groups of a collection scan ε, and what such a scan says."""

from __future__ import annotations

import xarray as xr

from chaotrain.analysis.scan import scan
from chaotrain.atlas.collection import Group
from chaotrain.atlas.folder import Atlas

FEWEST = 3


def is_scan(group: Group) -> bool:
    """Whether the cases of a group differ in ε alone, at three values or more, and have replicas.

    Example:
        >>> from chaotrain import atlas
        >>> [is_scan(atlas.load(name).groups[0]) for name in ("predecessor", "figure-6")]
        [True, False]
    """
    epsilons = {case.experiment.epsilon for case in group.cases}
    others = [case.experiment.model_copy(update={"epsilon": 0.0}) for case in group.cases]
    alike = others[0].copies > 0 and all(other == others[0] for other in others)
    return alike and len(epsilons) >= FEWEST


def scan_of(found: Atlas, group: Group) -> xr.Dataset | None:
    """The scan of a group, of the cases that have finished tiles; None if there are none."""
    within = found.collection.within(group)
    known = {case.experiment.epsilon: found.studies.get(path) for path, case in within}
    studies = {epsilon: study for epsilon, study in known.items() if study is not None}
    if not studies:
        return None
    return scan({epsilon: (s.dataset, s.summary) for epsilon, s in studies.items()})
