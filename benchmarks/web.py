"""The web service under load; writes benchmarks/results/web.json.

    python -m benchmarks.web                    200 viewers, 50 writes a second, 60 seconds
    python -m benchmarks.web --seconds 10       shorter, printed and not written

A lot trades a real day that is moved to now, every party in a process of its own
(`benchmarks.web_lot`). The service is one process, and the load comes from this one, on the same
machine. Written are sessions of the days that follow, one a request; every tenth is a new departure
of one that was sent before.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import aiohttp
import pandas as pd

from benchmarks.chain import BenchmarkError
from benchmarks.web_load import (
    ALL_HERE_S,
    ANSWER_S,
    PAGE,
    Seen,
    measured,
    phases,
    program,
    visitor,
    writer,
)
from benchmarks.web_lot import Lot, running
from trading.errors import PeerchargeError

RESULTS = Path(__file__).resolve().parent / "results" / "web.json"
VIEWERS = 200
WRITES_PER_S = 50.0
SECONDS = 60.0
WARM_UP_S = ALL_HERE_S + 10.0
MOST_READ_P99_MS = 250.0
CHANGED_EVERY = 10
DAYS_AHEAD = 30
PROGRAM_SHARE = 0.2
"""Of the viewers; the others are visitors with a browser."""
IDENTITIES = ("operator", "aggregator", "authority")
LANGUAGES = ("en", "it", "da", "en")
READS = (PAGE, "/api/v1/vehicles", "/api/v1/load", "/api/v1/trades")


def later_sessions(day: pd.DataFrame) -> Iterator[dict[str, Any]]:
    """Sessions to send, without end: the day's vehicles on the days that follow it.

    Every `CHANGED_EVERY`th is the one sent five before it, with a departure ten minutes later.

    Args:
        day: a SESSIONS table.
    """
    rows = [json.loads(row.to_json(date_format="iso", date_unit="us")) for _, row in day.iterrows()]
    sent: list[dict[str, Any]] = []
    while True:
        n = len(sent)
        if n % CHANGED_EVERY == CHANGED_EVERY - 1:
            before = sent[n - 5]
            departure = pd.Timestamp(before["departure"]) + pd.Timedelta(minutes=10)
            one = {**before, "departure": departure.isoformat()}
        else:
            number, of_day = divmod(n, len(rows))
            by = pd.Timedelta(days=1 + number % DAYS_AHEAD)
            one = {**rows[of_day], "session_id": f"{n}: {rows[of_day]['session_id']}"}
            for name in ("arrival", "departure", "estimated_departure"):
                if one[name] is not None:
                    one[name] = (pd.Timestamp(one[name]) + by).isoformat()
        sent.append(one)
        yield one


async def under_load(
    lot: Lot, *, viewers: int, writes_per_s: float, seconds: float, warm_up_s: float
) -> dict[str, Any]:
    """Measure a running lot's service."""
    seen, sessions = Seen(), later_sessions(lot.sessions)
    cpu_s: dict[str, float] = {}
    own_s = waited_s = 0.0

    def begun() -> None:
        nonlocal own_s, waited_s
        cpu_s.update(lot.cpu_s())
        own_s, waited_s = _own_cpu_s(), _waited_s()

    connections = aiohttp.TCPConnector(limit=0)
    timeout = aiohttp.ClientTimeout(total=ANSWER_S)
    async with aiohttp.ClientSession(connector=connections, timeout=timeout) as session:
        programs = round(PROGRAM_SHARE * viewers)
        look = [
            program(session, seen, lot.address, lot.tokens["operator"], phase=phase)
            for phase in phases(programs)
        ]
        look += [
            visitor(
                connections, seen, lot.address,
                IDENTITIES[n % len(IDENTITIES)], LANGUAGES[n % len(LANGUAGES)], phase=phase,
            )
            for n, phase in enumerate(phases(viewers - programs))
        ]  # fmt: skip
        write = writer(
            session, seen, lot.address, lot.tokens["aggregator"],
            per_s=writes_per_s, next_session=lambda: next(sessions),
        )  # fmt: skip
        took_s = await measured(
            seen, [*look, write], warm_up_s=warm_up_s, seconds=seconds, begun=begun
        )
    used = {name: end - cpu_s.get(name, end) for name, end in lot.cpu_s().items()}
    used["load"] = _own_cpu_s() - own_s
    return {
        "viewers": viewers,
        "writes_per_s": round(seen.count("write") / took_s, 1),
        "errors": sum(seen.errors.values()),
        "read_p99_ms": seen.percentile_ms(0.99, *READS),
        "read_p50_ms": seen.percentile_ms(0.5, *READS),
        "reads_per_s": round(seen.count(*READS) / took_s, 1),
        "write_p50_ms": seen.percentile_ms(0.5, "write"),
        "write_p99_ms": seen.percentile_ms(0.99, "write"),
        "seconds": round(took_s, 1),
        "by_kind": {
            kind: {
                "n": seen.count(kind),
                "p50_ms": seen.percentile_ms(0.5, kind),
                "p99_ms": seen.percentile_ms(0.99, kind),
                "max_ms": seen.percentile_ms(1.0, kind),
            }
            for kind in sorted(seen.latencies_s)
        },
        "told_unasked": dict(seen.updates),
        "errors_by_kind": dict(seen.errors),
        "cores_used": {name: round(value / took_s, 2) for name, value in used.items()},
        "load_average": round(os.getloadavg()[0], 1),
        "waited_for_a_core_share": round((_waited_s() - waited_s) / took_s, 2),
    }


