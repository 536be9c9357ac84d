"""The search and the race on their own: probes whose truth is known, no map and no JAX."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy.integrate import dblquad
from scipy.special import expit

from chaotrain.onset import crossing as crossings
from chaotrain.onset import race as racing
from chaotrain.onset import search as searching
from chaotrain.onset.crossing import Crossing, crossing
from chaotrain.onset.probes import DIVERGED, Probe, judge, runs_away, settled
from chaotrain.onset.race import Trained, race
from chaotrain.onset.rounds import race_in_rounds
from chaotrain.onset.search import Bracket, search

COST = 200.0
FIRST = 1 / math.e  # first growth lies so far below η_0


def ramp(gain: float) -> np.ndarray:
    """Growth by so many e-folds from epoch 20 to 60, then level."""
    return np.interp(np.arange(101), [20, 60], [0, gain])


def probing(onset: float, width: float, seed: int) -> Callable[[float, int], Probe]:
    """Each initialisation has a threshold of its own, logistic in ln η around the onset."""
    random = np.random.default_rng(seed)

    def probe(eta: float, init: int) -> Probe:
        place = math.log(eta / onset) - width * random.logistic()
        gain = 20.0 if place > 0 else 2.0 if place > math.log(FIRST) else 0.2
        return Probe(eta, init, ramp(gain), np.ones(101), None, "finite", COST)

    return probe


def contains(found: Crossing | None, truth: float) -> bool:
    assert found is not None
    assert found.low <= found.value <= found.high
    return found.low <= truth <= found.high


@pytest.mark.slow
@pytest.mark.parametrize(("width", "budget"), [(0.003, 2400), (0.1, 4000), (0.3, 4000)])
def test_the_intervals_cover_a_sharp_and_a_soft_onset(width: float, budget: float) -> None:
    random = np.random.default_rng(1)
    covered = np.zeros(3)
    seeds = 40
    for seed in range(seeds):
        onset = math.exp(random.uniform(-1, 3))
        found = search(probing(onset, width, seed), budget=budget)
        assert found.outcome == searching.ONSET
        full = onset * math.exp(width * math.log(9))
        truths = ((found.first, FIRST * onset), (found.half, onset), (found.full, full))
        covered += [contains(rate, truth) for rate, truth in truths]
    # 95% nominal: fewer than 34 of 40 would come about in 1% of the cases.
    assert (covered >= 34).all(), covered


def test_a_sharp_onset_is_found_to_the_tolerance_and_a_looser_one_costs_less() -> None:
    fine, coarse = (search(probing(5.0, 1e-6, 0), tolerance=t) for t in (1.1, 1.5))
    for found, tolerance in ((fine, 1.1), (coarse, 1.5)):
        assert contains(found.first, FIRST * 5)
        assert contains(found.half, 5.0)
        for rate, truth in ((found.first, FIRST * 5), (found.half, 5.0), (found.full, 5.0)):
            assert rate is not None
            assert rate.ratio <= tolerance**2
            assert truth / tolerance < rate.value < truth * tolerance
    assert coarse.cost < fine.cost


def test_a_crossing_is_the_posterior_of_the_logistic_model() -> None:
    etas, verdicts = [1.0, 2.0, 4.0, 3.0, 2.5], [False, False, True, True, False]
    found = crossing(etas, verdicts)

    def weight(log_width: float, middle: float) -> float:
        rho = 0.02 + 0.96 * expit((np.log(etas) - middle) / math.exp(log_width))
        return math.exp(log_width / 2) * float(np.prod(np.where(verdicts, rho, 1 - rho)))

    widths = math.log(crossings.WIDTHS[0]), math.log(crossings.WIDTHS[-1])
    low, high = -math.log(4), 2 * math.log(4)

    def mass(stop: float) -> float:
        return float(dblquad(weight, low, stop, *widths, epsabs=1e-3)[0])

    whole = mass(high)
    for value, share in ((found.low, 0.025), (found.value, 0.5), (found.high, 0.975)):
        assert mass(math.log(value)) / whole == pytest.approx(share, abs=0.02)


def test_a_crossing_is_open_where_nothing_bounds_it() -> None:
    assert crossing([1.0, 2.0], [True, True]).low == 0
    assert crossing([1.0, 2.0], [False, False]).high == math.inf
    assert crossing([1.0], [False]).ratio == math.inf


def outcome(probe: Callable[[float, int], Probe], **options: float) -> Bracket:
    return search(probe, **options)


def constant(growth: np.ndarray, status: str = "finite") -> Callable[[float, int], Probe]:
    return lambda eta, init: Probe(eta, init, growth, np.ones(len(growth)), None, status, COST)


def test_where_there_is_no_onset_it_says_which() -> None:
    regular = outcome(constant(ramp(0.0)))
    assert regular.outcome == searching.REGULAR
    assert regular.half is None
    assert outcome(constant(ramp(20.0))).outcome == searching.EVERYWHERE
    unstable = outcome(constant(np.full(101, np.nan), DIVERGED))
    assert unstable.outcome == searching.UNSTABLE
    assert unstable.first is unstable.half is unstable.full is None
    spent = outcome(constant(ramp(0.0)), budget=300.0)
    assert spent.outcome == searching.UNFINISHED
    assert spent.cost == 400
    contracting = outcome(constant(-np.arange(101.0)))
    assert contracting.outcome == searching.REGULAR


def test_divergence_before_chaos_is_bisected_to_a_thousandth() -> None:
    def probe(eta: float, init: int) -> Probe:
        if eta > 3:
            return Probe(eta, init, np.full(9, np.nan), np.full(9, np.nan), None, DIVERGED, 16.0)
        return Probe(eta, init, ramp(0.3), np.ones(101), None, "finite", COST)

    found = outcome(probe)
    assert found.outcome == searching.DIVERGES
    assert found.divergence.low <= 3 < found.divergence.high
    assert found.divergence.ratio <= 1.001


def test_chaos_between_calm_and_divergence_is_found() -> None:
    def probe(eta: float, init: int) -> Probe:
        if eta > 12:
            return Probe(eta, init, np.full(9, np.nan), np.full(9, np.nan), None, DIVERGED, 16.0)
        return Probe(eta, init, ramp(20.0 if eta > 7 else 0.2), np.ones(101), None, "finite", COST)

    found = outcome(probe, start=1.0)
    assert found.outcome == searching.ONSET
    assert contains(found.half, 7.0)
    assert found.divergence.low < 12 < found.divergence.high


def test_each_probe_has_an_initialisation_of_its_own_and_is_told() -> None:
    told: list[int] = []
    found = search(
        probing(5.0, 0.1, 0), budget=2000, told=lambda judged: told.append(judged.probe.init)
    )
    assert told == list(range(len(found.judged)))


def test_a_run_away_is_no_chaos_and_chaos_is_no_run_away() -> None:
    epoch = np.arange(101.0)
    for rate in (0.002, 0.05, 0.5):
        grown = np.exp(rate * epoch)
        assert runs_away(rate * epoch, 7 + 0.1 * grown**2)
        # Flipping sides, as beyond 2/h.
        assert runs_away(rate * epoch, 7 + 0.1 * (grown * (-1) ** epoch) ** 2)
        assert not runs_away(rate * epoch, 7 + np.sin(epoch))  # folds
        assert not runs_away(rate * epoch, 7 - 0.01 * epoch)  # learns
        assert not runs_away(-rate * epoch, 7 + 0.1 / grown**2)  # contracts
        assert not runs_away(rate * epoch, 7 + 0.1 * epoch)  # drifts
    assert not runs_away(0.5 * epoch[:10], np.exp(epoch[:10]))  # too short to tell
    verdict = judge(Probe(1.0, 0, 0.5 * epoch, np.exp(epoch), None, "finite", COST))
    assert (verdict.verdict, verdict.diverged, verdict.grows) == ("blow-up", True, False)


def test_a_probe_that_vanishes_or_breaks_off_is_judged() -> None:
    vanished = np.append(np.zeros(5), np.full(5, -np.inf))
    ones = np.ones(10)
    assert judge(Probe(1.0, 0, vanished, ones, None, "finite", 0.0)).verdict == "contracting"
    short = Probe(1.0, 0, np.zeros(2), ones[:2], None, "finite", 0.0)
    assert judge(short).verdict == "undecided"
    broken = np.append(np.arange(5.0), np.nan)
    found = judge(Probe(1.0, 0, broken, ones[:6], None, DIVERGED, 0.0))
    assert found.diverged
    assert found.peak == 4


def test_so_much_growth_is_chaos_whatever_its_shape() -> None:
    epoch = np.arange(101.0)
    for gain, chaotic in ((12.0, False), (15.0, True)):
        power = gain * np.log1p(epoch) / math.log(101)
        found = judge(Probe(1.0, 0, power, np.ones(101), None, "finite", 0.0))
        assert found.verdict == "subexponential"
        assert found.exponential == chaotic


def test_a_probe_ends_early_only_where_its_verdict_is_clear() -> None:
    def ends(growth: np.ndarray, epochs: int) -> bool:
        return settled(growth, np.ones(len(growth)), epochs)

    assert ends(ramp(20.0), 200)
    assert not ends(ramp(6.0), 200)
    assert ends(np.zeros(51), 150)
    assert not ends(np.zeros(31), 150)  # too early to call it calm
    assert not ends(np.linspace(0, 0.4, 51), 150)  # would exceed half an e-fold at its end
    assert ends(np.linspace(0, -4, 51), 150)  # contracts, and would go on
    assert ends(np.linspace(0, -20, 10), 150)
    assert ends(np.append(0.0, np.full(9, -np.inf)), 150)
    # Growth that is a run-away so far may fold yet, until it has grown by e^27.
    epoch = np.arange(101.0)
    assert not settled(0.2 * epoch, 7 + np.exp(0.4 * epoch), 200)
    assert settled(0.3 * epoch, 7 + np.exp(0.6 * epoch), 200)


def falling(best: float, loss_only: bool = False) -> racing.Training:
    """Scores that rise at a rate which is highest at `best`, a little other for each init."""

    def train(eta: float, init: int, epochs: int) -> Trained:
        rate = 0.1 * math.exp(-(math.log(eta / best) ** 2)) * (1 + 0.02 * init)
        loss = np.exp(-rate * np.arange(epochs + 1))
        return Trained(loss, None if loss_only else 1 - loss, float(epochs))

    return train


GRID = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0]


def test_the_fastest_wins_and_its_time_is_the_mean_over_initialisations() -> None:
    found = race(falling(8.0), GRID, target=0.9, epochs=100)
    assert found.winner is not None
    assert found.winner.eta == 8
    assert found.measure == racing.TIME
    times = [math.ceil(math.log(10) / (0.1 * (1 + 0.02 * init))) for init in range(2)]
    assert found.winner.time == pytest.approx(np.mean(times))
    there = [lane for lane in found.lanes if lane.reached >= 0.5]
    weights = {
        lane.eta: (1 + np.minimum(lane.times, found.winner.epochs).mean()) ** -8 for lane in there
    }
    middle = np.average(np.log(list(weights)), weights=list(weights.values()))
    assert found.fastest == pytest.approx(math.exp(middle))
    assert found.fastest == pytest.approx(8, rel=0.1)
    assert found.interval == pytest.approx((32**0.5, 128**0.5))
    assert found.finished


@pytest.mark.parametrize("loss_only", [False, True])
def test_without_a_target_or_out_of_reach_the_best_at_the_end_wins(loss_only: bool) -> None:
    for target in (None, 0.9999999):
        found = race(falling(4.0, loss_only), GRID, target=target, epochs=50)
        assert found.fastest == 4
        assert found.target is None
        assert found.measure == (racing.LOSS if loss_only else racing.SCORE)


def test_halving_costs_less_than_all_lanes_and_the_budget_is_kept() -> None:
    spent = {"epochs": 0.0}

    def counted(eta: float, init: int, epochs: int) -> Trained:
        done = known.get((eta, init), 0)
        known[eta, init] = epochs
        spent["epochs"] += epochs - done
        return falling(8.0)(eta, init, epochs)._replace(cost=epochs - done)

    known: dict[tuple[float, int], int] = {}
    found = race(counted, GRID, epochs=160)
    assert found.cost == spent["epochs"]
    # All to T/4, a half of them to the next rung, and two to the end.
    assert found.cost == 2 * (7 * 39 + 4 * 20 + 2 * 101)
    known.clear()
    stopped = race(counted, GRID, epochs=160, budget=300)
    assert not stopped.finished
    assert stopped.cost <= 300
    nothing = race(counted, GRID, epochs=160, budget=3)
    assert math.isnan(nothing.fastest)
    assert nothing.lanes == ()


def test_an_initialisation_that_reaches_nothing_widens_no_interval() -> None:
    def train(eta: float, init: int, epochs: int) -> Trained:
        found = falling(8.0)(eta, init, epochs)
        return found if init == 0 else found._replace(score=np.zeros(epochs + 1))

    found = race(train, GRID, target=0.9, epochs=100)
    assert found.fastest == pytest.approx(8, rel=0.1)
    assert found.measure == racing.TIME
    assert found.interval == pytest.approx((32**0.5, 128**0.5))


def test_a_lane_that_diverges_loses() -> None:
    def train(eta: float, init: int, epochs: int) -> Trained:
        found = falling(8.0)(eta, init, epochs)
        if eta < 4:
            return found
        return Trained(np.full(epochs + 1, np.nan), np.full(epochs + 1, np.nan), epochs)

    found = race(train, GRID, epochs=50)
    assert found.fastest == 2
    assert all(lane.score == -math.inf for lane in found.lanes if lane.eta >= 4)


def plateau(noise: float, seed: int) -> racing.Training:
    """All from 2 to 16 reach the target after about 20 epochs, each initialisation by chance."""

    def train(eta: float, init: int, epochs: int) -> Trained:
        random = np.random.default_rng([seed, init, int(1000 * eta)])
        time = 20 * (1 if 2 <= eta <= 16 else 3) * math.exp(noise * random.normal())
        score = 0.9 * np.minimum(np.arange(epochs + 1) / math.ceil(time), 1.0)
        return Trained(1 - score, score, float(epochs))

    return train


@pytest.mark.parametrize("noise", [0.0, 0.2])
def test_on_a_plateau_the_recommendation_is_its_middle(noise: float) -> None:
    """The first would be any of the four, a spread of 0.77 in the logarithm."""
    picks = [race_in_rounds(plateau(noise, seed), GRID, target=0.9).fastest for seed in range(12)]
    assert np.std(np.log(picks), ddof=1) < 0.3
    assert np.exp(np.mean(np.log(picks))) == pytest.approx(math.sqrt(2 * 16), rel=0.2)


def test_only_those_about_as_fast_run_again_and_within_the_budget() -> None:
    trained: dict[tuple[float, int], int] = {}

    def counted(eta: float, init: int, epochs: int) -> Trained:
        done = trained.get((eta, init), 0)
        trained[eta, init] = max(done, epochs)
        return falling(8.0)(eta, init, epochs)._replace(cost=float(max(epochs - done, 0)))

    found = race_in_rounds(counted, GRID, target=0.9, epochs=100)
    again = {eta for eta, init in trained if init}
    assert {4.0, 8.0, 16.0} <= again
    assert len(again) <= 4
    assert {eta for eta, _ in trained} == set(GRID)
    assert [lane.eta for lane in found.lanes] == GRID
    assert {len(lane.times) for lane in found.lanes if lane.eta == 8} == {16}
    assert found.cost == sum(trained.values())
    trained.clear()
    alone = race_in_rounds(counted, GRID, target=0.9, epochs=100, budget=7 * 40)
    assert {init for _, init in trained} == {0}
    assert alone.winner is not None
    assert alone.winner.eta == 8


@pytest.mark.parametrize("seed", range(4))
def test_further_rounds_never_go_beyond_the_budget_and_spend_what_is_left(seed: int) -> None:
    noisy, spent = plateau(0.5, seed), []
    for budget in np.geomspace(600, 6000, 12):
        done: dict[tuple[float, int], int] = {}

        def counted(eta: float, init: int, epochs: int, done: Any = done) -> Trained:
            until = max(done.get((eta, init), 0), 4 * math.ceil(epochs / 4))  # in steps of a rung
            cost = until - done.get((eta, init), 0)
            done[eta, init] = until
            return noisy(eta, init, epochs)._replace(cost=float(cost))

        found = race_in_rounds(counted, GRID, target=0.9, epochs=100, budget=float(budget))
        first = sum(cost for (_, init), cost in done.items() if init == 0)
        assert found.cost == sum(done.values()) <= max(budget, first)
        spent.append(found.cost)
    assert (
        len(set(spent)) > 4
    )  # more initialisations with each bit of a budget, not doublings alone


def test_without_a_target_there_is_one_round_of_two_initialisations() -> None:
    found = race_in_rounds(falling(4.0), GRID, epochs=50)
    assert found.fastest == 4
    assert {len(lane.times) for lane in found.lanes} == {2}
