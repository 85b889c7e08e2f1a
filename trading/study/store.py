"""A sweep's folder: what has been computed so far, and the files at the end.

    sweep.json        what the sweep is: configuration, lots, seeds, versions, digests
    parts/*.parquet   one file a chunk, written in one step, so that nothing is half there
    results.parquet   all of it in the plan's order, once the last chunk is in
    results.csv       the same, if asked for
    failures.csv      scenarios without a result, with the error; no such file without failures

Nothing in it depends on when, where or in what order scenarios were computed.
"""

from __future__ import annotations

import json
import os
import platform
import secrets
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cache
from hashlib import blake2b, sha256
from importlib.metadata import PackageNotFoundError, version
from importlib.resources import files as package_files
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from trading.errors import OptionError, SweepError
from trading.study.config import Plan
from trading.study.scenario import Scenario

MANIFEST = "sweep.json"
PARTS = "parts"
RESULTS = "results.parquet"
RESULTS_CSV = "results.csv"
FAILURES = "failures.csv"
_ARROW_TYPES = {
    "int": pa.int64(),
    "float": pa.float64(),
    "bool": pa.bool_(),
    "str": pa.string(),
}
LIBRARIES = ("peercharge", "numpy", "pandas", "pyarrow", "scipy")


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """A scenario that has no result, and why."""

    key: str
    error: str
    message: str


