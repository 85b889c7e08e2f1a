"""From nothing to a settled trade with the commands alone, on a node that runs.

One story in order: a keystore, a consortium, its governance, drivers who sign off chain, deposits,
limits, a batch through the library, and money taken out again.
"""

from __future__ import annotations

import json
import re
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import pandas as pd
import pytest
from eth_account import Account

from tests.network.test_running_node import address_of
from tests.tools import need_tool
from tests.unit.cli.commands import run
from trading.chain import BatchState, Consortium, Key, Network, open_deployment, open_network
from trading.chain.keys import KEY_VARIABLE, KEYSTORE_VARIABLE, PASSWORD_VARIABLE
from trading.chain.networks.anvil import find_anvil
from trading.operators import Pseudonyms, read_salts

pytestmark = pytest.mark.node

GENESIS_TIME = 1_572_307_200
START = pd.Timestamp("2019-10-29T01:00Z")
SECRETS = {
    name: f"0x{number:064x}"
    for number, name in enumerate(
        ("authority", "operator 1", "operator 2", "operator 3", "engine", "lot", "buyer", "seller"),
        start=1_000,
    )
}
ADDRESSES = {name: Account.from_key(secret).address for name, secret in SECRETS.items()}
PASSWORD = "long enough for a test"

Command = Callable[..., str]


@pytest.fixture(scope="module")
def node() -> Iterator[Network]:
    if find_anvil() is None:
        need_tool("anvil")
    with open_network("anvil", genesis_time=GENESIS_TIME) as network:
        yield network


@pytest.fixture
def act(monkeypatch: pytest.MonkeyPatch, node: Network, tmp_path: Path) -> Command:
    """Run a command with someone's key; returns what it printed, and expects it to succeed."""
    for variable in (KEYSTORE_VARIABLE, PASSWORD_VARIABLE, KEY_VARIABLE):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("PEERCHARGE_NETWORK", address_of(node))
    monkeypatch.setenv("PEERCHARGE_DEPLOYMENT", str(tmp_path / "deployment.json"))

    def run_as(name: str, *arguments: object, code: int = 0) -> str:
        monkeypatch.setenv(KEY_VARIABLE, SECRETS[name])
        found, stdout, stderr = run(*arguments)
        assert found == code, stderr
        return stdout if code == 0 else stderr

    return run_as


def deploy(act: Command, tmp_path: Path) -> Path:
    file = tmp_path / "operators.txt"
    file.write_text(
        f"# seats in this order\n{ADDRESSES['operator 1']}  # north\n\n{ADDRESSES['operator 2']}\n"
    )
    out = tmp_path / "deployment.json"
    said = act(
        "authority",
        *("deploy", "--operators", file, "--quorum", 2, "--band", "0:0.60", "--spread", "0.05"),
        *("--name", "lots of the north", "--out", out),
    )
    assert "price band: 0.00 EUR/kWh to 0.60 EUR/kWh" in said
    assert json.loads(out.read_text())["contract"] in said
    return out


def consortium_of(node: Network, tmp_path: Path) -> Consortium:
    return open_deployment(node, tmp_path / "deployment.json")


