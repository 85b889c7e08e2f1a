"""Compile the contracts into `artifacts/`, or check that the committed ones are up to date.

    python contracts/build.py            write the artifacts
    python contracts/build.py --check    recompile, compare, exit 1 with the differences

The product runs from the committed artifacts and needs no compiler. Compiler settings come from
`foundry.toml`, so that forge and this script produce the same bytecode. Paths inside the
compiler's input are relative and fixed: they enter the metadata, whose hash ends the bytecode.

A compiler is looked for in this order: `$SOLC`, py-solc-x's folder, the npm package behind
`tools/solc.js`, a download by py-solc-x.
"""

from __future__ import annotations

import argparse
import difflib
import hashlib
import json
import logging
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import solcx

ROOT = Path(__file__).resolve().parent
ARTIFACTS = ROOT / "artifacts"

#: Contract name to the file that holds it. Each becomes one artifact.
CONTRACTS = {
    "DemoEuro": "src/DemoEuro.sol",
    "EnergyConsortium": "src/EnergyConsortium.sol",
}

#: Contract name to the file with the types that are signed for it (EIP-712).
SIGNED_TYPES = {"EnergyConsortium": "eip712.json"}

#: py-solc-x downloads without a timeout of its own; a native compiler is about 15 MB.
DOWNLOAD_TIMEOUT_S = 120

#: Artifact files hold at most this many differing lines in the output of `--check`.
DIFF_LINES = 40

_IMPORT = re.compile(r"""^\s*import\b[^;]*?["']([^"']+)["']\s*;""", re.MULTILINE)

_log = logging.getLogger("contracts.build")


class BuildError(Exception):
    """The contracts cannot be compiled here; the message says what is missing."""


def main(argv: list[str] | None = None) -> int:
    """Run the command line; return its exit code."""
    parser = argparse.ArgumentParser(description="Compile the contracts into artifacts/.")
    parser.add_argument(
        "--check", action="store_true", help="compare with the committed artifacts, write nothing"
    )
    arguments = parser.parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    try:
        artifacts = {f"{name}.json": text for name, text in compile_contracts().items()}
    except BuildError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return check(artifacts) if arguments.check else write(artifacts)


def write(artifacts: dict[str, str]) -> int:
    """Write each artifact and print what was written."""
    ARTIFACTS.mkdir(exist_ok=True)
    for file_name, text in artifacts.items():
        (ARTIFACTS / file_name).write_text(text, encoding="utf-8")
        size = (len(json.loads(text)["deployed_bytecode"]) - 2) // 2
        print(f"contracts/artifacts/{file_name}: {size:,} bytes deployed")
    return 0


def check(artifacts: dict[str, str]) -> int:
    """Compare fresh artifacts with the committed ones; print the differences of each file."""
    stale = 0
    for file_name in sorted({*artifacts, *(path.name for path in ARTIFACTS.glob("*.json"))}):
        path = ARTIFACTS / file_name
        committed = path.read_text(encoding="utf-8") if path.exists() else ""
        fresh = artifacts.get(file_name, "")
        if committed == fresh:
            print(f"contracts/artifacts/{file_name}: up to date")
            continue
        stale += 1
        print(f"contracts/artifacts/{file_name}: differs from what the sources compile to")
        _print_differences(committed, fresh)
    if stale:
        print("Run `python contracts/build.py` and commit the result.")
    return 1 if stale else 0


def compile_contracts() -> dict[str, str]:
    """Compile every contract; return the text of its artifact by contract name.

    Raises:
        BuildError: no compiler or library was found, or the sources do not compile cleanly.
    """
    profile = _profile()
    compiler = find_compiler(profile["solc_version"])
    _log.info("compiling with %s", _label(compiler))
    remappings = dict(line.split("=", 1) for line in profile["remappings"])
    artifacts = {}
    for name, file_name in CONTRACTS.items():
        sources = _collect_sources(file_name, remappings)
        request = {
            "language": "Solidity",
            "sources": {source: {"content": text} for source, text in sources.items()},
            "settings": _settings(profile, file_name),
        }
        try:
            output = solcx.compile_standard(request, solc_binary=compiler)
        except solcx.exceptions.SolcError as error:
            raise BuildError(f"the sources do not compile:\n{error.message}") from error
        if warnings := _own_warnings(output.get("errors", [])):
            raise BuildError("the sources compile with warnings:\n" + "\n".join(warnings))
        artifacts[name] = _artifact(name, file_name, output, sources)
    return artifacts


def _own_warnings(found: list[dict[str, Any]]) -> list[str]:
    """Leave out what the compiler says of pinned libraries, which are not ours to change."""
    return [
        entry["formattedMessage"]
        for entry in found
        if not entry.get("sourceLocation", {}).get("file", "").startswith("node_modules/")
    ]


def find_compiler(version: str) -> Path:
    """Return a program that answers `--version` and `--standard-json` as `solc` does.

    Raises:
        BuildError: there is none and none could be downloaded.
    """
    if named := os.environ.get("SOLC"):
        found = shutil.which(named)
        if found is None:
            raise BuildError(f"$SOLC names {named}, which is not a program")
        return _require_version(Path(found), version)
    if version in {str(installed) for installed in solcx.get_installed_solc_versions()}:
        return Path(solcx.install.get_executable(version))
    shim = ROOT / "tools" / "solc.js"
    if shutil.which("node") and (ROOT / "node_modules" / "solc").is_dir():
        return _require_version(shim, version)
    try:
        subprocess.run(
            [sys.executable, "-c", f"import solcx; solcx.install_solc({version!r})"],
            check=True,
            capture_output=True,
            timeout=DOWNLOAD_TIMEOUT_S,
        )
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
        raise BuildError(
            f"no Solidity compiler {version}: set $SOLC, or run `npm ci` in contracts/ (needs "
            "Node), or let py-solc-x download it (failed here)"
        ) from error
    return Path(solcx.install.get_executable(version))


