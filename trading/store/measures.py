"""Metrics that engine and operators have in common: transactions, gas, blocks, the last look.

Names begin with `peercharge_`; what is counted in the database goes on over a restart.
"""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from sqlalchemy import Connection, func, select

from trading.store.schema import TRANSACTIONS

PREFIX = "peercharge_"


def gauge(name: str, text: str, value: float) -> Metric:
    """One value that goes up and down."""
    return GaugeMetricFamily(PREFIX + name, text, value=value)


def counter(name: str, text: str, value: float) -> Metric:
    """One value that only grows; its samples end in `_total`."""
    return CounterMetricFamily(PREFIX + name, text, value=value)


def by_label(
    name: str, text: str, label: str, rows: dict[str, int], *, is_counter: bool = False
) -> Metric:
    """One value for each value of a label."""
    family = CounterMetricFamily if is_counter else GaugeMetricFamily
    metric = family(PREFIX + name, text, labels=[label])
    for value, count in rows.items():
        metric.add_metric([value], count)
    return metric


def transactions(connection: Connection) -> Iterator[Metric]:
    """Transactions of the outbox by state, and the gas they used."""
    columns = TRANSACTIONS.c
    rows = connection.execute(
        select(columns.state, func.count(), func.coalesce(func.sum(columns.gas_used), 0)).group_by(
            columns.state
        )
    ).all()
    counts = dict.fromkeys(("written", "sent", "mined", "refused", "overtaken"), 0)
    counts |= {row[0]: int(row[1]) for row in rows}
    yield by_label("transactions", "Transactions of the outbox by state.", "state", counts)
    gas = sum(int(row[2]) for row in rows)
    yield counter("gas_used", "Gas used by transactions of the outbox.", gas)


def beats(
    *, head: int, since_s: float, reorganisations: int, has_problem: bool
) -> Iterator[Metric]:
    """How far a service has come along the chain, and how it is."""
    yield gauge("head_block", "Number of the last block seen.", head)
    yield gauge("seconds_since_look", "Seconds since the last complete look.", since_s)
    yield counter("reorganisations", "Times that blocks left the chain.", reorganisations)
    yield gauge("has_problem", "1 while something keeps the service from going on.", has_problem)
