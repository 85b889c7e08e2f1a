"""A sweep's TOML file: which scenarios it stands for.

    skip_crossed_thresholds = false  # true leaves out scenarios with T_b above T_s

    [base]                   # one value a key, for all scenarios
    date = "2019-10-29"

    [grid]                   # a list a key; lists are crossed
    mechanism = ["pro-rata", "neediest"]
    date = [{ from = "2019-10-28", to = "2019-11-03", days = "weekdays" }]

    [sample]                 # n random draws, the same ones at every point of the grid
    n = 1000
    seed = 1
    [sample.ranges]          # a range of numbers, or a list to choose from at equal odds
    v2g_share = { low = 0.11, high = 1.0 }
    interval_s = [300, 900, 3600]

    [lots.garage]            # lots by name; without any, the sample that ships with the package
    sessions = "caltech.csv.gz"
    format = "acn"
    timezone = "America/Los_Angeles"

Keys of `base`, `grid` and `ranges` are the fields of `Scenario`, with two in place of those that
say where sessions come from: `lot`, a name in `lots` (without it, all of them), and `date`. A date
is one day, or "FIRST..LAST", one run over all of its days; in a list also a table as above, which
stands for each of its days that has sessions. The draws are a Latin hypercube, so that each key's
values are spread evenly however few there are.
"""

from __future__ import annotations

import datetime as dt
import math
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from hashlib import sha256
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from trading.data import load_sessions
from trading.errors import ConfigError, InputError, OptionError
from trading.study.axes import (
    EXPECTED,
    KEYS,
    TYPES,
    choice,
    drawn,
    expected_of,
    is_of_kind,
    is_value,
    typed,
)
from trading.study.dates import DAYS, days_named, days_of
from trading.study.scenario import (
    SAMPLE,
    Scenario,
    days_with_sessions,
    digest_of,
    file_of,
)

MOST_SCENARIOS = 1_000_000
"""More than any machine runs; a grid that crosses to more is a slip."""

