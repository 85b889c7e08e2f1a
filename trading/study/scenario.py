"""One scenario: a flat record of plain values in, a flat row of results out.

A scenario names everything that decides its results, the sessions by the digest of their file. So
its key can tell, in another process or on another day, whether it has been computed already. A new
option of the lot is one field here and one line in `rules` or `terms`.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields
from datetime import date
from functools import lru_cache
from hashlib import blake2b, sha256
from pathlib import Path

import pandas as pd

from trading.data import FORMATS, Sessions, load_sessions, sample_path, select_days
from trading.data.assignment import assignment_named
from trading.errors import InputError, OptionError
from trading.fleet import BUYER_THRESHOLD, SELLER_THRESHOLD, Thresholds
from trading.lot import (
    Acceptance,
    Departures,
    Efficiency,
    Guarantee,
    LotRules,
    LotRun,
    Profile,
    Site,
    Terms,
    accounts_of,
    simulate_lot,
)
from trading.lot.profile import HOURS
from trading.lot.site import NOTHING
from trading.lot.stays import StrategyName
from trading.lot.terms import Bearer
from trading.market import DEFAULT_MECHANISM, MECHANISMS, PRIORITIES, Mechanism, mechanism_named
from trading.study.metrics import fairness_of, self_sufficiency_of, welfare_of
from trading.study.replay import replayed
from trading.units import WH_PER_KWH, hash_units, is_fraction

SAMPLE = "sample"
"""Stands for the file of sessions that ships with the package."""
FILES_KEPT = 32
"""Files of sessions, each under one seed and assignment rule, that a process keeps in memory."""

Value = int | float | str | bool | None

_FIELDS = {
    "interval": "interval_s",
    "meter_interval": "meter_s",
    "settlement_interval": "settlement_s",
    "lot_tariff": "lot_tariff_ueur_per_kwh",
    "replacement": "replacement_ueur_per_kwh",
    "wear": "wear_ueur_per_kwh",
    "lot_fee": "lot_fee_ueur_per_kwh",
    "feed_in": "feed_in_ueur_per_kwh",
    "network_charge": "network_charge_ueur_per_kwh",
    "price": "price_ueur_per_kwh",
    "tariff": "hourly_tariff_ueur_per_kwh",
    "pv_w": "hourly_pv_w",
    "zone": "timezone",
}
"""The field of a scenario for an argument that lot and terms name otherwise in their errors."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """One run of one lot; the defaults are those of `LotRules` and `Terms`.

    Attributes:
        lot: name of the lot in the results.
        sessions: file of charging sessions, or "sample" for the one that ships with the package.
        sessions_sha256: digest of that file; empty to take any. It is checked where the file is
            read, so that another machine cannot compute with another file.
        format: of the file, a name in `trading.data.FORMATS`.
        timezone: IANA zone of the site; None for the format's.
        from_date, to_date: first and last local day, inclusive, as YYYY-MM-DD; the same for one
            day, empty for the file's first and last.
        assignment: rule for what the format lacks, a name in `trading.data.ASSIGNMENTS`.
        seed: of every draw.
        ev_share: share of the recorded sessions that come to the lot, drawn by (seed, session).
        v2g_share: share of the vehicles that can discharge, drawn by (seed, session).
        buyer_threshold, seller_threshold: T_b and T_s of Equation (1), states of charge.
        strict: a vehicle exactly on a threshold is neutral.
        mechanism: matches bids and asks, a name in `trading.market.MECHANISMS`.
        guarantee: "consent" or "whole".
        departures: "actual" or "estimated", what plans know.
        interval_s: market interval, seconds.
        gate_lead_s: gate closure, seconds before the interval.
        meter_s, settlement_s: meter and settlement interval, seconds; None for the market's.
        smallest_trade_wh: smaller trades are left to the grid.
        merge_small: whether small trades are first brought together where they can be.
        strategy: when grid energy is drawn, a name in `trading.lot.strategy.STRATEGIES`.
        arbitrage: whether a seller may also sell what it drew from the grid in its stay.
        v2g_cap_wh: the most that a seller sells in a stay; None for no cap.
        reserve_soc: state of charge below which no seller goes.
        taper: whether charging slows down as a battery nears full.
        connection_w: what the transformer leaves for lot and background; None for no limit.
        background_w: other load behind the same transformer, the same at all times.
        hourly_pv_w: what the roof gives in each hour of the site's day, the same every day: 24
            whole numbers with blanks between; None for no sun.
        cable_w: most power through the lot's cables; None for no limit.
        cable_loss_ppm: what the cables lose of it, parts per million.
        chargers: how many there are; None for enough.
        charge_ppm, discharge_ppm: one-way efficiencies, parts per million.
        lot_tariff_ueur_per_kwh: grid energy in the lot.
        hourly_tariff_ueur_per_kwh: the same by the hour of the site's day, in its place: 24 whole
            numbers with blanks between, also negative; None for the one above.
        replacement_ueur_per_kwh: energy at home, in place of what is missing at departure.
        replacement_spread: how much drivers' prices at home differ, a share of the price.
        feed_in_ueur_per_kwh: what the grid pays for energy fed in.
        network_charge_ueur_per_kwh: what the lot pays the network for energy drawn.
        wear_ueur_per_kwh: wear of a seller's battery.
        lot_fee_ueur_per_kwh: what the lot keeps of the buyer's price.
        price_ueur_per_kwh: the buyer's price; None for the middle of floor and ceiling.
        pricing: scheme that posts each interval's price, a name in
            `trading.market.pricing.PRICINGS`, with a number of its own or without, as in
            "fixed:0.40"; None for the price above.
        shortfall: "leaver" or "lot", who bears what does not flow because a party left early.
        limits: whether trades outside floor and ceiling are blocked.

    Raises:
        OptionError: a value that no lot can have, named as the field, or a name that is not
            registered, with the nearest.

    >>> Scenario(seed=1).key() == Scenario(seed=1, sessions="elsewhere.csv").key()
    True
    >>> Scenario(seed=1).key() == Scenario(seed=2).key()
    False
    """

    lot: str = SAMPLE
    sessions: str = SAMPLE
    sessions_sha256: str = ""
    format: str = "acn"
    timezone: str | None = None
    from_date: str = ""
    to_date: str = ""
    assignment: str = "anchored-departure"
    seed: int = 0
    ev_share: float = 1.0
    v2g_share: float = 1.0
    buyer_threshold: float = BUYER_THRESHOLD
    seller_threshold: float = SELLER_THRESHOLD
    strict: bool = False
    mechanism: str = DEFAULT_MECHANISM
    guarantee: str = "consent"
    departures: str = "actual"
    interval_s: int = 900
    gate_lead_s: int = 300
    meter_s: int | None = None
    settlement_s: int | None = None
    smallest_trade_wh: int = 100
    merge_small: bool = False
    strategy: str = "at-once"
    arbitrage: bool = False
    v2g_cap_wh: int | None = None
    reserve_soc: float = 0.0
    taper: bool = True
    connection_w: int | None = None
    background_w: int = 0
    hourly_pv_w: str | None = None
    cable_w: int | None = None
    cable_loss_ppm: int = 0
    chargers: int | None = None
    charge_ppm: int = 933_000
    discharge_ppm: int = 933_000
    lot_tariff_ueur_per_kwh: int = 500_000
    hourly_tariff_ueur_per_kwh: str | None = None
    replacement_ueur_per_kwh: int = 250_000
    replacement_spread: float = 0.0
    feed_in_ueur_per_kwh: int = 80_000
    network_charge_ueur_per_kwh: int = 0
    wear_ueur_per_kwh: int = 50_000
    lot_fee_ueur_per_kwh: int = 10_000
    price_ueur_per_kwh: int | None = None
    pricing: str | None = None
    shortfall: str = "leaver"
    limits: bool = True

    def __post_init__(self) -> None:
        if not (is_fraction(self.ev_share) and self.ev_share > 0):
            raise OptionError("ev_share", self.ev_share, "a share above 0 and at most 1")
        for name, value in self.record().items():
            if type(value) is int and not -(2**63) <= value < 2**63:
                raise OptionError(name, value, "a number of 64 bits")
        assignment_named(self.assignment)
        try:
            self.mechanism_run()
            self.rules()
            self.terms()
        except OptionError as error:
            name = _FIELDS.get(error.name, error.name)
            raise OptionError(name, error.value, error.expected) from None

    def rules(self) -> LotRules:
        """How the lot of this scenario trades."""
        guarantee: Guarantee = self.guarantee  # type: ignore[assignment]
        departures: Departures = self.departures  # type: ignore[assignment]
        strategy: StrategyName = self.strategy  # type: ignore[assignment]
        return LotRules(
            interval_s=self.interval_s,
            gate_lead_s=self.gate_lead_s,
            thresholds=Thresholds(
                buyer=self.buyer_threshold, seller=self.seller_threshold, strict=self.strict
            ),
            guarantee=guarantee,
            v2g_share=self.v2g_share,
            departures=departures,
            smallest_trade_wh=self.smallest_trade_wh,
            merge_small=self.merge_small,
            efficiency=Efficiency(charge_ppm=self.charge_ppm, discharge_ppm=self.discharge_ppm),
            acceptance=Acceptance() if self.taper else None,
            site=Site(
                connection_w=self.connection_w,
                background_w=Profile.constant(self.background_w),
                pv_w=self._hourly("hourly_pv_w") or NOTHING,
                cable_w=self.cable_w,
                cable_loss_ppm=self.cable_loss_ppm,
                chargers=self.chargers,
            ),
            strategy=strategy,
            arbitrage=self.arbitrage,
            v2g_cap_wh=self.v2g_cap_wh,
            reserve_soc=self.reserve_soc,
            meter_s=self.meter_s,
            settlement_s=self.settlement_s,
            seed=self.seed,
        )

    def terms(self) -> Terms:
        """What things cost in this scenario."""
        shortfall: Bearer = self.shortfall  # type: ignore[assignment]
        return Terms(
            lot_tariff=self.lot_tariff_ueur_per_kwh,
            replacement=self.replacement_ueur_per_kwh,
            wear=self.wear_ueur_per_kwh,
            lot_fee=self.lot_fee_ueur_per_kwh,
            price=self.price_ueur_per_kwh,
            limits=self.limits,
            feed_in=self.feed_in_ueur_per_kwh,
            network_charge=self.network_charge_ueur_per_kwh,
            pricing=self.pricing,
            replacement_spread=self.replacement_spread,
            shortfall=shortfall,
            tariff=self._hourly("hourly_tariff_ueur_per_kwh"),
        )

    def mechanism_run(self) -> Mechanism:
        """What matches bids and asks in this scenario."""
        mechanism = mechanism_named(self.mechanism, among=MECHANISMS)
        if self.mechanism not in PRIORITIES and not self.limits:
            expected = "true; an auction finds its price between floors and ceilings"
            raise OptionError("limits", self.limits, f"{expected}, mechanism={self.mechanism!r}")
        return mechanism

    def _hourly(self, name: str) -> Profile | None:
        """The profile of a field that holds a value for each hour of the site's day."""
        text: str | None = getattr(self, name)
        if text is None:
            return None
        try:
            values = [int(value) for value in text.split()]
        except ValueError:
            values = []
        if len(values) != HOURS or max(map(abs, values)) >= 2**63:
            expected = "24 whole numbers, one an hour of the site's day, with blanks between"
            raise OptionError(name, text, expected)
        known = FORMATS.get(self.format)
        zone = self.timezone or (known.default_zone if known else "UTC")
        return Profile.daily(values, zone=zone)

    def record(self) -> dict[str, Value]:
        """The fields by name, in their order, without the path, which differs between machines."""
        values = asdict(self)
        del values["sessions"]
        # 1 and 1.0 are the same share, and have to give the same key.
        floats = {field.name for field in fields(self) if field.type == "float"}
        return {name: float(v) if name in floats else v for name, v in values.items()}

    def key(self) -> str:
        """32 hexadecimal digits that stand for everything that decides the results."""
        text = json.dumps(self.record(), sort_keys=True, ensure_ascii=False)
        return blake2b(text.encode(), digest_size=16).hexdigest()


