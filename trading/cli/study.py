"""`peercharge study`: one experiment by its name, to tables, figures and findings."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from trading.cli.simulate import Out, progress_bars

if TYPE_CHECKING:
    from trading.study import Scenario


def _print_list(wanted: bool) -> None:
    if not wanted:
        return
    from trading.reports.studies import STUDIES

    width = max(map(len, STUDIES))
    for name, entry in STUDIES.items():
        typer.echo(f"{name:<{width}}  {entry.title}")
    raise typer.Exit


def study(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Which experiment; see --list.")],
    out: Out,
    sessions: Annotated[
        list[str] | None,
        typer.Option(
            metavar="[LOT=]FILE",
            help="File of charging sessions; repeat for more, and name the lot where files belong "
            "together. Without it, the sample.",
        ),
    ] = None,
    file_format: Annotated[
        str, typer.Option("--format", metavar="NAME", help="Format of the files: {formats}.")
    ] = "acn",
    timezone: Annotated[
        str | None,
        typer.Option(metavar="ZONE", help="IANA zone of the site; the format's without it."),
    ] = None,
    from_date: Annotated[str, typer.Option("--from", metavar="YYYY-MM-DD", help="First day.")] = "",
    to_date: Annotated[
        str, typer.Option("--to", metavar="YYYY-MM-DD", help="Last day, inclusive.")
    ] = "",
    days: Annotated[
        int | None,
        typer.Option(metavar="N", help="At most so many days a lot, evenly spread; 0 for all."),
    ] = None,
    least_sessions: Annotated[
        int | None, typer.Option(metavar="N", help="Days need as many sessions.  [default: 10]")
    ] = None,
    seed: Annotated[int, typer.Option(help="First seed of the draws.")] = 0,
    seeds: Annotated[
        int | None, typer.Option(metavar="N", help="How many seeds, counted from the first.")
    ] = None,
    samples: Annotated[
        int | None, typer.Option(metavar="N", help="Random scenarios, where some are drawn.")
    ] = None,
    mechanism: Annotated[
        str,
        typer.Option(metavar="NAME", help="The chosen one: {mechanisms}; or {auctions}."),
    ] = "pro-rata",
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="KEY=VALUE",
            help="Anything else that stays the same, named as in a sweep's file, such as "
            "v2g_share=0.11; repeat for more.",
        ),
    ] = None,
    jobs: Annotated[int, typer.Option(metavar="N", help="Processes of this machine.")] = 1,
    _list: Annotated[
        bool,
        typer.Option("--list", callback=_print_list, is_eager=True, help="List the experiments."),
    ] = False,
) -> None:
    """Run an experiment, and write its tables, figures and findings.

    Without options it takes days and draws of the sample so that it ends within a minute or so.
    """
    from trading.errors import OptionError
    from trading.reports.studies import FINDINGS_NAME, STUDIES, write_study
    from trading.study import Scenario, workers_of
    from trading.study.experiments import StudyOptions, over_workers

    if name not in STUDIES:
        raise OptionError("name", name, "one of " + ", ".join(STUDIES))
    began_s = time.monotonic()
    entry = STUDIES[name]
    base = Scenario(
        **{
            "format": file_format,
            "timezone": timezone,
            "from_date": from_date,
            "to_date": to_date,
            "seed": seed,
            "mechanism": mechanism,
            **_settings(settings or []),
        }
    )
    given: dict[str, Any] = {
        "seeds": seeds,
        "least_sessions": least_sessions,
        "most_days": days,
        "samples": samples,
    }
    if days is not None and days < 0:
        raise OptionError("days", days, "1 or more, or 0 for all")
    chosen = {**entry.defaults, **{key: value for key, value in given.items() if value is not None}}
    if days == 0:
        chosen["most_days"] = None
    options = StudyOptions(bases=_bases(base, sessions or []), **chosen)
    with workers_of(jobs=jobs) as workers, progress_bars() as progress:
        tables = entry.run(options, over=over_workers(workers, progress))
    said = write_study(entry, tables, out)
    for line in said:
        typer.echo(line)
    print(
        f"{', '.join([*entry.figures, FINDINGS_NAME])} and {len(tables)} tables in {out} "
        f"(took {time.monotonic() - began_s:.0f} s)",
        file=sys.stderr,
    )


def _settings(texts: list[str]) -> dict[str, Any]:
    """Fields of a scenario from KEY=VALUE, with values as in a sweep's file."""
    import tomllib

    from trading.errors import OptionError
    from trading.study.axes import TYPES, expected_of, is_value, typed

    found: dict[str, Any] = {}
    for text in texts:
        key, is_given, value = text.partition("=")
        if not is_given or key not in TYPES:
            known = ", ".join(TYPES)
            raise OptionError("set", text, f"KEY=VALUE, KEY one of {known}")
        try:
            parsed = tomllib.loads(f"value = {value}")["value"]
        except tomllib.TOMLDecodeError:
            parsed = value
        if not is_value(key, parsed):
            raise OptionError("set", text, f"{expected_of(key)} after {key}=")
        found[key] = typed(key, parsed)
    return found


def _bases(base: Scenario, sessions: list[str]) -> tuple[Scenario, ...]:
    """One scenario a file, under its lot's name."""
    from dataclasses import replace

    from trading.errors import OptionError

    if not sessions:
        return (base,)
    found = []
    for text in sessions:
        lot, given, file = text.rpartition("=")
        if not file or (given and not lot):
            raise OptionError("sessions", text, "FILE or LOT=FILE")
        found.append(replace(base, lot=lot or Path(file).name.split(".")[0], sessions=file))
    return tuple(found)
