"""The lot as it is: vehicles, orders, load and prices, by the functions that the engine trades by.

Nothing here is stored. It follows from the sessions that came and the trades that the chain
confirmed, so that it is what every operator would compute, too.
"""

from __future__ import annotations

import datetime as dt
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from sqlalchemy import Connection

from trading.chain.rebuild import Ledger
from trading.engine.live import (
    Present,
    first_interval,
    interval_offers,
    last_interval,
    present_at,
)
from trading.lot import Lot, intervals_of
from trading.lot.physics import SECONDS_PER_HOUR
from trading.market import Fills
from trading.market.book import Orders
from trading.operators.replica import together
from trading.publication import Publication
from trading.units import Int64Array, cost_ueur
from trading.web.problems import Problem
from trading.web.rows import LoadRow, LotNowOut, OrderRow, PriceRow, SavingsOut, VehicleRow
from trading.web.source import Source

MOST_DAYS = 7
_DAY_S = 86_400


def vehicles_at(source: Source, connection: Connection, at_s: int) -> list[VehicleRow]:
    """Who stands in the lot, counted up to the beginning of the interval that holds `at_s`."""
    step = source.publication.rules.interval_s
    start_s = at_s // step * step
    seen = _seen(source, connection, at_s, at_s + 1)
    if seen is None:
        return []
    present, stays = seen.present, seen.present.stays
    lot: Lot = source.remembered.get(
        ("lot", seen.basis, start_s), lambda: present.lot_at(source.publication.terms, start_s)
    )
    content, number_of = lot.content_wh, {code: n for n, code in present.accounts.items()}
    bays = source.bays(connection)
    there = (stays.arrival_s <= at_s) & (stays.departure_s > at_s)
    return [
        VehicleRow(
            session_id=str(stays.ids[code]),
            bay=bays[str(stays.ids[code])],
            at=utc(start_s),
            role=stays.role[code],
            arrival=utc(int(stays.arrival_s[code])),
            departure=utc(int(stays.departure_s[code])),
            battery_capacity_wh=int(stays.capacity_wh[code]),
            soc=round(float(content[code] / stays.capacity_wh[code]), 6),
            soc_source=str(stays.table["soc_source"].iloc[code]),
            need_wh=int(stays.need_wh[code]),
            drawn_wh=int(lot.drawn_wh[code]),
            from_peers_wh=int(lot.from_peers_wh[code]),
            to_peers_wh=int(lot.to_peers_wh[code]),
            promised_wh=int(lot.promised_wh[code]),
            account=number_of.get(code),
        )
        for code in np.flatnonzero(there).tolist()
    ]


def lot_now(source: Source, connection: Connection) -> LotNowOut:
    """The lot and its clock."""
    publication = source.publication
    rules, site = publication.rules, publication.rules.site
    now_s, replayed_s = source.lot_time_s(connection), source.replayed_s(connection)
    sessions = source.sessions(connection)
    first, last = first_interval(publication, sessions), last_interval(publication, sessions)
    limit_wh = site.connection_wh(np.array([now_s, now_s + rules.metered_s]))
    return LotNowOut(
        lot=publication.lot,
        now=utc(now_s),
        is_replay=source.replay,
        is_over=last is not None and replayed_s is not None and replayed_s >= last,
        first=None if first is None else utc(first),
        last=None if last is None else utc(last),
        interval_s=rules.interval_s,
        meter_s=rules.metered_s,
        mechanism=publication.mechanism,
        vehicles_limit_w=None
        if limit_wh is None
        else int(limit_wh[0]) * SECONDS_PER_HOUR // rules.metered_s,
        bays=max(source.bays(connection).values(), default=0),
    )


def savings_between(
    source: Source, connection: Connection, since_s: int, until_s: int
) -> SavingsOut:
    """What trading moved in the market intervals that begin from `since_s` to `until_s`."""
    step = source.publication.rules.interval_s
    seen = _seen(source, connection, since_s, until_s)
    parts = [
        (at, fills)
        for _batch, at, fills in (seen.present.fills if seen is not None else ())
        if since_s <= at < until_s and len(fills)
    ]
    saved = income = spread = energy_wh = count = 0
    for at, fills in parts:
        tariff = int(source.publication.terms.buy_over(np.array([at, at + step]))[0])
        energy = fills.energy_wh
        paid = cost_ueur(energy, fills.price_ueur_per_kwh)
        got = cost_ueur(energy, fills.seller_price_ueur_per_kwh)
        saved += int(cost_ueur(energy, np.full(len(fills), tariff)).sum() - paid.sum())
        income, spread = income + int(got.sum()), spread + int((paid - got).sum())
        energy_wh, count = energy_wh + int(energy.sum()), count + len(fills)
    load = load_between(source, connection, since_s, until_s)
    return SavingsOut(
        since=utc(since_s),
        until=utc(until_s),
        n_trades=count,
        energy_wh=energy_wh,
        buyers_saved_ueur=saved,
        sellers_income_ueur=income,
        lot_fee_ueur=spread,
        peak_grid_only_w=max((row.grid_only_w for row in load), default=0),
        peak_with_p2p_w=max((row.with_p2p_w for row in load), default=0),
    )


