"""Run slither over the contracts and hold its findings to those answered in `docs/contract.md`.

    python contracts/tools/analyse.py    exit 0 when each finding is answered, 1 when one is not,
                                         3 without slither

slither is looked for in `$SLITHER`, beside this file in `.venv` (`make proof-tools` puts it there)
and on PATH. It runs in a temporary copy, where it may build as it likes.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

CONTRACTS = Path(__file__).resolve().parent.parent
COPIED = ("src", "tools/solc.js", "foundry.toml")

#: Detector to the functions, values or files in which its findings are answered.
ANSWERED = {
    "unused-return": {"_signerOf"},
    "missing-zero-check": {"proposed"},
    "timestamp": {
        "_takeSeat",
        "_setMandate",
        "_checkSignature",
        "_submit",
        "_state",
        "_checkBuyer",
        "_checkSeller",
        "operators",
    },
    "assembly": {"_words"},
    "pragma": {"^0.8.20"},
    "dead-code": {"src/Trade.sol", "src/AccountWord.sol"},
    "naming-convention": {
        "MAX_TRADES",
        "MAX_LIFETIME",
        "MAX_SEQUENCE_STEP",
        "MAX_REASON_LENGTH",
        "MAX_DEPOSITS",
        "MAX_SEATS",
    },
}

TIMEOUT_S = 600


def main() -> int:
    """Run slither; return 0 when all is answered, 1 when something is not, 3 without slither."""
    slither = find_slither()
    if slither is None:
        print("slither is missing: run `make proof-tools`", file=sys.stderr)
        return 3
    found = analyse(slither)
    for (check, impact), count in Counter((one["check"], one["impact"]) for one in found).items():
        print(f"{count:3} {impact.lower():13} {check}")
    unanswered = [one for one in found if not is_answered(one)]
    for one in unanswered:
        print(f"not answered: {one['check']}: {one['description'].strip()}")
    print(f"{len(found)} findings, {len(unanswered)} of them not answered")
    return 1 if unanswered else 0


def find_slither() -> Path | None:
    """The program, or None."""
    beside = CONTRACTS / "tools" / ".venv" / "bin" / "slither"
    found = os.environ.get("SLITHER") or (str(beside) if beside.is_file() else None)
    found = found or shutil.which("slither")
    return Path(found) if found else None


def analyse(slither: Path) -> list[dict[str, Any]]:
    """Slither's findings outside the libraries, as it writes them.

    Raises SystemExit with slither's output when it does not come to an end.
    """
    with tempfile.TemporaryDirectory(prefix="slither-") as folder:
        place = Path(folder)
        for name in COPIED:
            (place / name).parent.mkdir(parents=True, exist_ok=True)
            copy = shutil.copytree if (CONTRACTS / name).is_dir() else shutil.copy
            copy(CONTRACTS / name, place / name)
        (place / "node_modules").symlink_to(CONTRACTS / "node_modules")
        forge = next(iter(CONTRACTS.glob("node_modules/@foundry-rs/forge-*/bin/forge*")), None)
        path = [str(slither.parent), *([str(forge.parent)] if forge else []), os.environ["PATH"]]
        # It exits 255 when it has findings.
        done = subprocess.run(
            [str(slither), ".", "--exclude-dependencies", "--json", "found.json"],
            cwd=place,
            env=os.environ
            | {
                "FOUNDRY_SOLC": str(place / "tools" / "solc.js"),
                "FOUNDRY_OFFLINE": "true",
                "FOUNDRY_PROFILE": "default",
                "PATH": os.pathsep.join(path),
            },
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
        )
        written = place / "found.json"
        report = json.loads(written.read_text()) if written.is_file() else {"success": False}
        if not report["success"]:
            raise SystemExit(f"slither failed:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    found: list[dict[str, Any]] = report["results"].get("detectors", [])
    return found


def is_answered(one: dict[str, Any]) -> bool:
    """Whether the finding is of a kind and at a place that the documents speak of."""
    first = one["elements"][0]
    places = {first["name"], first["source_mapping"]["filename_relative"]}
    return bool(places & ANSWERED.get(one["check"], set()))


if __name__ == "__main__":
    sys.exit(main())