def _profile() -> dict[str, Any]:
    with (ROOT / "foundry.toml").open("rb") as file:
        profile: dict[str, Any] = tomllib.load(file)["profile"]["default"]
    return profile


def _settings(profile: dict[str, Any], file_name: str) -> dict[str, Any]:
    """Return the compiler's settings for one file, as forge derives them from `foundry.toml`."""
    production = profile["additional_compiler_profiles"][0]
    return {
        "evmVersion": profile["evm_version"],
        "metadata": {"bytecodeHash": profile["bytecode_hash"]},
        "optimizer": {"enabled": production["optimizer"], "runs": production["optimizer_runs"]},
        "outputSelection": {
            file_name: {
                "*": [
                    "abi",
                    "metadata",
                    "storageLayout",
                    "evm.bytecode.object",
                    "evm.deployedBytecode.object",
                    "evm.deployedBytecode.immutableReferences",
                ]
            }
        },
        "remappings": profile["remappings"],
        "viaIR": production["via_ir"],
    }


def _require_version(compiler: Path, version: str) -> Path:
    answer = subprocess.run(
        [str(compiler), "--version"], check=False, capture_output=True, text=True, timeout=60
    )
    if f"Version: {version}" not in answer.stdout:
        found = answer.stdout.strip().rpartition("\n")[2] or answer.stderr.strip() or "no answer"
        raise BuildError(f"{_label(compiler)} is not Solidity {version}: {found}")
    return compiler


def _label(path: Path) -> str:
    """Name a path without the machine's folders where it lies inside the project."""
    return str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else str(path)


def _collect_sources(entry: str, remappings: dict[str, str]) -> dict[str, str]:
    """Read a file and all it imports; return text by path relative to `contracts/`, sorted."""
    sources: dict[str, str] = {}
    waiting = [entry]
    while waiting:
        name = waiting.pop()
        if name in sources:
            continue
        path = ROOT / name
        if not path.is_file():
            hint = "; run `npm ci` in contracts/" if name.startswith("node_modules") else ""
            raise BuildError(f"{name} is missing{hint}")
        sources[name] = path.read_text(encoding="utf-8")
        waiting += [_resolve(found, name, remappings) for found in _IMPORT.findall(sources[name])]
    return dict(sorted(sources.items()))


def _resolve(imported: str, importer: str, remappings: dict[str, str]) -> str:
    if imported.startswith("."):
        return os.path.normpath(Path(importer).parent / imported).replace(os.sep, "/")
    for prefix, target in remappings.items():
        if imported.startswith(prefix):
            return target + imported[len(prefix) :]
    return imported


def _artifact(name: str, file_name: str, output: dict[str, Any], sources: dict[str, str]) -> str:
    compiled = output["contracts"][file_name][name]
    metadata = json.loads(compiled["metadata"])
    digests = {
        source: hashlib.sha256(sources[source].encode()).hexdigest()
        for source in sorted(metadata["sources"])
    }
    listing = "".join(f"{digest}  {source}\n" for source, digest in digests.items())
    artifact = {
        "contract": name,
        "file": file_name,
        "compiler": {
            "version": metadata["compiler"]["version"],
            "settings": metadata["settings"],
        },
        # Of the lines "<sha256 of a source>  <its name>\n", as `sha256sum` prints them.
        "source_digest": hashlib.sha256(listing.encode()).hexdigest(),
        "sources": digests,
        "abi": compiled["abi"],
        "bytecode": "0x" + compiled["evm"]["bytecode"]["object"],
        "deployed_bytecode": "0x" + compiled["evm"]["deployedBytecode"]["object"],
        "immutable_references": compiled["evm"]["deployedBytecode"]["immutableReferences"],
        "storage_layout": _without_ids(compiled["storageLayout"]),
    }
    if name in SIGNED_TYPES:
        artifact["eip712"] = json.loads((ROOT / SIGNED_TYPES[name]).read_text(encoding="utf-8"))
    return json.dumps(artifact, indent=2) + "\n"


def _without_ids(layout: dict[str, Any]) -> dict[str, Any]:
    """Drop the syntax tree's numbers, which change whenever any other line of a source does."""
    text = json.dumps(
        {
            "storage": [
                {key: value for key, value in entry.items() if key != "astId"}
                for entry in layout["storage"]
            ],
            "types": {
                key: value
                if "members" not in value
                else {
                    **value,
                    "members": [
                        {k: v for k, v in member.items() if k != "astId"}
                        for member in value["members"]
                    ],
                }
                for key, value in (layout["types"] or {}).items()
            },
        }
    )
    cleaned: dict[str, Any] = json.loads(re.sub(r"\)\d+(_storage)?", r")\1", text))
    return cleaned


def _print_differences(committed: str, fresh: str) -> None:
    old, new = (_shortened(text) for text in (committed, fresh))
    lines = list(difflib.unified_diff(old, new, "committed", "compiled", n=1, lineterm=""))
    for line in lines[:DIFF_LINES]:
        print(f"  {line}")
    if len(lines) > DIFF_LINES:
        print(f"  ... {len(lines) - DIFF_LINES} more lines")


def _shortened(text: str) -> list[str]:
    """Split into lines; stand a digest in for bytecode, which would fill the screen."""
    return [
        line
        if len(line) <= 200
        else f"{line[:40]}... sha256 {hashlib.sha256(line.encode()).hexdigest()[:16]}"
        for line in text.splitlines()
    ]


if __name__ == "__main__":
    sys.exit(main())