def test_from_a_key_to_a_settled_trade(act: Command, node: Network, tmp_path: Path) -> None:
    deploy(act, tmp_path)
    salts = tmp_path / "salts.json"

    assert "account 1" in act("lot", "account", "register")
    assert act("authority", "admin", "set-lot", 1, 1) == "lot 1: none -> account 1\n"
    engine = ADDRESSES["engine"]
    assert (
        act("authority", "admin", "set-aggregator", engine)
        == f"aggregator {engine}: none -> admitted\n"
    )

    # The buyer sends its own enrolment, the seller signs and the engine hands in.
    said = act(
        "buyer",
        *("account", "enroll", "--session", "stay 7", "--salts", salts, "--max-buy", "0.40"),
        *("--aggregator", engine, "--valid-for", "8h"),
    )
    assert f"account 2 of {ADDRESSES['buyer']}" in said
    assert "buys up to 0.40 EUR/kWh, sells nothing, until 2019-10-29T08:" in said
    paper = tmp_path / "seller.json"
    act(
        "seller",
        *("account", "enroll", "--session", "stay 8", "--salts", salts, "--min-sell", "0.30"),
        *("--aggregator", engine, "--sign-to", paper),
    )
    assert stat.S_IMODE(paper.stat().st_mode) == 0o600
    assert "would send enroll(" in act("engine", "account", "hand-in", paper, "--dry-run")
    assert f"account 3 of {ADDRESSES['seller']}" in act("engine", "account", "hand-in", paper)
    assert "did not sign this with nonce 1" in act("engine", "account", "hand-in", paper, code=1)

    consortium = consortium_of(node, tmp_path)
    known = Pseudonyms(read_salts(salts).get)
    assert consortium.tag_of(2) == known.tag("stay 7")
    assert consortium.tag_of(3) == known.tag("stay 8")

    buyer = ADDRESSES["buyer"]
    assert (
        act("authority", "admin", "mint", buyer, "20")
        == f"tokens of {buyer}: 0.00 EUR -> 20.00 EUR\n"
    )
    assert "would send approve(" in act("buyer", "account", "fund", 2, "12.50", "--dry-run")
    assert act("buyer", "account", "fund", 2, "12.50") == (
        "free: 0.00 EUR -> 12.50 EUR\ntokens of the owner: 20.00 EUR -> 7.50 EUR\n"
    )
    assert "20000000 ueur are needed" in act("buyer", "account", "fund", 2, "20", code=1)

    settle(consortium)
    assert json.loads(act("seller", "account", "show", 3, "--json"))["free_ueur"] == 1_750_000
    assert "free                 0.05 EUR" in act("lot", "account", "show", 1)

    paper = tmp_path / "payout.json"
    act("seller", "account", "withdraw", 3, "all", "--sign-to", paper)
    said = act("engine", "account", "hand-in", paper)
    assert said == "free: 1.75 EUR -> 0.00 EUR\ntokens of the owner: 0.00 EUR -> 1.75 EUR\n"
    assert "an amount of 0" in act("seller", "account", "withdraw", 3, "all", code=1)

    act("buyer", "account", "revoke", 2)
    assert "limits               none" in act("buyer", "account", "show", 2)
    said = act("buyer", "account", "mandate", 2, "--min-sell", "0.35", "--open-to-buyers")
    assert "limits: none -> buys nothing, sells from 0.35 EUR/kWh" in said
    assert said.rstrip().endswith("through itself only, open to buyers")
    for command in (
        ("mandate", 2, "--max-buy", "0.20"),
        ("revoke", 2),
    ):
        paper = tmp_path / f"{command[0]}.json"
        act("buyer", "account", *command, "--sign-to", paper)
        assert "limits: " in act("engine", "account", "hand-in", paper)
    said = act("buyer", "account", "withdraw", 2, "10.70", "--to", ADDRESSES["lot"])
    assert said == "free: 10.70 EUR -> 0.00 EUR\n"
    assert consortium.token.balance_of(ADDRESSES["lot"]) == 10_700_000

    assert "erased" in act("lot", "account", "forget", "stay 7", "--salts", salts)
    assert "stay 7" not in read_salts(salts)


