"""The adaptive search for the onset of chaos, whatever computes the probes.

The contract of an engine: a function `probe(eta, init) -> Probe` that trains initialisation number
`init` at the learning rate `eta` and follows an infinitesimal perturbation. `init` counts up from
0, a new one for each probe, so that verdicts are independent; an engine with one fixed initial
state may ignore it. A probe reports what is not finite as data (`status`, `DIVERGED`) and raises
only on a mistake of the caller's. It may end early once `settled` says so, or once it is not
finite. `Probe.cost` is in gradient evaluations: a plain step counts as 1, one with its tangent or
with a twin as 2.

The search walks up and down by factors of 4 until it holds a learning rate where the perturbation
does not grow and one where it grows exponentially. Then probes go in turns to the medians of three
crossings, until each is known to `tolerance` or the budget is spent:

- `first`: half of the initialisations grow by more than one e-fold at some time;
- `half`: half of the initialisations are exponential, η_0;
- `full`: nine in ten are, η_1. (No finite sample can tell that all are.)

A probe that gained three times ln 100 counts as exponential whatever the verdict; an undecided one
counts as not, since within its epochs it is not; one that diverged counts for nothing.

Where training diverges before it is chaotic, the learning rate at which it does is bisected to
0.1%, as far as the budget goes.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

from chaotrain.onset.crossing import Crossing, crossing
from chaotrain.onset.probes import MIN_GROWTH, Judged, Probe, judge

Probing = Callable[[float, int], Probe]
Told = Callable[[Judged], None]

# What a search comes to.
ONSET = "onset"
DIVERGES = "diverges first"
REGULAR = "stays regular"
EVERYWHERE = "chaotic throughout"
UNSTABLE = "diverges throughout"
UNFINISHED = "budget spent"
OUTCOMES = (ONSET, DIVERGES, REGULAR, EVERYWHERE, UNSTABLE, UNFINISHED)

FACTOR = 4.0
# Powers of the factor that are walked at most in one direction.
POWERS = 8
TOLERANCE = 1.1
DIVERGENCE = 1.001
# By what a probe keeps off the place where that is thought to be.
ASIDE = 1.0004
MOST_PROBES = 60
FULL = 0.9


@dataclass(frozen=True)
class Bracket:
    """What a search found; a crossing is None where the outcome leaves no sense to it.

    Attributes:
        outcome: One of `OUTCOMES`.
        first: The first transient growth.
        half: η_0.
        full: η_1.
        divergence: Where training diverges: the middle of the bracket, and the bracket; open
            above where no probe diverged. Its verdicts are bisected only if nothing is chaotic.
        judged: Every probe with its verdict, in the order asked.
    """

    outcome: str
    first: Crossing | None
    half: Crossing | None
    full: Crossing | None
    divergence: Crossing
    judged: tuple[Judged, ...]

    @property
    def cost(self) -> float:
        """Gradient evaluations of all probes."""
        return sum(found.probe.cost for found in self.judged)


def search(
    probe: Probing,
    *,
    start: float = 1.0,
    tolerance: float = TOLERANCE,
    budget: float = math.inf,
    share: float = 1.0,
    enough: int = MOST_PROBES,
    min_growth: float = MIN_GROWTH,
    told: Told = lambda judged: None,
) -> Bracket:
    """Search for the onset of chaos.

    Args:
        probe: (eta, init) → `Probe`; see the module.
        start: The first learning rate.
        tolerance: A crossing is known when the upper limit of its interval is at most `tolerance`²
            times the lower, so that its middle is known to this factor.
        budget: Gradient evaluations; no probe is begun once they are spent.
        share: The part of the budget after which nothing is refined.
        enough: The number of probes after which nothing is refined.
        min_growth: What a chaotic transient gains at least, in e-folds.
        told: Called with every probe as it is judged.

    Returns:
        The `Bracket`.

    Example:
        >>> import numpy as np
        >>> def probe(eta, init):
        ...     growth = np.linspace(0, 20 if eta > 7 else 2 if eta > 3 else 0, 101)
        ...     return Probe(eta, init, growth, np.ones(101), None, "finite", cost=200)
        >>> found = search(probe, tolerance=1.2)
        >>> found.outcome, found.first.low < 3 < found.first.high, 5 < found.half.value < 9
        ('onset', True, True)
    """
    walk = _Search(probe, tolerance, budget, min_growth, told)
    outcome = walk.bracket(start)
    if outcome == ONSET:
        walk.budget, walk.most = share * budget, enough
        walk.refine()
    return walk.result(outcome)


@dataclass
class _Search:
    """The probes so far, and what to ask next."""

    probe: Probing
    tolerance: float
    budget: float
    min_growth: float
    told: Told
    most: int = MOST_PROBES
    judged: list[Judged] = field(default_factory=list)

    @property
    def spent(self) -> float:
        """Gradient evaluations so far."""
        return sum(found.probe.cost for found in self.judged)

    def ask(self, eta: float) -> Judged | None:
        """Probe a learning rate with a new initialisation; None if nothing is left for it."""
        asked = len(self.judged)
        if asked >= self.most or (asked and self.spent >= self.budget):
            return None
        found = judge(self.probe(eta, asked), self.min_growth)
        self.judged.append(found)
        self.told(found)
        return found

    def bracket(self, start: float) -> str:
        """Walk until one learning rate is calm and one chaotic, or it is clear that none is."""
        eta = start
        while self.ask(eta) is not None:
            finite = [found for found in self.judged if not found.diverged]
            rates = [found.probe.eta for found in finite]
            tested = [found.probe.eta for found in self.judged]
            lowest = min(tested)
            if not finite or any(f.grows or f.diverged for f in self._at(lowest)):
                if not finite and lowest <= start / FACTOR**POWERS:
                    return UNSTABLE
                if finite and lowest <= start / FACTOR**POWERS:
                    return EVERYWHERE
                eta = lowest / FACTOR
                continue
            if any(found.exponential for found in finite):
                return ONSET
            beyond = [eta for eta in tested if eta > max(rates)]
            if beyond:
                low, high = max(rates), min(beyond)
                if high / low <= DIVERGENCE:
                    return DIVERGES
                # Every other probe halves the bracket, whatever the edge is thought to be.
                eta = self._edge(low, high) if len(tested) % 2 else math.sqrt(low * high)
            elif max(rates) >= start * FACTOR**POWERS:
                return REGULAR
            else:
                eta = max(rates) * FACTOR
        is_close = self.divergence().ratio <= self.tolerance**2
        return DIVERGES if is_close and not any(f.grows for f in self.judged) else UNFINISHED

    def refine(self) -> None:
        """Probe where the crossings that are not yet known are thought to be, one after another."""
        turn = 0
        while True:
            known = [c for c in self.crossings() if c is not None]
            open_ones = [n for n, c in enumerate(known) if c.ratio > self.tolerance**2]
            if not open_ones:
                return
            turn = next((n for n in open_ones if n >= turn), open_ones[0])
            if self.ask(known[turn].value) is None:
                return
            turn += 1

    def crossings(self) -> tuple[Crossing | None, Crossing | None, Crossing | None]:
        """The first growth, η_0 and η_1 as known so far."""
        finite = [found for found in self.judged if not found.diverged]
        if not finite:
            return None, None, None
        rates = [found.probe.eta for found in finite]
        grown, chaotic = [f.grows for f in finite], [f.exponential for f in finite]
        return crossing(rates, grown), crossing(rates, chaotic), crossing(rates, chaotic, FULL)

    def divergence(self) -> Crossing:
        """The bracket between what stayed finite and what diverged above it."""
        calm = [f.probe.eta for f in self.judged if not f.diverged]
        low = max(calm, default=0.0)
        high = min(
            (f.probe.eta for f in self.judged if f.diverged and f.probe.eta > low), default=math.inf
        )
        return Crossing(math.sqrt(low * high) if low > 0 else high, low, high)

    def result(self, outcome: str) -> Bracket:
        """The bracket for an outcome."""
        first, half, full = self.crossings()
        if outcome not in (ONSET, UNFINISHED):
            half = full = None
        if outcome in (DIVERGES, UNSTABLE):
            first = None
        return Bracket(outcome, first, half, full, self.divergence(), tuple(self.judged))

    def _edge(self, low: float, high: float) -> float:
        """Where training would begin to diverge if it did as on a quadratic.

        There the perturbation grows by ηh - 1 an epoch, and the edge is 2/h. A little aside of it
        the next probe shuts the bracket on the side where it is wider.
        """
        middle = math.sqrt(low * high)
        rate = self._at(high)[0].late_rate
        if not (math.isfinite(rate) and rate > 0):
            return middle
        edge = 2 * high / (1 + math.exp(rate))
        if edge < low:
            return middle
        return min(edge * ASIDE, math.sqrt(edge * high)) if edge < middle else edge / ASIDE

    def _at(self, eta: float) -> list[Judged]:
        return [found for found in self.judged if found.probe.eta == eta]
