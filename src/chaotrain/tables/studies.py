"""The tables of one study, and of the two that `chaotrain noise` compares."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import xarray as xr
from rich.table import Table

from chaotrain import schema
from chaotrain.tables.cells import interval, new_table, number, significant


def tables_of(summary: xr.Dataset) -> list[Table]:
    """The tables of a study; that of the transients only where a tangent was recorded."""
    followed = bool(summary["transient_share"].notnull().any())
    transients = [lifetimes(summary)] if followed else []
    return [chaos(summary), learning(summary), *transients, by_target(summary)]


def chaos(summary: xr.Dataset) -> Table:
    """One row a learning rate: how chaotic training is there; intervals are 95%.

    Where replicas and tangent were both followed, λ_nMLE by the tangent, and in how many of the
    initialisations compared the two disagree beyond the joint interval. Where it was measured, the
    epoch from which on rounding makes another training, and the one that the exponent predicts.
    """
    known = bool(summary["horizon"].notnull().any())
    horizon = ("horizon", "[95%]", "predicted", "[95%]") if known else ()
    compared = bool((summary["compared"] > 0).any())
    by_tangent = ("by tangent", "[95%]", "disagree") if compared else ()
    table = new_table(
        ("η", "λ_nMLE ± std", "[95%]", *by_tangent, "ρ", "[95%]", *horizon, "decided", "regime")
    )
    for row in _rows(summary):
        tangent = (
            number(row["tangent_nmle"], 3),
            interval(row, "tangent_nmle", 3),
            f"{row['disagreeing']:g}/{row['compared']:g}",
        )
        epochs = (
            cell
            for name in ("horizon", "horizon_predicted")
            for cell in (number(row[name], 0), interval(row, name, 0))
        )
        table.add_row(
            f"{row['learning_rate']:.6g}",
            f"{number(row['nmle'], 3)} ± {number(row['nmle_std'], 3)}",
            interval(row, "nmle", 3),
            *(tangent if compared else ()),
            number(row["rho"], 2),
            interval(row, "rho", 2),
            *(epochs if known else ()),
            f"{row['decided']:g}/{row['ran']:g}",
            str(row["regime"]) or "-",
        )
    return table


def learning(summary: xr.Dataset) -> Table:
    """One row a learning rate: what training achieves there; intervals are 95%."""
    score = {"accuracy": "acc."}.get(name := summary.attrs.get(schema.SCORE, "accuracy"), name)
    time = f"⟨τ⟩ to {summary.attrs['target']:g}"
    table = new_table(("η", f"best {score}", time, "[95%]", "reached", "loss rises", "path ratio"))
    for row in _rows(summary):
        table.add_row(
            f"{row['learning_rate']:.6g}",
            number(row["best_accuracy"], 3),
            number(row["mean_training_time"], 1),
            interval(row, "mean_training_time", 1),
            number(row["reached"], 2),
            number(row["loss_rise_share"], 2),
            number(row["path_ratio"], 2),
        )
    return table


def lifetimes(summary: xr.Dataset) -> Table:
    """One row a learning rate: chaotic transients, and when in them training succeeds.

    The share of the initialisations that have one, the share of those that end within the run, the
    median lifetime in epochs (∞ beyond what the run can tell), and the shares of all that reach the
    main target before, inside, at the end of and after it; intervals are 95%.
    """
    first, *others = when = schema.PHASES[:4]
    table = new_table(("η", "chaotic", "[95%]", "over", "lifetime", "[95%]", f"τ {first}", *others))
    for row in _rows(summary):
        table.add_row(
            f"{row['learning_rate']:.6g}",
            number(row["transient_share"], 2),
            interval(row, "transient_share", 2),
            number(row["transient_ended"], 2),
            number(row["transient_lifetime"], 0),
            interval(row, "transient_lifetime", 0),
            *(number(row[f"target_{word.replace(' ', '_')}"], 2) for word in when),
        )
    return table


def noise(weights: xr.Dataset, compared: xr.Dataset) -> Table:
    """One row a learning rate: d(T) for other weights and for other noise; intervals are 95%.

    Args:
        weights: Summary of the study of other weights.
        compared: What `sensitivity.compared` returns.
    """
    measured = ("λ_nMLE", "d(T), other weights", "d(T), other noise", "share")
    table = new_table(("η", *(heading for name in measured for heading in (name, "[95%]"))))
    for index, chaotic in enumerate(_rows(weights)):
        row = _scalars(compared.isel({schema.LEARNING_RATE: index}))
        cells = [number(chaotic["nmle"], 3), interval(chaotic, "nmle", 3)]
        for name in ("weights", "batches", "share"):
            cells += [significant(row[name]), interval(row, name)]
        table.add_row(f"{chaotic['learning_rate']:.6g}", *cells)
    return table


def by_target(summary: xr.Dataset) -> Table:
    """One row a target: the fastest learning rate, and its ratio to the onset."""
    table = new_table(("target", "fastest η*", "[95%]", "η*/η_1", "[95%]"))
    fastest = summary.drop_dims(schema.LEARNING_RATE)
    for target in summary[schema.TARGET].values:
        row = _scalars(fastest.sel({schema.TARGET: target}))
        table.add_row(
            f"{target:g}",
            significant(row["eta_fastest"]),
            interval(row, "eta_fastest"),
            significant(row["eta_ratio"]),
            interval(row, "eta_ratio"),
        )
    return table


def onset_lines(summary: xr.Dataset) -> list[str]:
    """The onset of chaos in words."""
    attributes = summary.attrs
    meaning = {
        "eta_0": "half of the initialisations are chaotic",
        "eta_1": "all are, here and at every larger trainable η",
    }
    lines = []
    for name, words in meaning.items():
        limits = interval(attributes, name)
        known = significant(attributes[name]) + ("" if limits == "-" else f" {limits}")
        lines.append(f"{name.replace('eta', 'η')}: {known}  ({words})")
    return lines


def _rows(summary: xr.Dataset) -> Iterator[dict[str, Any]]:
    """The values at every learning rate, for the main target if there are targets."""
    if summary[schema.TARGET].size:
        summary = summary.sel({schema.TARGET: summary.attrs["target"]})
    else:
        summary = summary.drop_dims(schema.TARGET)
    for index in range(summary.sizes[schema.LEARNING_RATE]):
        yield _scalars(summary.isel({schema.LEARNING_RATE: index}))


def _scalars(summary: xr.Dataset) -> dict[str, Any]:
    """The values of a row; NaN for what it does not have."""
    values = {str(name): variable.values.item() for name, variable in summary.variables.items()}
    return dict.fromkeys(schema.SUMMARY, math.nan) | values