def _waited_s() -> float:
    """For how long somebody on this machine waited for a core, since it started; 0 if not told."""
    try:
        told = Path("/proc/pressure/cpu").read_text(encoding="ascii")
    except OSError:
        return 0.0
    return int(told.partition("total=")[2].split()[0]) / 1e6


def _own_cpu_s() -> float:
    told = os.times()
    return told.user + told.system


def main(argv: Sequence[str] | None = None, *, during: Callable[[Lot], None] | None = None) -> int:
    """Run the command line; return its exit code."""
    parser = argparse.ArgumentParser(description="The web service under load.")
    parser.add_argument("--viewers", type=int, default=VIEWERS)
    parser.add_argument("--writes", type=float, default=WRITES_PER_S, help="a second")
    parser.add_argument("--seconds", type=float, default=SECONDS)
    parser.add_argument("--keep", type=Path, metavar="DIR", help="keep databases and logs here")
    arguments = parser.parse_args(argv)
    try:
        with tempfile.TemporaryDirectory() as home:
            folder = home if arguments.keep is None else arguments.keep
            Path(folder).mkdir(parents=True, exist_ok=True)
            with running(Path(folder)) as lot:
                if during is not None:
                    during(lot)
                found = asyncio.run(
                    under_load(
                        lot,
                        viewers=arguments.viewers,
                        writes_per_s=arguments.writes,
                        seconds=arguments.seconds,
                        warm_up_s=WARM_UP_S,
                    )
                )
    except (BenchmarkError, PeerchargeError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(json.dumps(found, indent=2))
    is_whole = (arguments.viewers, arguments.writes, arguments.seconds) == (
        VIEWERS, WRITES_PER_S, SECONDS,
    )  # fmt: skip
    if is_whole:
        RESULTS.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    return 0 if _holds(found, arguments.writes) else 1


def _holds(found: dict[str, Any], writes_per_s: float) -> bool:
    faults = []
    if found["errors"]:
        faults.append(f"{found['errors']} errors: {found['errors_by_kind']}")
    if found["read_p99_ms"] is None or found["read_p99_ms"] > MOST_READ_P99_MS:
        faults.append(f"99 % of reads within {found['read_p99_ms']} ms, bar {MOST_READ_P99_MS:g}")
    if found["writes_per_s"] < 0.99 * writes_per_s:
        faults.append(f"{found['writes_per_s']} writes a second, bar {writes_per_s:g}")
    for fault in faults:
        print(f"bar missed: {fault}", file=sys.stderr)
    return not faults


if __name__ == "__main__":
    sys.exit(main())
