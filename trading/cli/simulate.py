"""`peercharge simulate` and `peercharge demo`: the main job, from sessions to a report."""

from __future__ import annotations

import json
import re
import shlex
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from trading.engine import DayOptions, Source
    from trading.engine.day import Progress

DEMO_DATE = "2019-10-29"
DEMO_FOLDER = "peercharge-demo"


def folder(text: str) -> Path:
    """The folder of an option; an empty text, which would mean the working folder, is refused."""
    if not str(text).strip():
        raise typer.BadParameter("expected the name of a folder, found an empty text")
    return Path(text)


Out = Annotated[
    Path,
    typer.Option(
        parser=folder,
        metavar="DIR",
        help="Folder for tables, figures and report; made if need be.",
    ),
]
Day = Annotated[
    str | None, typer.Option(metavar="YYYY-MM-DD", help="The day: local arrivals on it.")
]
FirstDay = Annotated[
    str | None, typer.Option("--from", metavar="YYYY-MM-DD", help="First day of a range.")
]
LastDay = Annotated[
    str | None, typer.Option("--to", metavar="YYYY-MM-DD", help="Last day, inclusive.")
]
Zone = Annotated[
    str | None, typer.Option(metavar="ZONE", help="IANA zone of the site; the format's without it.")
]
AssignmentRule = Annotated[
    str, typer.Option(metavar="RULE", help="Where the format has no SoC: {assignments}.")
]
Interval = Annotated[
    str, typer.Option(metavar="TIME", help="Market interval, 1min to 60min, such as 15min.")
]
NetworkName = Annotated[
    str,
    typer.Option(metavar="NAME", help="embedded, anvil, or the address of a node's JSON-RPC."),
]
Operators = Annotated[int, typer.Option(help="Number of infrastructure operators.")]
Quorum = Annotated[int, typer.Option(help="How many of them must confirm a batch.")]
Seed = Annotated[int, typer.Option(help="Seed of every draw; the same seed, the same bytes.")]
GuaranteeName = Annotated[
    str,
    typer.Option(
        metavar="consent|whole",
        help="consent: sellers may leave with less, down to the seller threshold or their reserve. "
        "whole: nobody leaves with less than without trading, as far as departures are as planned.",
    ),
]
Share = Annotated[
    float, typer.Option(metavar="0..1", help="Share of the vehicles that can discharge (V2G).")
]
DeparturesName = Annotated[
    str,
    typer.Option(
        metavar="actual|estimated",
        help="Whether plans know when drivers leave, or only what drivers said.",
    ),
]
Priority = Annotated[str, typer.Option(metavar="NAME", help="Who is served first: {mechanisms}.")]
MechanismName = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="The market. Without it, trades at a posted price by --priority. Auctions find their "
        "price between floors and ceilings: {auctions}.",
    ),
]
PricingName = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="What posts the price of each interval: {pricings}. Without it, --price. A number of "
        "your own follows a colon: {priced}.",
    ),
]
LotFile = Annotated[
    Path | None,
    typer.Option(
        "--lot",
        exists=True,
        dir_okay=False,
        metavar="FILE.toml",
        help="The lot's equipment and tariffs in time: chargers, connection limit, cables, roof, "
        "hourly prices, efficiency curve (docs/lot.md).",
    ),
]
StrategyOption = Annotated[
    str,
    typer.Option(
        metavar="at-once|latest|cheapest", help="When grid energy is drawn within a stay."
    ),
]
MeterInterval = Annotated[
    str | None,
    typer.Option(metavar="TIME", help="Meter interval, which divides the market interval."),
]
SettlementInterval = Annotated[
    str | None,
    typer.Option(metavar="TIME", help="Settlement interval, a multiple of the market interval."),
]
Arbitrage = Annotated[
    bool, typer.Option("--arbitrage", help="Let sellers sell on what they drew from the grid.")
]
V2gCap = Annotated[
    int | None, typer.Option("--v2g-cap", metavar="WH", help="The most a seller sells in a stay.")
]
ReplacementSpread = Annotated[
    float,
    typer.Option(metavar="0..1", help="How much drivers' prices at home differ, as a share."),
]
ShortfallBearer = Annotated[
    str,
    typer.Option(
        metavar="leaver|lot", help="Who bears what does not flow because a party left early."
    ),
]
MergeSmall = Annotated[
    bool, typer.Option("--merge-small", help="Bring small trades of a vehicle together first.")
]
SmallestTrade = Annotated[
    int,
    typer.Option(
        "--smallest-trade", metavar="WH", help="What is matched below it is left to the grid."
    ),
]
Soc = Annotated[float, typer.Option(metavar="SOC", help="Threshold of Equation (1).")]
Price = Annotated[
    str | None,
    typer.Option(
        metavar="EUR/kWh",
        help="Price of a trade. Without it the middle of floor and ceiling, or what leaves the "
        "seller its floor after the lot's fee.",
    ),
]
LotTariff = Annotated[
    str, typer.Option(metavar="EUR/kWh", help="Grid energy in the lot; the buyer's ceiling.")
]
Replacement = Annotated[
    str, typer.Option(metavar="EUR/kWh", help="Energy at home, to replace what is missing.")
]
Wear = Annotated[
    str, typer.Option(metavar="EUR/kWh", help="Wear of a seller's battery for a kWh sold.")
]
LotFee = Annotated[
    str, typer.Option(metavar="EUR/kWh", help="What the lot keeps of the buyer's price.")
]
NoLimits = Annotated[
    bool,
    typer.Option("--no-limits", help="Allow trades outside the seller's floor or buyer's ceiling."),
]
OperatorFault = Annotated[
    list[str] | None,
    typer.Option(
        metavar="CONDUCT",
        help="Conduct of one operator, from the first on; repeat for more: {conducts}.",
    ),
]
EngineFaultName = Annotated[
    str | None,
    typer.Option(
        metavar="FAULT",
        help="A dishonest engine slips a wrong trade into every fourth batch: {engine_faults}.",
    ),
]
Confirmations = Annotated[
    str,
    typer.Option(
        metavar="aggregated|direct",
        help="Whether operators sign off chain and the engine hands a quorum in at once, or each "
        "sends its own confirmation.",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print the summary as JSON.")]


def simulate(
    sessions: Annotated[
        Path, typer.Argument(metavar="SESSIONS", help="File of charging sessions, plain or .gz.")
    ],
    out: Out,
    file_format: Annotated[
        str, typer.Option("--format", metavar="NAME", help="Format of the file: {formats}.")
    ],
    date: Day = None,
    from_date: FirstDay = None,
    to_date: LastDay = None,
    timezone: Zone = None,
    assignment: AssignmentRule = "anchored-departure",
    interval: Interval = "15min",
    network: NetworkName = "embedded",
    operators: Operators = 4,
    quorum: Quorum = 3,
    seed: Seed = 0,
    guarantee: GuaranteeName = "consent",
    v2g_share: Share = 1.0,
    departures: DeparturesName = "actual",
    mechanism: MechanismName = None,
    priority: Priority = "pro-rata",
    pricing: PricingName = None,
    lot: LotFile = None,
    strategy: StrategyOption = "at-once",
    meter_interval: MeterInterval = None,
    settlement_interval: SettlementInterval = None,
    arbitrage: Arbitrage = False,
    v2g_cap_wh: V2gCap = None,
    replacement_spread: ReplacementSpread = 0.0,
    shortfall: ShortfallBearer = "leaver",
    merge_small: MergeSmall = False,
    smallest_trade_wh: SmallestTrade = 100,
    buyer_threshold: Soc = 0.60,
    seller_threshold: Soc = 0.80,
    price: Price = None,
    lot_tariff: LotTariff = "0.50",
    replacement_price: Replacement = "0.25",
    wear: Wear = "0.05",
    lot_fee: LotFee = "0.01",
    no_limits: NoLimits = False,
    operator_fault: OperatorFault = None,
    engine_fault: EngineFaultName = None,
    confirmations: Confirmations = "aggregated",
    as_json: Json = False,
) -> None:
    """Trade real days of a parking lot on a consortium chain, and report what it brought.

    Chargers, meters, batteries and wallets are simulated; contract, votes and settlement are real.
    """
    from trading.engine import Consensus, DayOptions, Source
    from trading.equipment import Equipment, read_equipment
    from trading.fleet import Thresholds
    from trading.lot import LotRules, Terms
    from trading.market import MECHANISMS, mechanism_named
    from trading.units import price_ueur_per_kwh

    mechanism_named(priority, option="priority")
    if mechanism is not None:
        mechanism_named(mechanism, among=MECHANISMS)
    equipment = Equipment() if lot is None else read_equipment(lot)
    with _as_typed(meter_interval=meter_interval, settlement_interval=settlement_interval):
        rules = LotRules(
            interval_s=interval_seconds(interval),
            thresholds=Thresholds(buyer=buyer_threshold, seller=seller_threshold),
            guarantee=guarantee,  # type: ignore[arg-type]
            v2g_share=v2g_share,
            departures=departures,  # type: ignore[arg-type]
            smallest_trade_wh=smallest_trade_wh,
            merge_small=merge_small,
            efficiency=equipment.efficiency,
            acceptance=equipment.acceptance,
            site=equipment.site,
            strategy=strategy,  # type: ignore[arg-type]
            arbitrage=arbitrage,
            v2g_cap_wh=equipment.v2g_cap_wh if v2g_cap_wh is None else v2g_cap_wh,
            reserve_soc=equipment.reserve_soc,
            gate_lead_s=equipment.gate_lead_s,
            meter_s=None if meter_interval is None else _seconds("meter_interval", meter_interval),
            settlement_s=None
            if settlement_interval is None
            else _seconds("settlement_interval", settlement_interval),
            seed=seed,
        )
    options = DayOptions(
        rules=rules,
        terms=Terms(
            lot_tariff=price_ueur_per_kwh(lot_tariff, name="lot_tariff"),
            replacement=price_ueur_per_kwh(replacement_price, name="replacement_price"),
            wear=price_ueur_per_kwh(wear, name="wear"),
            lot_fee=price_ueur_per_kwh(lot_fee, name="lot_fee"),
            price=None if price is None else price_ueur_per_kwh(price),
            limits=not no_limits,
            tariff=equipment.tariff,
            feed_in=equipment.feed_in,
            network_charge=equipment.network_charge,
            pricing=pricing,
            replacement_spread=replacement_spread,
            shortfall=shortfall,  # type: ignore[arg-type]
        ),
        mechanism=mechanism or priority,
        consensus=Consensus(
            network=network,
            operators=operators,
            quorum=quorum,
            conducts=tuple(operator_fault or ()),  # type: ignore[arg-type]
            engine_fault=engine_fault,  # type: ignore[arg-type]
            confirmations=confirmations,  # type: ignore[arg-type]
        ),
    )
    source = Source(
        path=sessions,
        format=file_format,
        date=date,
        from_date=from_date,
        to_date=to_date,
        timezone=timezone,
        assignment=assignment,
    )
    _run(source, options, out, site=sessions.name, as_json=as_json)


def demo(
    out: Out = Path(DEMO_FOLDER),
    network: NetworkName = "embedded",
    seed: Seed = 0,
    as_json: Json = False,
) -> None:
    """Trade one real day of Caltech's garage, 2019-10-29, that ships with the package.

    Needs no network, no compiler and no key. The day is from ACN-Data (CC BY 4.0).
    """
    from trading.data import sample_path
    from trading.engine import Consensus, DayOptions, Source
    from trading.lot import LotRules

    options = DayOptions(rules=LotRules(seed=seed), consensus=Consensus(network=network))
    source = Source(path=sample_path(), format="acn", date=DEMO_DATE)
    _run(source, options, out, site="Caltech's garage", as_json=as_json)
    if not as_json:
        typer.echo("See it live: `make live`, or `peercharge live`, trades it before your eyes.")


def interval_seconds(text: str) -> int:
    """Seconds of `15min`, `15`, `900s` or `1h`; a bare number is minutes.

    Raises:
        OptionError: not such a text, or a length that a lot does not take.

    >>> interval_seconds("15min")
    900
    """
    from trading.errors import OptionError
    from trading.lot import LotRules

    seconds = _seconds("interval", text)
    try:
        LotRules(interval_s=seconds)
    except OptionError as error:
        # The same refusal, in the user's words instead of in seconds.
        raise OptionError("interval", text, error.expected) from None
    return seconds


def _seconds(name: str, text: str) -> int:
    from trading.errors import OptionError

    found = re.fullmatch(r"(\d{1,5})\s*(s|min|m|h)?", text.strip())
    if not found:
        raise OptionError(name, text, "minutes such as 15min, or seconds such as 900s")
    scale = {"s": 1, "min": 60, "m": 60, None: 60, "h": 3600}[found[2]]
    return int(found[1]) * scale


@contextmanager
def _as_typed(**typed: str | None) -> Iterator[None]:
    """A length of time that is refused is told as it was typed, and in minutes, not in seconds."""
    from trading.errors import OptionError

    try:
        yield
    except OptionError as error:
        text = typed.get(error.name)
        if text is None:
            raise
        expected = re.sub(r"(\d+) s\b", lambda s: f"{int(s[1]) / 60:g} min", error.expected)
        raise OptionError(error.name, text, expected) from None


def _run(source: Source, options: DayOptions, out: Path, *, site: str, as_json: bool) -> None:
    from trading.data.output import output_folder
    from trading.engine import run_day
    from trading.reports import result_table, write_day

    began_s = time.monotonic()
    with output_folder(out) as folder, progress_bars() as progress:
        result = run_day(source, options, progress=progress)
        progress("writing the report", 0, 1)
        command = shlex.join(["peercharge", *sys.argv[1:]])
        write_day(result, folder, site=site, command=command)
        progress("writing the report", 1, 1)
    if as_json:
        typer.echo(json.dumps(result.summary, indent=2))
        return
    _print(result_table(result), out, time.monotonic() - began_s)


@contextmanager
def progress_told(how: str) -> Iterator[Progress]:
    """Progress on stderr: `bars` for people, `lines` of JSON for programs.

    Raises:
        OptionError: neither.
    """
    from trading.errors import OptionError

    if how == "bars":
        with progress_bars() as tell:
            yield tell
        return
    if how != "lines":
        raise OptionError("progress", how, "bars or lines")

    def told(what: str, done: int, total: int) -> None:
        line = json.dumps({"name": what, "done": done, "total": total})
        print(line, file=sys.stderr, flush=True)

    yield told


@contextmanager
def progress_bars() -> Iterator[Progress]:
    """A bar a phase, on stderr and only where someone looks at it."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    console = Console(stderr=True)
    bars = Progress(
        TextColumn("{task.description:<20}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=console,
        disable=not sys.stderr.isatty(),
    )
    tasks: dict[str, object] = {}

    def tell(what: str, done: int, total: int) -> None:
        if what not in tasks:
            tasks[what] = bars.add_task(what, total=total)
        bars.update(tasks[what], completed=done)  # type: ignore[arg-type]

    with bars:
        yield tell


def _print(table: object, out: Path, took_s: float) -> None:
    from rich.console import Console

    console = Console(highlight=False)
    console.print(table)
    console.print(f"Report: {out / 'report.html'}", markup=False, soft_wrap=True)
    console.print(f"Tables: {out}  (took {took_s:.0f} s)", markup=False, soft_wrap=True)
