"""Write what a Besu QBFT network of four validators needs: keys, genesis, static nodes, passwords.

    python deploy/besu/prepare.py [FOLDER]

Into FOLDER (this folder without it) go `network/public/` (genesis, static nodes, configuration, the
same for all), `network/validator-N/key` (secret, one a validator) and `.env` (the database's
password). Nothing that exists is replaced: keys of a running network cannot be made again.
"""

from __future__ import annotations

import json
import secrets
import shutil
import sys
from pathlib import Path
from typing import Any

import rlp
from eth_keys.datatypes import PrivateKey

HERE = Path(__file__).resolve().parent
VALIDATORS = 4
ADDRESS_OF_VALIDATOR = "172.28.20.{}"
FIRST_HOST = 11
P2P_PORT = 30_303
VANITY = b"\0" * 32


def main(argv: list[str] | None = None) -> int:
    """Run the command line; return its exit code."""
    words = sys.argv[1:] if argv is None else argv
    folder = Path(words[0]) if words else HERE
    taken = [path for path in (folder / "network", folder / ".env") if path.exists()]
    if taken:
        print(f"prepare: {taken[0]} exists; move it away to make new keys.", file=sys.stderr)
        return 2
    keys = [PrivateKey(secrets.token_bytes(32)) for _ in range(VALIDATORS)]
    public = folder / "network" / "public"
    public.mkdir(parents=True)
    template = json.loads((HERE / "genesis.template.json").read_text(encoding="utf-8"))
    _write(public / "genesis.json", json.dumps(genesis(template, keys), indent=2) + "\n")
    _write(public / "static-nodes.json", json.dumps(static_nodes(keys), indent=2) + "\n")
    shutil.copyfile(HERE / "config.toml", public / "config.toml")
    for number, key in enumerate(keys, start=1):
        home = folder / "network" / f"validator-{number}"
        home.mkdir()
        _write(home / "key", key.to_hex() + "\n")
        # The image runs as user 1000; where this account is another, hand the file over (README).
        (home / "key").chmod(0o600)
    _write(folder / ".env", f"POSTGRES_PASSWORD={secrets.token_urlsafe(24)}\n")
    (folder / ".env").chmod(0o600)
    for number, key in enumerate(keys, start=1):
        print(f"validator {number}: {key.public_key.to_checksum_address()}")
    return 0


def genesis(template: dict[str, Any], keys: list[PrivateKey]) -> dict[str, Any]:
    """The template with its first validators.

    QBFT reads them from `extraData`: RLP of 32 free bytes, the validators' addresses, no votes,
    round 0 and no seals.
    """
    members = [key.public_key.to_canonical_address() for key in keys]
    extra = rlp.encode([VANITY, members, [], b"", []])
    return {**template, "extraData": "0x" + extra.hex()}


def static_nodes(keys: list[PrivateKey]) -> list[str]:
    """How each validator finds the others, in compose.yaml's network."""
    return [
        f"enode://{key.public_key.to_hex().removeprefix('0x')}"
        f"@{ADDRESS_OF_VALIDATOR.format(FIRST_HOST + at)}:{P2P_PORT}"
        for at, key in enumerate(keys)
    ]


def _write(path: Path, text: str) -> None:
    path.touch(mode=0o600)
    path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
