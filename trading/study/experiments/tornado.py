"""What the result depends on: one factor at a time, and shares of the variance.

The tornado moves each factor over its range while all others stay at their defaults. The shares
come from a Latin hypercube over all ranges at once: S_i = Var(E[Y | X_i]) / Var(Y), estimated from
the means of Y within classes of X_i (a list's entries, or five classes of a range), and corrected
for what means of few draws vary by chance (epsilon squared; Okada, Behaviormetrika 40, 2013).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from trading.data import ASSIGNMENTS
from trading.market import MECHANISMS
from trading.study.axes import drawn
from trading.study.experiments.options import Over, StudyOptions, Tables, in_turn
from trading.study.scenario import Scenario, evaluate

FACTORS: Mapping[str, Any] = {
    "assignment": list(ASSIGNMENTS),
    "v2g_share": {"low": 0.11, "high": 1.0},
    "seller_threshold": {"low": 0.7, "high": 0.9},
    "buyer_threshold": {"low": 0.5, "high": 0.7},
    "mechanism": list(MECHANISMS),
    "departures": ["actual", "estimated"],
    "lot_tariff_ueur_per_kwh": {"low": 400_000, "high": 600_000},
    "replacement_ueur_per_kwh": {"low": 150_000, "high": 350_000},
    "wear_ueur_per_kwh": {"low": 0, "high": 100_000},
    "seed": list(range(5)),
}
"""Assumption: the ranges; a list is a choice at equal odds, a seed counts from the base's."""
OUTCOMES = ("saving_ueur", "peers_wh", "peak_cut_w")
CLASSES = 5


def tornado(
    options: StudyOptions, *, factors: Mapping[str, Any] = FACTORS, over: Over = in_turn
) -> Tables:
    """Both analyses over the days of `options`; outcomes are means a day.

    Returns:
        `one_at_a_time`: a row a factor and value, after a first row for the defaults, with
        `OUTCOMES`; `samples`: a row a draw; `shares`: a row an outcome and factor: `share` of the
        variance, at least 0, and `noise`, the standard deviation of that estimate for a factor
        without any effect.
    """
    days = options.days()
    points = [("default", None)] + [
        (name, value) for name, spec in factors.items() for value in _ends(spec)
    ]
    changes: list[dict[str, Any]] = [
        {} if name == "default" else {name: value} for name, value in points
    ]
    draws = _draws(factors, options.samples, seed=days[0].seed)
    tasks = [_changed(day, change) for change in [*changes, *draws] for day in days]
    found = over(_outcomes, tasks)
    daily = np.array(found, dtype=np.float64).reshape(-1, len(days), len(OUTCOMES))
    outcomes = pd.DataFrame(daily.mean(axis=1), columns=list(OUTCOMES))
    one = pd.DataFrame({"factor": [n for n, _ in points], "value": [_text(v) for _, v in points]})
    samples = pd.concat(
        [pd.DataFrame(draws), outcomes.iloc[len(points) :].reset_index(drop=True)], axis=1
    )
    return {
        "one_at_a_time": pd.concat([one, outcomes.iloc[: len(points)]], axis=1),
        "samples": samples,
        "shares": shares_of(samples, factors),
    }


def shares_of(samples: pd.DataFrame, factors: Mapping[str, Any]) -> pd.DataFrame:
    """First-order shares of each outcome's variance: `outcome`, `factor`, `share`, `noise`."""
    rows = []
    for outcome in (name for name in OUTCOMES if name in samples):
        for name, spec in factors.items():
            share, noise = first_order(
                samples[outcome].to_numpy(np.float64), _classes(samples[name], spec)
            )
            rows.append({"outcome": outcome, "factor": name, "share": share, "noise": noise})
    return pd.DataFrame(rows)


def first_order(y: npt.NDArray[np.float64], classes: npt.NDArray[np.int64]) -> tuple[float, float]:
    """Share of the variance of `y` that the means of its classes explain, and its noise.

    Args:
        y: outcomes, shape (n,).
        classes: a class for each, shape (n,).

    Returns:
        the corrected share, cut at 0, and the standard deviation that it has where classes explain
        nothing; NaN for both where there are no more outcomes than classes, 0 where `y` is
        constant.
    """
    n, k = len(y), len(np.unique(classes))
    if n <= k:
        return float("nan"), float("nan")
    total = float(((y - y.mean()) ** 2).sum())
    if total == 0 or k < 2:
        return 0.0, 0.0
    within = sum(
        float(((y[classes == c] - y[classes == c].mean()) ** 2).sum()) for c in np.unique(classes)
    )
    share = (total - within - (k - 1) * within / (n - k)) / total
    # Without effect the plain share is beta distributed; the correction stretches it a little.
    plain = 2 * (k - 1) * (n - k) / ((n - 1) ** 2 * (n + 1))
    return max(share, 0.0), float(np.sqrt(plain)) * (n - 1) / (n - k)


def _classes(values: pd.Series, spec: Any) -> npt.NDArray[np.int64]:
    if isinstance(spec, list):
        return np.array([spec.index(value) for value in values], dtype=np.int64)
    place = (values.to_numpy(np.float64) - spec["low"]) / (spec["high"] - spec["low"])
    classes: npt.NDArray[np.int64] = np.minimum((place * CLASSES).astype(np.int64), CLASSES - 1)
    return classes


def _ends(spec: Any) -> Sequence[Any]:
    return spec if isinstance(spec, list) else (spec["low"], spec["high"])


def _draws(factors: Mapping[str, Any], n: int, *, seed: int) -> list[dict[str, Any]]:
    # Takes a second to import, in each worker too if it stood above.
    from scipy.stats import qmc

    cube = qmc.LatinHypercube(len(factors), rng=np.random.default_rng(seed)).random(n)
    return [
        {name: drawn(name, spec, u) for (name, spec), u in zip(factors.items(), row, strict=True)}
        for row in cube.tolist()
    ]


def _changed(day: Scenario, change: Mapping[str, Any]) -> Scenario:
    values = dict(change)
    if "seed" in values:
        values["seed"] += day.seed
    return Scenario(**(asdict(day) | values))


def _text(value: object) -> str:
    return "" if value is None else f"{value:g}" if isinstance(value, float) else str(value)


def _outcomes(scenario: Scenario) -> tuple[float, ...]:
    found = evaluate(scenario)
    return (
        float(found["cost_grid_only_ueur"]) - float(found["cost_ueur"]),
        float(found["peers_wh"]),
        float(found["peak_grid_only_w"]) - float(found["peak_w"]),
    )