def settle(consortium: Consortium) -> None:
    """5 kWh from account 3 to account 2 at 0.36 and 0.35 EUR/kWh, through the library."""
    keys = {
        name: Key(name, Account.from_key(secret), is_demonstration=False)
        for name, secret in SECRETS.items()
    }
    trades = pd.DataFrame(
        {
            "buyer_account": [2],
            "seller_account": [3],
            "energy_wh": [5_000],
            "price_ueur_per_kwh": [360_000],
            "seller_price_ueur_per_kwh": [350_000],
            "sequence": [1],
            "interval_start": [START],
            "lot": [1],
        }
    )
    batch = consortium.submit(trades, deadline=int(START.timestamp()), by=keys["engine"]).batch
    for operator in ("operator 1", "operator 2"):
        consortium.confirm(batch.batch_id, by=keys[operator])
    consortium.settle(batch, by=keys["engine"])
    assert consortium.state_of(batch.batch_id) is BatchState.SETTLED


def test_authority_governs(act: Command, node: Network, tmp_path: Path) -> None:
    deploy(act, tmp_path)
    one, two, three = (ADDRESSES[f"operator {n}"] for n in (1, 2, 3))
    consortium = consortium_of(node, tmp_path)

    def admin(*arguments: object) -> str:
        """A change that is first only shown."""
        before = consortium.network.block_number()
        assert act("authority", "admin", *arguments, "--dry-run").startswith("would send ")
        assert consortium.network.block_number() == before
        return act("authority", "admin", *arguments)

    assert admin("add-operator", three) == (
        f"quorum: 2 of 2 -> 2 of 3\noperator on seat 2: none -> {three}\n"
    )
    assert "quorum: 2 of 3 -> 3 of 3" in admin("set-quorum", 3)
    assert "does not fit 2 operators" in act("authority", "admin", "remove-operator", one, code=1)
    assert "quorum: 3 of 3 -> 2 of 3" in admin("set-quorum", 2)
    assert f"operator on seat 0: {one} -> none" in admin("remove-operator", one)
    said = admin("rotate-operator", two, one)
    assert f"operator on seat 1: {two} -> none" in said
    assert f"operator on seat 3: none -> {one}" in said
    assert admin("set-band", "0.10:0.55") == (
        "price band: 0.00 EUR/kWh to 0.60 EUR/kWh -> 0.10 EUR/kWh to 0.55 EUR/kWh\n"
    )
    assert admin("set-spread", "0.015") == "largest spread: 0.05 EUR/kWh -> 0.015 EUR/kWh\n"
    assert admin("pause") == "paused: no -> yes\n"
    assert "is paused" in act("authority", "account", "enroll", "--max-buy", "0.3", code=1)
    assert admin("unpause") == "paused: yes -> no\n"
    assert "not paused" in act("authority", "admin", "unpause", code=1)
    act("lot", "account", "register")
    assert admin("set-lot", 1, 1) == "lot 1: none -> account 1\n"
    assert admin("set-lot", 1, 0) == "lot 1: account 1 -> none\n"
    admin("set-aggregator", one)
    assert "admitted -> none" in admin("set-aggregator", one, "--dismiss")

    heir = ADDRESSES["lot"]
    assert admin("propose-authority", heir) == f"authority offered to: none -> {heir}\n"
    assert admin("propose-authority", "--take-back") == f"authority offered to: {heir} -> none\n"
    admin("propose-authority", heir)
    assert "has not been offered" in act("buyer", "admin", "accept-authority", code=1)
    assert "authority: " in act("lot", "admin", "accept-authority")
    assert "is not the authority" in act("authority", "admin", "pause", code=1)
    assert "is not the authority" in act("authority", "admin", "pause", "--dry-run", code=1)

    shown = re.sub(" {2,}", "  ", act("buyer", "admin", "show"))
    assert f"authority  {heir}\n" in shown
    assert "name  lots of the north" in shown
    found = json.loads(act("buyer", "admin", "show", "--json"))
    assert found["quorum"] == 2
    assert [(one["address"], one["seat"]) for one in found["operators"]] == [(three, 2), (one, 3)]
    assert found["band"] == {"lowest_ueur_per_kwh": 100_000, "highest_ueur_per_kwh": 550_000}