def orders_at(source: Source, connection: Connection, at_s: int) -> list[OrderRow]:
    """What would be traded on for the interval that begins next after `at_s`.

    Before its gate closes that is a preview: who comes until then is not in it yet.
    """
    publication = source.publication
    step = publication.rules.interval_s
    start_s = at_s // step * step + step
    gate_s = start_s - publication.rules.gate_lead_s
    seen = _seen(source, connection, gate_s, start_s + step)
    if seen is None:
        return []
    rows: list[OrderRow] = source.remembered.get(
        ("orders", seen.basis, start_s), lambda: _orders(source.publication, seen, start_s)
    )
    return rows


def _orders(publication: Publication, seen: Seen, start_s: int) -> list[OrderRow]:
    present = seen.present
    offers = interval_offers(publication, present, seen.ledger, start_s=start_s)
    if offers is None:
        return []
    number_of = {code: number for number, code in present.accounts.items()}
    book = offers.book
    sides: tuple[tuple[Literal["buy", "sell"], Orders], ...] = (
        ("buy", book.buyers),
        ("sell", book.sellers),
    )
    rows = []
    for side, orders in sides:
        limits = orders.limit_price_ueur_per_kwh
        rows += [
            OrderRow(
                interval_start=utc(start_s),
                session_id=str(present.stays.ids[code]),
                side=side,
                energy_wh=int(orders.energy_wh[at]),
                limit_price_ueur_per_kwh=None if limits is None else int(limits[at]),
                soc=round(float(orders.soc[at]), 6),
                account=number_of[code],
            )
            for at, code in enumerate(orders.code.tolist())
        ]
    return rows


