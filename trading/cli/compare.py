"""`peercharge compare`: the same days through every mechanism and pricing scheme."""

from __future__ import annotations

import json
import shlex
import sys
import time
from pathlib import Path
from typing import Annotated

import typer

from trading.cli.simulate import (
    AssignmentRule,
    Day,
    DeparturesName,
    FirstDay,
    Interval,
    Json,
    LastDay,
    LotFee,
    LotFile,
    LotTariff,
    Out,
    Replacement,
    Seed,
    Share,
    StrategyOption,
    Wear,
    Zone,
    interval_seconds,
    progress_told,
)

SPREAD = 0.3
"""Assumption: drivers' prices at home differ by up to 30 % either way. Without a difference every
seller has the same floor, and an auction has nothing to find."""
LIARS = 3


def compare(
    sessions: Annotated[
        str,
        typer.Argument(
            metavar="SESSIONS",
            help="File of charging sessions, plain or .gz; or sample, the week that ships with the "
            "package.",
        ),
    ],
    out: Out,
    file_format: Annotated[
        str | None,
        typer.Option(
            "--format",
            metavar="NAME",
            help="Format of the file: {formats}. Not needed for the sample.",
        ),
    ] = None,
    mechanisms: Annotated[
        str | None,
        typer.Option(metavar="A,B", help="Which to compare, all without it: {all_mechanisms}."),
    ] = None,
    pricings: Annotated[
        str | None,
        typer.Option(
            metavar="C,D",
            help="What a posted price follows, all without it: middle (of floor "
            "and ceiling), {pricings}. A number of your own follows a colon: {priced}. "
            "Auctions find their own prices and run once.",
        ),
    ] = None,
    date: Day = None,
    from_date: FirstDay = None,
    to_date: LastDay = None,
    timezone: Zone = None,
    assignment: AssignmentRule = "anchored-departure",
    seed: Seed = 0,
    interval: Interval = "15min",
    v2g_share: Share = 1.0,
    departures: DeparturesName = "actual",
    lot: LotFile = None,
    strategy: StrategyOption = "at-once",
    replacement_spread: Annotated[
        float,
        typer.Option(
            metavar="0..1",
            help="An assumption: drivers' prices at home differ by up to this share either way, "
            "and with them sellers' floors. At 0 an auction has nothing to find.",
        ),
    ] = SPREAD,
    lot_tariff: LotTariff = "0.50",
    replacement_price: Replacement = "0.25",
    wear: Wear = "0.05",
    lot_fee: LotFee = "0.01",
    liars: Annotated[
        int,
        typer.Option(
            metavar="N",
            help="How many buyers and how many sellers misreport state of charge, price and "
            "departure, each in turn; 0 to leave that out.",
        ),
    ] = LIARS,
    progress_form: Annotated[
        str,
        typer.Option(
            "--progress",
            metavar="bars|lines",
            help="How progress is told on stderr: bars on a terminal, or lines of JSON.",
        ),
    ] = "bars",
    as_json: Json = False,
) -> None:
    """Compare market mechanisms and prices on the same days: welfare, fairness, peak, incentives.

    No chain is involved: honest operators agree to every trade.
    """
    from trading.data import load_sessions, output_folder
    from trading.equipment import Equipment, read_equipment
    from trading.errors import OptionError
    from trading.lot import LotRules, Terms
    from trading.market import MECHANISMS
    from trading.reports.mechanisms import About, comparison_summary, result_text, write_comparison
    from trading.study.compare import COMPARED_PRICINGS, combinations_of
    from trading.study.compare import compare as compared
    from trading.study.scenario import SAMPLE, file_of
    from trading.units import price_ueur_per_kwh

    began_s = time.monotonic()
    if file_format is None:
        if sessions != SAMPLE:
            raise OptionError("format", None, "the format of the file, such as acn")
        file_format = "acn"
    chosen = _names(mechanisms, tuple(MECHANISMS))
    priced = _names(pricings, COMPARED_PRICINGS)
    # Names before files: a slip of the pen should not cost the time of reading.
    combinations_of(chosen, priced)
    equipment = Equipment() if lot is None else read_equipment(lot)
    rules = LotRules(
        interval_s=interval_seconds(interval),
        v2g_share=v2g_share,
        departures=departures,  # type: ignore[arg-type]
        efficiency=equipment.efficiency,
        acceptance=equipment.acceptance,
        site=equipment.site,
        v2g_cap_wh=equipment.v2g_cap_wh,
        reserve_soc=equipment.reserve_soc,
        gate_lead_s=equipment.gate_lead_s,
        strategy=strategy,  # type: ignore[arg-type]
        seed=seed,
    )
    terms = Terms(
        lot_tariff=price_ueur_per_kwh(lot_tariff, name="lot_tariff"),
        replacement=price_ueur_per_kwh(replacement_price, name="replacement_price"),
        wear=price_ueur_per_kwh(wear, name="wear"),
        lot_fee=price_ueur_per_kwh(lot_fee, name="lot_fee"),
        tariff=equipment.tariff,
        feed_in=equipment.feed_in,
        network_charge=equipment.network_charge,
        replacement_spread=replacement_spread,
    )
    path = file_of(sessions)
    stays = load_sessions(
        path,
        format=file_format,
        seed=seed,
        date=date,
        from_date=from_date,
        to_date=to_date,
        timezone=timezone,
        assignment=assignment,
    )
    with output_folder(out) as folder, progress_told(progress_form) as progress:
        result = compared(
            stays.frame,
            rules=rules,
            terms=terms,
            mechanisms=chosen,
            pricings=priced,
            liars_each_side=liars,
            zone=stays.zone,
            progress=progress,
        )
        progress("writing the report", 0, 1)
        about = About(
            site="Caltech's garage" if sessions == SAMPLE else Path(path).name,
            sessions=stays,
            command=shlex.join(["peercharge", *sys.argv[1:]]),
        )
        report = write_comparison(result, about, folder)
        progress("writing the report", 1, 1)
    if as_json:
        typer.echo(json.dumps(comparison_summary(result), indent=2))
        return
    from rich.console import Console

    console = Console(highlight=False)
    console.print(result_text(result, about))
    console.print(f"Report: {out / report.name}", markup=False, soft_wrap=True)
    took_s = time.monotonic() - began_s
    console.print(f"Tables: {out}  (took {took_s:.0f} s)", markup=False, soft_wrap=True)


def _names(text: str | None, every: tuple[str, ...]) -> tuple[str, ...]:
    """The names of a list with commas; all of them where nothing was given."""
    if text is None:
        return every
    return tuple(name for part in text.split(",") if (name := part.strip()))