def evaluate(scenario: Scenario) -> dict[str, int | float | str]:
    """Run the scenario's lot, without a chain, and close its books.

    Deterministic, and independent of what the process has computed before. Files of sessions are
    kept in memory, so scenarios that share one are best run after one another.

    Returns:
        results by name; the name ends in the unit.

    Raises:
        InputError: the sessions cannot be read, are not those that were meant, or none is left.

    >>> day = Scenario(from_date="2019-10-29", to_date="2019-10-29")
    >>> evaluate(day)["vehicles"]
    50
    """
    run = simulate_lot(
        sessions_of(scenario),
        rules=scenario.rules(),
        terms=scenario.terms(),
        mechanism=scenario.mechanism_run(),
    )
    return results_of(run)


def results_of(run: LotRun) -> dict[str, int | float | str]:
    """The books of a run as one row; grid energy at the connection, `missing` in batteries.

    What a run does not have, such as Jain's index where nothing was sold, is `UNDEFINED`.
    """
    books = accounts_of(run)
    stays, trades, metered_s = run.stays, run.trades, run.stays.rules.metered_s
    traded_wh = int(trades["energy_wh"].sum())
    paid = int(trades["cost_ueur"].sum())
    return {
        "vehicles": len(stays),
        "buyers": int(stays.is_buyer.sum()),
        "sellers": int(stays.is_seller.sum()),
        "need_wh": int(stays.need_wh.sum()),
        "trades": len(trades),
        "traded_wh": traded_wh,
        "blocked_trades": run.blocked,
        "blocked_wh": run.blocked_wh,
        "dust_wh": run.dust_wh,
        "shortfall_wh": run.shortfall_wh,
        "peers_wh": books.energy.buyers_wh,
        "grid_only_wh": int(run.grid_only_wh.sum()),
        "grid_wh": books.energy.grid_wh,
        "pv_wh": books.energy.pv_wh,
        "export_wh": books.energy.export_wh,
        "curtailed_grid_only_wh": int(run.curtailed_grid_only_wh.sum()),
        "curtailed_wh": int(run.curtailed_wh.sum()),
        "curtailed_grid_only_s": int((run.curtailed_grid_only_wh > 0).sum()) * metered_s,
        "curtailed_s": int((run.curtailed_wh > 0).sum()) * metered_s,
        "cable_loss_wh": books.energy.cable_wh,
        "charge_loss_wh": books.energy.charge_loss_wh,
        "discharge_loss_wh": books.energy.discharge_loss_wh,
        "missing_grid_only_wh": books.missing_grid_only_wh,
        "missing_wh": books.missing_wh,
        "peak_grid_only_w": books.peak_grid_only_w,
        "peak_w": books.peak_with_p2p_w,
        "paid_to_peers_ueur": paid,
        "earned_from_peers_ueur": int(trades["income_ueur"].sum()),
        "mean_price_ueur_per_kwh": paid * WH_PER_KWH // traded_wh if traded_wh else 0,
        "cost_grid_only_ueur": books.cost_grid_only_ueur,
        "cost_ueur": books.cost_ueur,
        "buyers_gain_ueur": books.buyers_gain_ueur,
        "sellers_gain_ueur": books.sellers_gain_ueur,
        "lot_fee_ueur": books.money.lot_fee,
        "network_ueur": books.money.network,
        "feed_in_ueur": -books.money.feed_in,
        "wear_ueur": books.money.wear,
        "replacement_grid_only_ueur": books.replacement_grid_only_ueur,
        "replacement_ueur": books.replacement_ueur,
        "welfare_ueur": welfare_of(replayed(run)) if len(trades) else 0,
        "self_sufficiency_share": self_sufficiency_of(books),
        **fairness_of(stays, run.from_peers_wh, run.to_peers_wh),
    }