def test_deploy_never_takes_the_place_of_a_file(
    act: Command, node: Network, tmp_path: Path
) -> None:
    out = deploy(act, tmp_path)
    before, block = out.read_bytes(), node.block_number()
    options = ("--operators", ADDRESSES["operator 1"], "--quorum", 1, "--out")
    assert "not there yet" in act("authority", "deploy", *options, out, code=2)
    assert (out.read_bytes(), node.block_number()) == (before, block)
    said = act("authority", "deploy", *options, tmp_path / "new.json", "--dry-run")
    assert "token: a new demonstration euro" in said
    token = json.loads(out.read_text())["token"]
    options = (*options, tmp_path / "new.json")
    said = act("authority", "deploy", *options, "--token", token, "--dry-run")
    assert f"token: {token}" in said
    assert node.block_number() == block
    assert not (tmp_path / "new.json").exists()
    bad = ("--token", ADDRESSES["operator 1"], "--dry-run")
    assert "cannot be the settlement token" in act("authority", "deploy", *options, *bad, code=1)


def test_deploy_on_a_full_disk_prints_where_the_contract_is(
    act: Command, node: Network, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("trading.chain.deployments.create_file", full)
    monkeypatch.setenv(KEY_VARIABLE, SECRETS["authority"])
    options = ("--operators", ADDRESSES["operator 1"], "--quorum", 1)
    code, stdout, stderr = run("deploy", *options, "--out", tmp_path / "deployment.json")
    assert code == 1
    assert stderr == "peercharge: [Errno 28] No space left on device\n"
    (tmp_path / "deployment.json").write_text(stdout)
    monkeypatch.undo()
    assert consortium_of(node, tmp_path).quorum() == 1


def test_another_chain_is_noticed_before_anything_is_sent(
    act: Command, node: Network, tmp_path: Path
) -> None:
    out = deploy(act, tmp_path)
    block = node.block_number()
    content = json.loads(out.read_text())
    for change, said in (
        ({"chain_id": 5}, "expected chain 5"),
        ({"genesis": "0x" + "ab" * 32}, "begun anew"),
        ({"contract": ADDRESSES["lot"]}, "no contract at"),
        ({"contract_digest": "ab" * 32}, "use the version that deployed it"),
    ):
        out.write_text(json.dumps(content | change))
        assert said in act("authority", "admin", "pause", code=1)
    assert node.block_number() == block


def test_a_signed_file_is_for_one_contract(act: Command, tmp_path: Path) -> None:
    deploy(act, tmp_path)
    paper = tmp_path / "enrolment.json"
    act("buyer", "account", "enroll", "--max-buy", "0.4", "--sign-to", paper)
    (tmp_path / "deployment.json").unlink()
    deploy(act, tmp_path)
    assert "sign it again for this one" in act("engine", "account", "hand-in", paper, code=1)


def test_a_keystore_made_by_the_command_signs(
    act: Command, node: Network, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    password, keystore = tmp_path / "password", tmp_path / "authority.json"
    password.write_text(PASSWORD + "\n")
    made = act("authority", "account", "new-key", "--out", keystore, "--password-file", password)
    assert stat.S_IMODE(keystore.stat().st_mode) == 0o600
    monkeypatch.setenv(KEYSTORE_VARIABLE, str(keystore))
    monkeypatch.setenv(PASSWORD_VARIABLE, PASSWORD)
    deploy(act, tmp_path)
    assert consortium_of(node, tmp_path).authority() == made.strip()
    monkeypatch.setenv(PASSWORD_VARIABLE, "another")
    assert "the given password opens" in act("authority", "admin", "pause", code=2)


def test_real_money_is_not_minted(act: Command, node: Network, tmp_path: Path) -> None:
    out = deploy(act, tmp_path)
    token = json.loads(out.read_text())["token"]
    node.ask("anvil_setCode", token, "0x00")
    said = act("authority", "admin", "mint", ADDRESSES["buyer"], "1", code=1)
    assert "not the demonstration euro" in said