def load_between(
    source: Source, connection: Connection, since_s: int, until_s: int
) -> list[LoadRow]:
    """Mean power of the meter intervals from `since_s` to `until_s`, with trading and without.

    From the first session on up to now there is a row for every one of them, also while nobody
    stands in the lot; and after now, where sessions are there before they come, up to the last.
    """
    publication = source.publication
    first = first_interval(publication, source.sessions(connection))
    if first is None:
        return []
    seen = _seen(source, connection, since_s, until_s)
    rows: list[LoadRow] = [] if seen is None else source.remembered.get(
        ("load", seen.basis), lambda: _load(publication, seen.present)
    )  # fmt: skip
    step = publication.rules.metered_s
    known = {unix_s(row.time): row for row in rows}
    last = max(source.lot_time_s(connection), max(known, default=0))
    start = -(-max(since_s, first) // step) * step
    return [
        known.get(at) or LoadRow(time=utc(at), grid_only_w=0, with_p2p_w=0, p2p_w=0)
        for at in range(start, min(until_s, last + 1), step)
    ]


def _load(publication: Publication, present: Present) -> list[LoadRow]:
    """Of every meter interval of these stays."""
    terms, rules = publication.terms, publication.rules
    traded, alone = Lot(present.stays, terms), Lot(present.stays, terms)
    fills: dict[int, list[Fills]] = defaultdict(list)
    for _batch, at, found in present.fills:
        fills[at].append(found)
    for interval in intervals_of(present.stays):
        parts = [part for part in fills.get(interval.start_s, []) if len(part)]
        traded.flow(interval, Fills.joined(parts) if parts else None)
    alone.flow_alone()
    step = rules.metered_s
    table = zip(
        traded.edges_s[:-1].tolist(),
        alone.flows.grid_wh * SECONDS_PER_HOUR // step,
        traded.flows.grid_wh * SECONDS_PER_HOUR // step,
        traded.flows.peers_wh * SECONDS_PER_HOUR // step,
        strict=True,
    )
    return [
        LoadRow(time=utc(start), grid_only_w=int(without), with_p2p_w=int(drawn), p2p_w=int(p2p))
        for start, without, drawn, p2p in table
    ]


def prices_between(
    source: Source, connection: Connection, since_s: int, until_s: int
) -> list[PriceRow]:
    """Tariff and peers' prices of the market intervals from `since_s` to `until_s`."""
    step = source.publication.rules.interval_s
    first = -(-since_s // step) * step
    edges = np.arange(first, max(until_s, first) + step, step)
    if len(edges) < 2:
        return []
    seen = _seen(source, connection, since_s, until_s)
    rows: list[PriceRow] = source.remembered.get(
        ("prices", None if seen is None else seen.basis, first, len(edges)),
        lambda: _prices(source.publication, seen, edges),
    )
    return rows[: bisect_left([row.interval_start for row in rows], utc(until_s))]


def _prices(publication: Publication, seen: Seen | None, edges: Int64Array) -> list[PriceRow]:
    tariff = publication.terms.buy_over(edges).tolist()
    of_interval: dict[int, list[Fills]] = defaultdict(list)
    for _batch, at, fills in seen.present.fills if seen is not None else ():
        if len(fills):
            of_interval[at].append(fills)
    return [
        _price(start, price, of_interval.get(start))
        for start, price in zip(edges[:-1].tolist(), tariff, strict=True)
    ]


def _price(start_s: int, tariff: int, parts: list[Fills] | None) -> PriceRow:
    if parts is None:
        return PriceRow(
            interval_start=utc(start_s),
            tariff_ueur_per_kwh=tariff,
            n_trades=0,
            energy_wh=0,
            lowest_ueur_per_kwh=None,
            mean_ueur_per_kwh=None,
            highest_ueur_per_kwh=None,
            mean_seller_ueur_per_kwh=None,
        )
    fills = Fills.joined(parts)
    energy, prices = fills.energy_wh, fills.price_ueur_per_kwh
    total = int(energy.sum())
    return PriceRow(
        interval_start=utc(start_s),
        tariff_ueur_per_kwh=tariff,
        n_trades=len(fills),
        energy_wh=total,
        lowest_ueur_per_kwh=int(prices.min()),
        mean_ueur_per_kwh=int((energy * prices).sum()) // total,
        highest_ueur_per_kwh=int(prices.max()),
        mean_seller_ueur_per_kwh=int((energy * fills.seller_price_ueur_per_kwh).sum()) // total,
    )


def window(
    source: Source,
    connection: Connection,
    since: dt.datetime | None,
    until: dt.datetime | None,
) -> tuple[int, int]:
    """The time that a series is asked for, Unix seconds; by default the last day.

    Raises:
        Problem: 422, it ends before it begins, or is longer than `MOST_DAYS`.
    """
    until_s = source.lot_time_s(connection) if until is None else unix_s(until)
    since_s = max(until_s - _DAY_S, 0) if since is None else unix_s(since)
    if since_s > until_s:
        raise Problem(422, "query.since: expected a time before query.until")
    if until_s - since_s > MOST_DAYS * _DAY_S:
        raise Problem(
            422, f"query.since: expected at most {MOST_DAYS} days up to query.until",
            "Ask for one part after another.",
        )  # fmt: skip
    return since_s, until_s


def utc(at_s: float) -> dt.datetime:
    """Unix seconds as a time."""
    return dt.datetime.fromtimestamp(at_s, dt.UTC)


def unix_s(time: dt.datetime) -> int:
    """A time as Unix seconds, within the years that every table here can hold."""
    found = (time - dt.datetime(1970, 1, 1, tzinfo=dt.UTC)) // dt.timedelta(seconds=1)
    return min(max(found, _EARLIEST_S), _LATEST_S)


_EARLIEST_S = 0
_LATEST_S = int(dt.datetime(2200, 1, 1, tzinfo=dt.UTC).timestamp())


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """Who matters in the lot for some time, and the consortium as it is.

    Attributes:
        basis: all that it follows from: sessions, their tags, and the last event of the chain.
        present: the sessions and their trades.
        ledger: the consortium.
    """

    basis: Hashable
    present: Present
    ledger: Ledger


def _seen(source: Source, connection: Connection, at_s: int, until_s: int) -> Seen | None:
    """Who matters from one instant on, until another; None for nobody."""
    there = together(source.sessions(connection), at_s, until_s)
    if there.empty:
        return None
    rows = tuple(there.itertuples(index=False, name=None))
    tags = tuple(source.tag_of(str(name)) for name in there["session_id"])
    basis = (rows, tags, source.newest_event(connection))

    def read() -> Seen | None:
        ledger = source.ledger(connection, there)
        present = present_at(source.publication, there, ledger, tag_of=source.tag_of, at_s=at_s)
        return None if present is None else Seen(basis=basis, present=present, ledger=ledger)

    found: Seen | None = source.remembered.get(("seen", basis), read)
    return found
