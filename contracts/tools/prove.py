"""Run the symbolic proofs of `test/Symbolic.t.sol` with halmos, in a temporary copy.

    python contracts/tools/prove.py                all of them
    python contracts/tools/prove.py --only settle  those whose name contains this

It exits with 0 when all hold, with 1 when one does not, and with 3 when halmos is missing.

halmos is looked for in `$HALMOS`, beside this file in `.venv` (`make proof-tools` puts it there)
and on PATH. It needs the compiler's syntax tree, which forge's other runs leave out.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

CONTRACTS = Path(__file__).resolve().parent.parent
COPIED = ("src", "test", "tools/solc.js", "foundry.toml", "eip712.json")

#: Seconds for one assertion; all proofs together need a minute.
ASSERTION_TIMEOUT_S = 300

#: Rounds of a loop whose length is not fixed; batches have at most two trades, votes four seats.
LOOP = 8

TIMEOUT_S = 1800

_SUMMARY = re.compile(r"Symbolic test result: (\d+) passed; (\d+) failed")
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")


def main(argv: list[str] | None = None) -> int:
    """Run the proofs; return 0 when all hold, 1 when one does not, 3 when halmos is missing."""
    parser = argparse.ArgumentParser(description="Prove the contracts with halmos.")
    parser.add_argument("--only", default="", help="part of a proof's name")
    only = parser.parse_args(argv).only
    halmos = find_halmos()
    if halmos is None:
        print("halmos is missing: run `make proof-tools`", file=sys.stderr)
        return 3
    with tempfile.TemporaryDirectory(prefix="proofs-") as folder:
        place = Path(folder)
        for name in COPIED:
            (place / name).parent.mkdir(parents=True, exist_ok=True)
            copy = shutil.copytree if (CONTRACTS / name).is_dir() else shutil.copy
            copy(CONTRACTS / name, place / name)
        (place / "node_modules").symlink_to(CONTRACTS / "node_modules")
        settings = (place / "foundry.toml").read_text()
        (place / "foundry.toml").write_text(
            settings.replace("[profile.default]\n", "[profile.default]\nast = true\n", 1)
        )
        text = _run(halmos, place, only)
    lines = [line for line in text.splitlines() if line.startswith(("[", "Symbolic"))]
    print("\n".join(lines) or text[-3000:])
    found = _SUMMARY.findall(text)
    return 0 if found and all(failed == "0" for _, failed in found) else 1


def find_halmos() -> Path | None:
    """The program, or None."""
    beside = CONTRACTS / "tools" / ".venv" / "bin" / "halmos"
    found = os.environ.get("HALMOS") or (str(beside) if beside.is_file() else None)
    found = found or shutil.which("halmos")
    return Path(found) if found else None


def _run(halmos: Path, place: Path, only: str) -> str:
    forge = next(iter(CONTRACTS.glob("node_modules/@foundry-rs/forge-*/bin/forge*")), None)
    path = [str(halmos.parent), *([str(forge.parent)] if forge else []), os.environ["PATH"]]
    environment = os.environ | {
        "FOUNDRY_SOLC": str(place / "tools" / "solc.js"),
        "FOUNDRY_OFFLINE": "true",
        "FOUNDRY_PROFILE": "default",
        "PATH": os.pathsep.join(path),
    }
    # To a file: its progress display stalls on a pipe.
    with (place / "proofs.log").open("w+") as log:
        try:
            subprocess.run(
                [str(halmos), "--match-contract", "Proofs",
                 "--match-test", f"^check_.*{re.escape(only)}",
                 "--no-status", "--loop", str(LOOP),
                 "--solver-timeout-assertion", f"{ASSERTION_TIMEOUT_S}s"],
                cwd=place,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                timeout=TIMEOUT_S,
                check=False,
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            log.write(f"stopped after {TIMEOUT_S} s\n")
        log.seek(0)
        return _COLOUR.sub("", log.read())


if __name__ == "__main__":
    sys.exit(main())
