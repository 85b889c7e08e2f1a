"""Prove the tests: change the contracts in one place at a time and see that a test fails.

    python contracts/tools/mutate.py                     all mutants, writes contracts/mutation.json
    python contracts/tools/mutate.py --only _confirmAll  those of functions whose name contains this
    python contracts/tools/mutate.py --skip 200          go on after an interruption
    python contracts/tools/mutate.py --list              print them, run nothing

A mutant removes a check (`if (...) revert`), forces another condition, flips one comparison, one
boolean or arithmetic operator, or takes out a modifier or a statement: an assignment, a call, an
event. Each is compiled in a temporary copy and meets the unit tests; what survives them meets the
invariants. One whose tests do not end in time is counted apart. Survivors are explained in
`contracts/mutation.md`.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import json
import os
import queue
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path

CONTRACTS = Path(__file__).resolve().parent.parent
RESULTS = CONTRACTS / "mutation.json"

#: What is changed. The interface and the type strings hold nothing to flip that a compiler would
#: not refuse; the strings have a test of their own.
SOURCES = ("src/EnergyConsortium.sol", "src/AccountWord.sol", "src/Trade.sol", "src/DemoEuro.sol")

#: Copied for each worker; node_modules is linked.
COPIED = ("src", "test", "tools", "foundry.toml", "eip712.json")

FLIPS = {
    "<=": ("<", ">"),
    ">=": (">", "<"),
    "<": ("<=", ">="),
    ">": (">=", "<="),
    "==": ("!=",),
    "!=": ("==",),
    "&&": ("||",),
    "||": ("&&",),
    "+": ("-",),
    "-": ("+",),
    "*": ("+",),
    "%": ("+",),
    "|=": ("&=",),
    "&=": ("|=",),
    "+=": ("-=",),
    "-=": ("+=",),
    "|": ("&",),
    "&": ("|",),
    "<<": (">>",),
    ">>": ("<<",),
}
MODIFIERS = ("onlyAuthority", "onlyOwnerOf(account_)", "whenNotPaused", "nonReentrant")

_OPERATOR = re.compile(r"(?<= )(<=|>=|==|!=|&&|\|\||\|=|&=|\+=|-=|<<|>>|<|>|\+|-|\*|%|\||&)(?= |$)")
_NEGATION = re.compile(r"(?<=[(\s])!(?=[\w(])")
_STATEMENT = re.compile(
    r"^ +(?:emit \w+\(|delete |\+\+|--|_\w+\(|[\w.\[\]]+ (?:[|&+-]?=) |[\w.]+\.safeTransfer)",
    re.MULTILINE,
)
_FUNCTION = re.compile(r"^(?:    )?(?:function (\w+)|(constructor)|modifier (\w+))", re.MULTILINE)

#: The unit tests in one go; fewer fuzz runs than usual, since most mutants fall to the first.
UNIT = ("test", "--fail-fast", "--no-match-contract", "InvariantsTest|GasTest|Symbolic")
INVARIANTS = ("test", "--fail-fast", "--match-contract", "InvariantsTest")
TIMEOUT_S = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutant:
    """One change of one source."""

    file: str
    line: int
    function: str
    kind: str
    start: int
    end: int
    before: str
    after: str

    def applied(self, text: str) -> str:
        """The source with this change made."""
        return text[: self.start] + self.after + text[self.end :]


def main(argv: list[str] | None = None) -> int:
    """Run the command line; return its exit code."""
    parser = argparse.ArgumentParser(description="Change the contracts and see that a test fails.")
    parser.add_argument("--only", default="", help="part of a function's name")
    parser.add_argument("--skip", type=int, default=0, help="leave the first ones out")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--list", action="store_true", help="print the mutants, run nothing")
    parser.add_argument("--output", type=Path, default=RESULTS)
    arguments = parser.parse_args(argv)
    found = [one for one in mutants() if arguments.only in one.function][arguments.skip :]
    if arguments.list:
        for one in found:
            print(describe(one))
        print(f"{len(found)} mutants")
        return 0
    outcomes = run(found, jobs=arguments.jobs)
    counts = Counter(outcomes.values())
    survivors = [one for one in found if outcomes[one] == "survived"]
    for one in survivors:
        print(f"survived: {describe(one)}")
    print(", ".join(f"{count} {outcome}" for outcome, count in sorted(counts.items())))
    if not arguments.only and not arguments.skip:
        report = {
            "counts": dict(sorted(counts.items())),
            "survivors": [
                {key: value for key, value in asdict(one).items() if key not in ("start", "end")}
                for one in survivors
            ],
        }
        arguments.output.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    return 0


def describe(one: Mutant) -> str:
    """The mutant on one line."""
    before, after = (" ".join(text.split()) for text in (one.before, one.after))
    return f"{one.file}:{one.line} {one.function}: {one.kind}: `{before}` -> `{after}`"


def mutants() -> list[Mutant]:
    """Every mutant of every source, in the order of the text."""
    return [one for file in SOURCES for one in _of_file(file, (CONTRACTS / file).read_text())]


def run(found: list[Mutant], *, jobs: int) -> dict[Mutant, str]:
    """Try each mutant; return whether it was killed, by what, or survived."""
    started = time.monotonic()
    outcomes: dict[Mutant, str] = {}
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
        places: queue.Queue[Path] = queue.Queue()
        first = _copy(Path(folder) / "0")
        if _forge(first, UNIT) != "passed":
            raise SystemExit("the unchanged contracts fail their tests; nothing was tried")
        places.put(first)
        for job in range(1, jobs):
            # What is compiled already comes along.
            places.put(shutil.copytree(first, Path(folder) / str(job), symlinks=True))

        def attempt(one: Mutant) -> str:
            place = places.get()
            try:
                return _attempt(place, one)
            finally:
                places.put(place)

        with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
            waiting = {pool.submit(attempt, one): one for one in found}
            for number, done in enumerate(concurrent.futures.as_completed(waiting), start=1):
                one = waiting[done]
                outcomes[one] = done.result()
                note = f"{number}/{len(found)} {time.monotonic() - started:.0f} s"
                print(f"{note} {outcomes[one]}: {describe(one)}", file=sys.stderr, flush=True)
    return outcomes


def _copy(place: Path) -> Path:
    place.mkdir()
    for name in COPIED:
        source = CONTRACTS / name
        if source.is_dir():
            shutil.copytree(source, place / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, place / name)
    (place / "node_modules").symlink_to(CONTRACTS / "node_modules")
    return place


def _attempt(place: Path, one: Mutant) -> str:
    path = place / one.file
    original = path.read_text()
    path.write_text(one.applied(original))
    try:
        outcome = _forge(place, UNIT)
        if outcome == "passed":
            outcome = _forge(place, INVARIANTS)
            if outcome == "failed":
                return "killed by invariants"
        return {"passed": "survived", "failed": "killed"}.get(outcome, outcome)
    finally:
        path.write_text(original)


def _forge(place: Path, command: tuple[str, ...]) -> str:
    forge = next(iter(CONTRACTS.glob("node_modules/@foundry-rs/forge-*/bin/forge*")), None)
    environment = os.environ | {
        "FOUNDRY_SOLC": str(place / "tools" / "solc.js"),
        "FOUNDRY_OFFLINE": "true",
        "FOUNDRY_PROFILE": "coverage",
        "FOUNDRY_FUZZ_RUNS": "24",
    }
    try:
        done = subprocess.run(
            [str(forge or "forge"), *command],
            cwd=place,
            env=environment,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return "ran out of time"
    if done.returncode == 0:
        return "passed"
    if "Compiler run failed" in done.stdout + done.stderr:
        return "does not compile"
    return "failed"


# --------------------------------------------------------------------------------- finding them


def _of_file(file: str, text: str) -> list[Mutant]:
    code = _blanked(text)
    functions = [(found.start(), next(filter(None, found.groups()))) for found in
                 _FUNCTION.finditer(code)]  # fmt: skip
    found: list[Mutant] = []

    def add(kind: str, start: int, end: int, after: str) -> None:
        if text[start:end] == after:
            return
        owner = next((name for at, name in reversed(functions) if at <= start), "")
        if not owner or owner == "packTrade":
            return
        found.append(
            Mutant(
                file=file,
                line=text.count("\n", 0, start) + 1,
                function=owner,
                kind=kind,
                start=start,
                end=end,
                before=text[start:end],
                after=after,
            )
        )

    for match in re.finditer(r"\bif \(", code):
        start = match.end()
        end = _closing(code, start - 1)
        refuses = re.match(r"\)\s*\{?\s*(revert|_refuse)", code[end:]) is not None
        add("check removed" if refuses else "condition forced", start, end, "false")
        if not refuses:
            add("condition forced", start, end, "true")
    for match in _OPERATOR.finditer(code):
        for other in FLIPS[match[1]]:
            add("operator", match.start(1), match.end(1), other)
    for match in _NEGATION.finditer(code):
        add("negation", match.start(), match.end(), "")
    for modifier in MODIFIERS:
        for match in re.finditer(rf"(?<=[\s)]){re.escape(modifier)}(?=[\s{{])", code):
            if not code[: match.start()].rstrip().endswith("modifier"):
                add("modifier removed", match.start(), match.end(), "")
    for match in _STATEMENT.finditer(code):
        start = match.start() + len(match[0]) - len(match[0].lstrip())
        end = code.find(";", start) + 1
        if code[start:end].count("(") == code[start:end].count(")"):
            add("statement removed", start, end, "")
    return sorted(found, key=lambda one: (one.start, one.after))


def _blanked(text: str) -> str:
    """The text with comments and strings blanked, every position kept."""
    return re.sub(
        r"//[^\n]*|/\*.*?\*/|\"[^\"\n]*\"", lambda m: " " * len(m[0]), text, flags=re.DOTALL
    )


def _closing(code: str, opening: int) -> int:
    depth = 0
    for at in range(opening, len(code)):
        depth += {"(": 1, ")": -1}.get(code[at], 0)
        if depth == 0:
            return at
    raise ValueError(f"no bracket closes the one at {opening}")


if __name__ == "__main__":
    sys.exit(main())
