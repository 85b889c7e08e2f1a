"""What a stay comes to: now, and at its departure if it leaves as planned and trades no more.

It is the lot moved on with the trades that the chain confirmed, beside the same lot without any. So
it is an estimate: who comes and leaves otherwise, and what is still traded, will change it.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import Any

import pandas as pd
from sqlalchemy import Connection

from trading.engine.live import Present, present_at
from trading.lot import Lot, accounts_of, replayed
from trading.market import Fills
from trading.operators.replica import together
from trading.web.act_rows import AtDepartureOut, NowOut, OutlookOut
from trading.web.source import Source
from trading.web.views import utc


@dataclass(frozen=True, slots=True, kw_only=True)
class _Known:
    """A lot at an instant, and how its stays end.

    Attributes:
        present: who matters in it.
        lot: counted up to the beginning of the interval.
        ends: how each stay ends, by session: columns of `Accounts.vehicles` and `drivers`.
    """

    present: Present
    lot: Lot
    ends: dict[str, dict[str, Any]]


def outlook_of(source: Source, connection: Connection, session_id: str) -> OutlookOut | None:
    """What the stay of a session comes to; None for one that never came."""
    sessions = source.sessions(connection)
    rows = sessions[sessions["session_id"] == session_id]
    if rows.empty:
        return None
    stay = rows.iloc[0]
    arrival_s, departure_s = (int(stay[name].timestamp()) for name in ("arrival", "departure"))
    now_s = source.lot_time_s(connection)
    # Before it comes and after it left, as it was or will be when it did.
    at_s = min(max(now_s, arrival_s), max(departure_s - 1, arrival_s))
    known: _Known | None = source.kept.get(
        ("outlook", at_s), lambda: _known(source, connection, sessions, at_s)
    )
    if known is None:
        return None
    lot, stays = known.lot, known.present.stays
    code = stays.code_of(session_id)
    end = known.ends[session_id]
    is_gone = now_s >= departure_s
    account = next((n for n, one in known.present.accounts.items() if one == code), None)
    now = None
    if arrival_s <= now_s and not is_gone:
        now = NowOut(
            soc=round(float(lot.content_wh[code] / stays.capacity_wh[code]), 6),
            content_wh=int(lot.content_wh[code]),
            drawn_wh=int(lot.drawn_wh[code]),
            from_peers_wh=int(lot.from_peers_wh[code]),
            to_peers_wh=int(lot.to_peers_wh[code]),
        )
    return OutlookOut(
        session_id=session_id,
        account=account,
        at=utc(now_s),
        phase="expected" if now_s < arrival_s else "left" if is_gone else "here",
        role=stays.role[code],
        arrival=utc(arrival_s),
        departure=utc(departure_s),
        is_estimate=not is_gone,
        battery_capacity_wh=int(stays.capacity_wh[code]),
        soc_source=str(stay["soc_source"]),
        soc_arrival=float(end["soc_arrival"]),
        need_wh=int(end["need_wh"]),
        now=now,
        at_departure=AtDepartureOut(
            soc=float(end["soc_departure"]),
            missing_wh=int(end["missing_wh"]),
            from_grid_wh=int(end["from_grid_wh"]),
            from_peers_wh=int(end["from_peers_wh"]),
            to_peers_wh=int(end["to_peers_wh"]),
            paid_grid_ueur=int(end["paid_grid_ueur"]),
            paid_peers_ueur=int(end["paid_peers_ueur"]),
            earned_ueur=int(end["earned_ueur"]),
            replacement_cost_ueur=int(end["replacement_cost_ueur"]),
            wear_ueur=int(end["wear_ueur"]),
            net_cost_ueur=int(end["net_cost_ueur"]),
        ),
        grid_only=AtDepartureOut(
            soc=float(end["soc_departure_grid_only"]),
            missing_wh=int(end["missing_grid_only_wh"]),
            from_grid_wh=int(end["drawn_grid_only_wh"]),
            from_peers_wh=0,
            to_peers_wh=0,
            paid_grid_ueur=int(end["paid_grid_only_ueur"]),
            paid_peers_ueur=0,
            earned_ueur=0,
            replacement_cost_ueur=int(end["replacement_grid_only_ueur"]),
            wear_ueur=0,
            net_cost_ueur=int(end["net_cost_grid_only_ueur"]),
        ),
        saved_ueur=int(end["net_cost_grid_only_ueur"] - end["net_cost_ueur"]),
    )


def _known(
    source: Source, connection: Connection, sessions: pd.DataFrame, at_s: int
) -> _Known | None:
    publication = source.publication
    there = together(sessions, at_s)
    if there.empty:
        return None
    ledger = source.ledger(connection, there)
    present = present_at(publication, there, ledger, tag_of=source.tag_of, at_s=at_s)
    if present is None:
        return None
    parts: dict[int, list[Fills]] = defaultdict(list)
    for _batch, start_s, fills in present.fills:
        if len(fills):
            parts[start_s].append(fills)
    fills_at = {start_s: Fills.joined(some) for start_s, some in parts.items()}
    books = accounts_of(replayed(present.stays, publication.terms, fills_at))
    more = books.drivers.drop(columns=books.vehicles.columns, errors="ignore")
    both = pd.concat([books.vehicles, more], axis=1)
    step = publication.rules.interval_s
    return _Known(
        present=present,
        lot=present.lot_at(publication.terms, at_s // step * step),
        ends={
            str(row["session_id"]): {str(name): value for name, value in row.items()}
            for row in both.to_dict(orient="records")
        },
    )