class SweepFolder:
    """The folder of one plan.

    Attributes:
        path: where it is.
        done: keys of the scenarios whose results are in `parts`.
    """

    def __init__(self, path: Path, plan: Plan) -> None:
        """Open the folder of an interrupted sweep, or make a new one.

        Raises:
            OptionError: the folder is of another configuration or another version of this program,
                holds a file where a folder has to be, or cannot be written.
        """
        self.path, self.plan = path, plan
        self._parts = path / PARTS
        manifest = manifest_of(plan)
        try:
            if (path / MANIFEST).exists():
                self._refuse_other(manifest)
            elif self._parts.exists() or (path / RESULTS).exists():
                raise OptionError("out", str(path), f"a new folder, or a sweep's with {MANIFEST}")
            self._parts.mkdir(parents=True, exist_ok=True)
            for leftover in [*path.glob(".peercharge-*"), *self._parts.glob(".peercharge-*")]:
                leftover.unlink(missing_ok=True)
            if not (path / MANIFEST).exists():
                _write(path / MANIFEST, lambda file: file.write_text(_json(manifest), "utf-8"))
        except OSError as error:
            expected = f"a folder that can be written ({error.strerror})"
            raise OptionError("out", str(path), expected) from None
        self.done = self._keys_done() & {scenario.key() for scenario in plan.scenarios}

    @property
    def failures_path(self) -> Path:
        """Where failures are, if there are any."""
        return self.path / FAILURES

    def add(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Keep the results of a chunk; each row has its scenario's `key`."""
        if not rows:
            return
        table = _typed(pa.Table.from_pylist([dict(row) for row in rows]))
        keys = [str(row["key"]) for row in rows]
        name = blake2b("\n".join(keys).encode(), digest_size=12).hexdigest()
        _write(self._parts / f"{name}.parquet", lambda file: pq.write_table(table, file))
        self.done.update(keys)

    def finish(self, failures: Collection[Failure], *, csv: bool = False) -> pa.Table:
        """Write the results in the plan's order, and the failures; returns the results.

        Columns: `scenario`, the number in the plan from 0; `key`; the scenario's fields, `sessions`
        excepted; the results. A result that some scenarios lack is null there.
        """
        keys = [scenario.key() for scenario in self.plan.scenarios]
        table = self._table(keys)
        _write(self.path / RESULTS, lambda file: pq.write_table(table, file))
        if csv:
            _write(self.path / RESULTS_CSV, lambda file: pa_csv.write_csv(table, file))
        if failures:
            text = self._failures_csv(failures, keys)
            _write(self.path / FAILURES, lambda file: file.write_text(text, "utf-8"))
        else:
            (self.path / FAILURES).unlink(missing_ok=True)
        return table

    def _table(self, keys: Sequence[str]) -> pa.Table:
        tables = [pq.read_table(file) for file in sorted(self._parts.glob("*.parquet"))]
        if not tables:
            none = {"scenario": pa.array([], pa.int64()), "key": pa.array([], pa.string())}
            return pa.table(none)
        # What is a whole number in one part and none or a fraction in another is one column.
        table = pa.concat_tables(tables, promote_options="permissive").combine_chunks()
        row_of_key = {key: row for row, key in enumerate(table.column("key").to_pylist())}
        numbers = [number for number, key in enumerate(keys) if key in row_of_key]
        table = table.take([row_of_key[keys[number]] for number in numbers]).combine_chunks()
        return table.add_column(0, "scenario", pa.array(numbers, pa.int64()))

    def _failures_csv(self, failures: Collection[Failure], keys: Sequence[str]) -> str:
        of_key = {failure.key: failure for failure in failures}
        rows: list[dict[str, Any]] = [
            {
                "scenario": number,
                "key": key,
                "error": of_key[key].error,
                "message": of_key[key].message,
                **self.plan.scenarios[number].record(),
            }
            for number, key in enumerate(keys)
            if key in of_key
        ]
        frame = pd.DataFrame(rows)
        return str(frame.to_csv(index=False, lineterminator="\n"))

    def _keys_done(self) -> set[str]:
        keys: set[str] = set()
        for file in self._parts.glob("*.parquet"):
            try:
                keys.update(pq.read_table(file, columns=["key"]).column("key").to_pylist())
            except (pa.ArrowInvalid, OSError, KeyError):
                # A machine that lost its power can leave a file without its content.
                file.unlink()
        return keys

    def _refuse_other(self, manifest: Mapping[str, Any]) -> None:
        found = _read_manifest(self.path / MANIFEST)
        what = {
            "plan_sha256": "the sweep of another configuration",
            "code_sha256": "a sweep that another version of peercharge began",
        }
        for key, other in what.items():
            if found.get(key) != manifest[key]:
                expected = f"a folder for this sweep; it holds {other}. Name another folder"
                raise OptionError("out", str(self.path), expected)


def manifest_of(plan: Plan) -> dict[str, Any]:
    """What is written to `sweep.json`; the same for the same plan, program and libraries."""
    return {
        "scenarios": len(plan.scenarios),
        "crossed_thresholds_left_out": plan.crossed,
        "plan_sha256": plan.digest(),
        "code_sha256": code_sha256(),
        "config": plan.config,
        "lots": {
            lot.name: {"format": lot.format, "sessions_sha256": lot.sha256, "days": len(lot.days)}
            for lot in plan.lots
        },
        "seeds": {
            "sample": plan.config["sample"].get("seed", 0) if "sample" in plan.config else None,
            "scenarios": sorted({scenario.seed for scenario in plan.scenarios}),
        },
        "versions": {"python": platform.python_version(), **_versions()},
    }


@cache
def code_sha256() -> str:
    """SHA-256 over the Python files of this package: results of two states of it never mix."""
    home = Path(str(package_files("trading")))
    digest = sha256()
    for file in sorted(home.rglob("*.py"), key=lambda file: file.relative_to(home).as_posix()):
        digest.update(file.relative_to(home).as_posix().encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()


def row_of(scenario: Scenario, results: Mapping[str, int | float | str]) -> dict[str, Any]:
    """One row of the results.

    Raises:
        SweepError: a result has the name of a field, so that one would hide the other.
    """
    record = {"key": scenario.key(), **scenario.record()}
    if both := record.keys() & results.keys():
        raise SweepError(f"results and scenario both name {', '.join(sorted(both))}")
    return {**record, **results}


def _typed(table: pa.Table) -> pa.Table:
    """The scenario's fields in their own types, also where a chunk has none of them."""
    for field in fields(Scenario):
        if field.name in table.column_names:
            column = table.column_names.index(field.name)
            kind = _ARROW_TYPES[str(field.type).removesuffix(" | None")]
            table = table.set_column(column, field.name, table.column(column).cast(kind))
    return table


def _versions() -> dict[str, str]:
    found = {}
    for name in LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    return found


def _read_manifest(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise OptionError("out", str(path.parent), f"a sweep's folder; {path.name} cannot be read")
    return found


def _json(value: object) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"


def _write(path: Path, write: Callable[[Path], object]) -> None:
    """Write a file beside its place and move it there, so that it is never half written."""
    temporary = path.with_name(f".peercharge-{secrets.token_hex(6)}")
    try:
        write(temporary)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