Keys = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Lot:
    """A lot of the configuration: its file of sessions, and the days that have some."""

    name: str
    sessions: str
    sha256: str
    format: str
    timezone: str | None
    days: Mapping[dt.date, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a sweep runs.

    Attributes:
        source: the configuration file.
        config: its content, in values that JSON knows.
        lots: the lots that it names.
        scenarios: in a fixed order: lot, grid, draw, date. Draws from lists can repeat one another;
            they stay, so that statistics over the draws are right, and are computed once.
        crossed: how many scenarios with T_b above T_s were left out.
    """

    source: str
    config: Mapping[str, Any]
    lots: tuple[Lot, ...]
    scenarios: tuple[Scenario, ...]
    crossed: int

    def n_distinct(self) -> int:
        """How many different scenarios there are."""
        return len(set(self.scenarios))

    def digest(self) -> str:
        """SHA-256 over the scenarios' keys in order; comments and layout of the file are free."""
        keys = (scenario.key() for scenario in self.scenarios)
        return sha256("\n".join(keys).encode()).hexdigest()


def read_plan(path: str | Path) -> Plan:
    """The scenarios of a TOML file, every one of them checked.

    Paths of sessions are relative to the file's folder.

    Raises:
        ConfigError: the file cannot be read, has an unknown key, a value of the wrong type, or one
            that no lot can have, alone or together with others; all such faults are named.
    """
    path = Path(path)
    config = _parsed(path)
    reader = _Reader(path, config)
    return reader.plan()


def _parsed(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(str(path), [f"cannot be read ({error.strerror})"]) from None
    except UnicodeDecodeError:
        raise ConfigError(str(path), ["expected text in UTF-8"]) from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(str(path), [f"not TOML: {error}"]) from None


class _Reader:
    """One file on its way to a plan; faults are gathered, and raised between the steps."""

    def __init__(self, path: Path, config: dict[str, Any]) -> None:
        self.path, self.config = path, config
        self.faults: list[OptionError | str] = []

    def plan(self) -> Plan:
        self._check_tables()
        self._raise_faults()
        lots = self._lots()
        self._raise_faults()
        self._check_values(lots)
        self._raise_faults()
        scenarios, crossed = self._scenarios(lots)
        self._raise_faults()
        return Plan(
            source=str(self.path),
            config=_plain(self.config),
            lots=tuple(lots.values()),
            scenarios=scenarios,
            crossed=crossed,
        )

    def _fault(self, key: str, value: object, expected: str) -> None:
        self.faults.append(OptionError(key, value, expected))

    def _raise_faults(self) -> None:
        if self.faults:
            raise ConfigError(str(self.path), self.faults)

    # ------------------------------------------------------------------ keys and types

    def _check_tables(self) -> None:
        """Known keys, each of the type that it has to be, and none in two places."""
        config = self.config
        self._known(config, ("skip_crossed_thresholds", "base", "grid", "sample", "lots"), "")
        for name in ("base", "grid", "sample", "lots"):
            if not isinstance(config.get(name, {}), dict):
                self._fault(name, config[name], f"a table, as in [{name}]")
        if not isinstance(config.get("skip_crossed_thresholds", False), bool):
            found = config["skip_crossed_thresholds"]
            self._fault("skip_crossed_thresholds", found, "true or false")
        self._raise_faults()
        sample = config.get("sample", {})
        self._known(sample, ("n", "seed", "ranges"), "sample.")
        for key, least in (("n", 1), ("seed", 0)):
            value = sample.get(key, least)
            if type(value) is not int or value < least:
                self._fault(f"sample.{key}", value, f"a whole number from {least}")
        if "sample" in config and (not sample.get("ranges") or "n" not in sample):
            expected = "n, how many draws, and [sample.ranges] with one key or more"
            self._fault("sample", sample, expected)
        if not isinstance(sample.get("ranges", {}), dict):
            self._fault("sample.ranges", sample["ranges"], "a table, as in [sample.ranges]")
        self._raise_faults()
        for place, keys in self._places():
            self._known(keys, KEYS, f"{place}.")
        for key in KEYS:
            named = [place for place, keys in self._places() if key in keys]
            if len(named) > 1:
                self.faults.append(f"{key}: expected in one place, found in {' and '.join(named)}")

    def _places(self) -> list[tuple[str, Keys]]:
        return [
            ("base", self.config.get("base", {})),
            ("grid", self.config.get("grid", {})),
            ("sample.ranges", self.config.get("sample", {}).get("ranges", {})),
        ]

    def _known(self, table: Keys, known: Sequence[str], prefix: str) -> None:
        for key in table:
            if key in known:
                continue
            near = get_close_matches(key, known, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            self.faults.append(
                f"{prefix}{key}: not a key; expected one of {', '.join(known)}{hint}"
            )

    # ------------------------------------------------------------------ lots

    def _lots(self) -> dict[str, Lot]:
        tables = self.config.get("lots", {}) or {SAMPLE: {"sessions": SAMPLE}}
        lots = {}
        for name, table in tables.items():
            lot = self._lot(name, table)
            if lot is not None:
                lots[name] = lot
        return lots

    def _lot(self, name: str, table: object) -> Lot | None:
        where = f"lots.{name}"
        if not isinstance(table, dict):
            self._fault(where, table, f"a table, as in [{where}]")
            return None
        n_faults = len(self.faults)
        self._known(table, ("sessions", "format", "timezone"), f"{where}.")
        if "sessions" not in table:
            self._fault(where, table, "the key sessions, the file of charging sessions")
        for key, value in table.items():
            if not isinstance(value, str) or not value:
                self._fault(f"{where}.{key}", value, "a text that is not empty")
        if len(self.faults) > n_faults:
            return None
        sessions = table["sessions"]
        if sessions != SAMPLE:
            sessions = str((self.path.parent / sessions).resolve())
        elif "format" in table:
            self._fault(f"{where}.format", table["format"], "none; the sample's is acn")
        elif "timezone" in table:
            self._fault(f"{where}.timezone", table["timezone"], "none; the sample has its own")
        if sessions != SAMPLE and "format" not in table:
            self._fault(where, table, "the key format, such as 'acn'")
        if len(self.faults) > n_faults:
            return None
        format, timezone = table.get("format", "acn"), table.get("timezone")
        try:
            digest = digest_of(file_of(sessions))
            read = load_sessions(file_of(sessions), format=format, timezone=timezone)
        except OptionError as error:
            self._fault(f"{where}.{error.name}", error.value, error.expected)
            return None
        except InputError as error:
            self.faults.append(f"{where}.sessions: {error}")
            return None
        return Lot(
            name=name,
            sessions=sessions,
            sha256=digest,
            format=format,
            timezone=timezone,
            days=days_with_sessions(read),
        )

    # ------------------------------------------------------------------ values

    def _check_values(self, lots: Mapping[str, Lot]) -> None:
        """Each value by itself: its type, and that lots and dates exist."""
        base, grid, ranges = (keys for _, keys in self._places())
        for key, value in base.items():
            self._check_value(f"base.{key}", key, value, lots)
        for key, values in grid.items():
            self._check_list(f"grid.{key}", key, values, lots)
        for key, values in ranges.items():
            if isinstance(values, dict) and key != "date":
                self._check_range(f"sample.ranges.{key}", key, values)
            else:
                self._check_list(f"sample.ranges.{key}", key, values, lots)

    def _check_list(self, where: str, key: str, values: object, lots: Mapping[str, Lot]) -> None:
        if not isinstance(values, list) or not values:
            self._fault(where, values, "a list of one value or more")
            return
        for i, value in enumerate(values):
            if key == "date" and isinstance(value, dict):
                self._check_days(f"{where}[{i}]", value, lots)
            else:
                self._check_value(f"{where}[{i}]", key, value, lots)
            if any(value == other and type(value) is type(other) for other in values[:i]):
                self._fault(f"{where}[{i}]", _plain(value), "each value once")

    def _check_value(self, where: str, key: str, value: object, lots: Mapping[str, Lot]) -> None:
        if key == "lot":
            if value not in lots:
                near = get_close_matches(str(value), lots, n=1)
                hint = f"; did you mean {near[0]!r}?" if near else ""
                self._fault(where, value, "one of " + ", ".join(lots) + hint)
        elif key == "date":
            if days_named(value) is None:
                expected = "a day as 2019-10-29, or days as '2019-10-28..2019-11-03'"
                self._fault(where, value, expected)
        elif not is_value(key, value):
            self._fault(where, value, expected_of(key))

    def _check_days(self, where: str, table: Keys, lots: Mapping[str, Lot]) -> None:
        n_faults = len(self.faults)
        self._known(table, ("from", "to", "days", "at_least"), f"{where}.")
        for key in ("from", "to"):
            named = days_named(table[key]) if key in table else None
            if key in table and (named is None or named[0] != named[1]):
                self._fault(f"{where}.{key}", table[key], "a day as 2019-10-29")
        if table.get("days", "all") not in DAYS:
            self._fault(f"{where}.days", table["days"], "one of " + ", ".join(DAYS))
        at_least = table.get("at_least", 1)
        if type(at_least) is not int or at_least < 1:
            self._fault(f"{where}.at_least", at_least, "sessions a day, a whole number from 1")
        if len(self.faults) == n_faults and not any(
            days_of(table, lot.days) for lot in lots.values()
        ):
            self._fault(where, _plain(table), "days of which a lot has sessions; there are none")

    def _check_range(self, where: str, key: str, table: Keys) -> None:
        kind = TYPES.get(key, "")
        if not kind.startswith(("int", "float")):
            self._fault(where, _plain(table), "a list to choose from; only numbers have a range")
            return
        kind = kind.split(" ")[0]
        n_faults = len(self.faults)
        self._known(table, ("low", "high", "step"), f"{where}.")
        for end in ("low", "high"):
            if not is_of_kind(table.get(end), kind):
                self._fault(f"{where}.{end}", table.get(end), EXPECTED[kind])
        step = table.get("step", 1)
        if not is_of_kind(step, kind) or step <= 0:
            self._fault(f"{where}.step", step, f"{EXPECTED[kind]} above 0")
        if len(self.faults) == n_faults and not table["low"] < table["high"]:
            self._fault(where, _plain(table), "low below high")

    # ------------------------------------------------------------------ scenarios

    def _scenarios(self, lots: Mapping[str, Lot]) -> tuple[tuple[Scenario, ...], int]:
        skip = self.config.get("skip_crossed_thresholds", False)
        scenarios: list[Scenario] = []
        faulty: dict[str, tuple[OptionError, int]] = {}
        crossed = 0
        for record in self._records(lots):
            defaults = Scenario.__dataclass_fields__
            buyer = record.get("buyer_threshold", defaults["buyer_threshold"].default)
            seller = record.get("seller_threshold", defaults["seller_threshold"].default)
            if skip and 0 <= seller < buyer <= 1:
                crossed += 1
                continue
            try:
                scenarios.append(Scenario(**record))
            except OptionError as error:
                known = faulty.get(str(error), (error, 0))
                faulty[str(error)] = (known[0], known[1] + 1)
        for fault, count in faulty.values():
            places = [place for place, keys in self._places() if fault.name in keys]
            where = f"{places[0]}.{fault.name}" if places else fault.name
            n = f"{count} scenario{'s' if count > 1 else ''}"
            self._fault(where, fault.value, f"{fault.expected} (in {n})")
        if not scenarios and not self.faults:
            self.faults.append("no scenario is left: T_b is above T_s in all of them")
        return tuple(scenarios), crossed

    def _records(self, lots: Mapping[str, Lot]) -> Iterator[dict[str, Any]]:
        """Each scenario's fields: lot outermost, then the grid, then the draws, then the dates."""
        base, grid, ranges = (dict(keys) for _, keys in self._places())
        sampled = {key: ranges.pop(key, None) for key in ("lot", "date")}
        dates = grid.pop("date", [base.pop("date")] if "date" in base else [None])
        names = grid.pop("lot", [base.pop("lot")] if "lot" in base else list(lots))
        fixed = {key: typed(key, value) for key, value in base.items()}
        points = [[(key, typed(key, value)) for value in grid[key]] for key in grid]
        n_draws = self.config.get("sample", {}).get("n", 1)
        size = len(names) * math.prod(len(point) for point in points) * n_draws
        if size > MOST_SCENARIOS:
            self.faults.append(f"{size} scenarios; expected at most {MOST_SCENARIOS}")
            return
        for name, point, draw in product(
            names if sampled["lot"] is None else [None], product(*points), self._draws()
        ):
            values = {key: drawn(key, ranges[key], draw[key]) for key in ranges}
            lot = lots[name if name is not None else choice(sampled["lot"], draw["lot"])]
            here = self._dates(lot, dates if sampled["date"] is None else sampled["date"])
            if sampled["date"] is not None and here:
                here = [choice(here, draw["date"])]
            for first, last in here:
                yield {
                    "lot": lot.name,
                    "sessions": lot.sessions,
                    "sessions_sha256": lot.sha256,
                    "format": lot.format,
                    "timezone": lot.timezone,
                    "from_date": first,
                    "to_date": last,
                    **fixed,
                    **dict(point),
                    **values,
                }

    def _draws(self) -> list[dict[str, float]]:
        """A number in [0, 1) for each sampled key, once a draw; one empty draw without a sample."""
        sample = self.config.get("sample")
        if sample is None:
            return [{}]
        # Takes a second to import, in each worker too if it stood above.
        from scipy.stats import qmc

        keys = list(sample["ranges"])
        rng = np.random.default_rng(sample.get("seed", 0))
        cube = qmc.LatinHypercube(len(keys), rng=rng).random(sample["n"])
        return [dict(zip(keys, row, strict=True)) for row in cube.tolist()]

    def _dates(self, lot: Lot, entries: Sequence[Any]) -> list[tuple[str, str]]:
        """(first, last) of each run over `lot` that the entries of a list of dates stand for."""
        runs: list[tuple[str, str]] = []
        for entry in entries:
            if entry is None:
                runs.append((str(min(lot.days)), str(max(lot.days))))
            elif isinstance(entry, dict):
                runs += [(str(day), str(day)) for day in days_of(entry, lot.days)]
            else:
                named = days_named(entry)
                if named is None or not any(named[0] <= day <= named[1] for day in lot.days):
                    near = f"{min(lot.days)} to {max(lot.days)}"
                    fault = OptionError(
                        "date", str(entry), f"days with sessions in lot {lot.name}; it has {near}"
                    )
                    if str(fault) not in map(str, self.faults):
                        self.faults.append(fault)
                    continue
                runs.append((str(named[0]), str(named[1])))
        return list(dict.fromkeys(runs))


def _plain(value: Any) -> Any:
    """A TOML value in types that JSON knows: dates become texts."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value if isinstance(value, bool | int | float | str) else str(value)
