"""Where a day's energy came from and went, as links between named nodes that close to the Wh.

Three sources: the grid at the lot's connection, what sellers' batteries gave, and the grid at
drivers' homes, which replaces what batteries lack at departure. The sinks are batteries, what is
replaced at home, and losses. Whatever flows into a charger leaves it again.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from trading.errors import OptionError
from trading.lot import LotRun, accounts_of, simulate_lot
from trading.study.experiments.options import Over, StudyOptions, Tables, in_turn
from trading.study.scenario import Scenario, sessions_of
from trading.units import Int64Array

GRID, GAVE, HOME = "grid", "sellers' batteries", "grid at home"
ROOF = "roof"
PEERS = "peers"
LOT, HOME_CHARGERS = "lot's cables", "chargers at home"
CHARGERS = {role: f"{role}s' chargers" for role in ("buyer", "neutral", "seller")} | {
    "neutral": "others' chargers"
}
BATTERIES = {role: f"into {role}s' batteries" for role in ("buyer", "neutral", "seller")} | {
    "neutral": "into others' batteries"
}
REPLACED = "missing at departure, replaced at home"
LOSSES = {
    "cable": "cable loss",
    "charge": "charging loss",
    "discharge": "discharging loss",
    "home": "charging loss at home",
}
LINK_COLUMNS = ("source", "target", "energy_wh")


def sankey(options: StudyOptions, *, over: Over = in_turn) -> Tables:
    """The links of the day with the most vehicles, and each node's balance.

    Returns:
        `links`: `LINK_COLUMNS`, without links of 0 Wh; `nodes`: `node`, `in_wh`, `out_wh`, what is
        drawn from a source has no `in_wh` and what ends has no `out_wh`; `day`: which one it is,
        and what would be missing without trading too.
    """
    runs = options.runs()
    sizes = over(_vehicles, runs)
    scenario = runs[int(np.argmax(sizes))]
    run = simulate_lot(
        sessions_of(scenario),
        rules=scenario.rules(),
        terms=scenario.terms(),
        mechanism=scenario.mechanism_run(),
    )
    books = accounts_of(run)
    links = links_of(run)
    day = {
        "lot": scenario.lot,
        "day": scenario.from_date,
        "seed": scenario.seed,
        "mechanism": scenario.mechanism,
        "vehicles": len(run.stays),
        "missing_wh": books.missing_wh,
        "missing_grid_only_wh": books.missing_grid_only_wh,
        "replacement_ueur": books.replacement_ueur,
    }
    return {"links": links, "nodes": balance_of(links), "day": pd.DataFrame([day])}


def links_of(run: LotRun) -> pd.DataFrame:
    """The links of a run, columns `LINK_COLUMNS`; every node between source and sink balances.

    Raises:
        OptionError: arbitrage was allowed, so that what a battery gave may have come from the grid.
    """
    stays, efficiency = run.stays, run.stays.rules.efficiency
    if stays.rules.arbitrage:
        raise OptionError("arbitrage", True, "False: what is sold on is no battery's own energy")
    books = accounts_of(run)
    missing: Int64Array = np.maximum(
        efficiency.stored(stays.need_wh) - run.gained_wh + run.gave_wh, 0
    )
    at_home = int(efficiency.charge_for(missing).sum())
    links = [
        (GRID, LOT, int(run.grid_wh.sum())),
        (ROOF, LOT, int(run.pv_wh.sum())),
        (LOT, LOSSES["cable"], int(run.cable_loss_wh.sum())),
        (GAVE, PEERS, int(run.to_peers_wh.sum())),
        (GAVE, LOSSES["discharge"], books.energy.discharge_loss_wh),
        (PEERS, CHARGERS["buyer"], int(run.from_peers_wh.sum())),
        (HOME, HOME_CHARGERS, at_home),
        (HOME_CHARGERS, REPLACED, int(missing.sum())),
        (HOME_CHARGERS, LOSSES["home"], at_home - int(missing.sum())),
    ]
    for role, chargers in CHARGERS.items():
        own = stays.role == role
        drawn = run.from_grid_wh[own] + run.from_peers_wh[own]
        stored = int(run.gained_wh[own].sum())
        links += [
            (LOT, chargers, int(run.from_grid_wh[own].sum())),
            (chargers, BATTERIES[role], stored),
            (chargers, LOSSES["charge"], int(drawn.sum()) - stored),
        ]
    table = pd.DataFrame(links, columns=list(LINK_COLUMNS))
    return table[table["energy_wh"] != 0].reset_index(drop=True)


def balance_of(links: pd.DataFrame) -> pd.DataFrame:
    """What flows into and out of each node, whole Wh: `node`, `in_wh`, `out_wh`."""
    into = links.groupby("target", sort=False)["energy_wh"].sum()
    out_of = links.groupby("source", sort=False)["energy_wh"].sum()
    nodes = list(dict.fromkeys([*links["source"], *links["target"]]))
    return pd.DataFrame(
        {
            "node": nodes,
            "in_wh": into.reindex(nodes).astype("Int64").to_numpy(),
            "out_wh": out_of.reindex(nodes).astype("Int64").to_numpy(),
        }
    )


def _vehicles(scenario: Scenario) -> int:
    return len(sessions_of(scenario))