def sessions_of(scenario: Scenario) -> pd.DataFrame:
    """The SESSIONS table of a scenario: its days, and of these the share that comes.

    Raises:
        InputError: the file cannot be read, is not the one that was meant, has no session on these
            days, or none of them comes.
    """
    whole = _whole_file(
        scenario.sessions,
        scenario.sessions_sha256,
        scenario.format,
        scenario.timezone,
        scenario.assignment,
        scenario.seed,
    )
    frame = select_days(
        whole.frame,
        zone=whole.zone,
        from_date=scenario.from_date or None,
        to_date=scenario.to_date or None,
    )
    if scenario.ev_share == 1.0:
        return frame
    comes = hash_units(scenario.seed, "ev", frame["session_id"].tolist()) < scenario.ev_share
    if not comes.any():
        expected = f"a share that leaves one or more of the {len(frame)} sessions"
        raise OptionError("ev_share", scenario.ev_share, expected)
    return frame[comes].reset_index(drop=True)


def file_of(sessions: str) -> Path:
    """The file that `sessions` of a scenario stands for."""
    return sample_path() if sessions == SAMPLE else Path(sessions)


def digest_of(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal.

    Raises:
        InputError: it cannot be read.
    """
    try:
        return sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from None


def days_with_sessions(sessions: Sessions) -> dict[date, int]:
    """How many sessions arrive on each local day that has one, in order of days."""
    local = sessions.frame["arrival"].dt.tz_convert(sessions.zone).dt.date
    return {day: int(n) for day, n in local.value_counts().sort_index().items()}


@lru_cache(maxsize=FILES_KEPT)
def _whole_file(
    sessions: str, digest: str, format: str, timezone: str | None, assignment: str, seed: int
) -> Sessions:
    path = file_of(sessions)
    if digest and (found := digest_of(path)) != digest:
        raise InputError(
            f"{path}: expected the file with SHA-256 {digest}, with which the sweep was planned; "
            f"found {found}. Restore the file, or plan anew into another folder."
        )
    return load_sessions(path, format=format, timezone=timezone, assignment=assignment, seed=seed)
