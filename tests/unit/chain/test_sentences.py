"""No error of the contracts is without its class, its sentence and its entry in the documents."""

from __future__ import annotations

import json
import re
from string import Formatter
from typing import Any

import pytest

from tests.tools import ROOT
from trading import chain, errors
from trading.chain.artifacts import CONTRACTS, load
from trading.chain.reverts import as_error
from trading.chain.sentences import SENTENCES, sentence
from trading.chain.states import BatchState
from trading.errors import BadTradeError
from trading.operators.rules import Finding

WITHOUT_ABI = {"OutOfGas": ("gas",), "Unknown": ("data",)}
KNOWN = {
    kind.name: kind.names for name in CONTRACTS for kind in load(name).interface.errors.values()
} | WITHOUT_ABI


def test_every_error_of_the_abi_has_a_class_and_no_other_does() -> None:
    assert SENTENCES.keys() == KNOWN.keys()


@pytest.mark.parametrize("name", SENTENCES)
def test_sentence_uses_the_arguments_of_its_error(name: str) -> None:
    used = {field for _, field, _, _ in Formatter().parse(SENTENCES[name][1]) if field}
    assert used <= set(KNOWN[name])
    text = sentence(name, dict.fromkeys(KNOWN[name], 1))
    assert text.endswith(".")
    assert "{" not in text


def test_errors_about_one_trade_are_bad_trades_and_begin_with_its_index() -> None:
    for name, (kind, template) in SENTENCES.items():
        is_about_a_trade = KNOWN[name][:1] == ("index",)
        assert issubclass(kind, BadTradeError) == is_about_a_trade, name
        assert template.startswith("trade {index}: ") == is_about_a_trade, name


def test_a_refusal_and_an_operators_reason_call_one_trade_by_one_number() -> None:
    refused = as_error("TradeEnergyZero", {"index": 0})
    found = Finding(rule="cost", trade_index=refused.trade_index, sentence="it is wrong")
    assert str(refused).partition(":")[0] == str(found).partition(":")[0] == "trade 1"


def test_sentences_show_states_and_times_as_people_read_them() -> None:
    found = sentence("BatchUnexpectedState", {"batchId": "0x1", "current": 7, "accepted": 0b10100})
    assert "is expired and this needs it to be confirmed or rejected" in found
    found = sentence(
        "BatchDeadlineOutOfRange", {"deadline": 0, "earliest": 1_572_307_200, "latest": 2**255}
    )
    assert "1970-01-01T00:00:00Z is outside 2019-10-29T00:00:00Z to 5789604" in found


def test_states_are_those_of_the_contract() -> None:
    source = (ROOT / "contracts" / "src" / "IEnergyConsortium.sol").read_text(encoding="utf-8")
    body = re.search(r"enum BatchState \{([^}]*)\}", source)
    assert body is not None
    assert [name.strip().lower() for name in body[1].split(",")] == [s.value for s in BatchState]


def test_document_of_errors_has_an_entry_for_each() -> None:
    text = (ROOT / "docs" / "errors.md").read_text(encoding="utf-8")
    headings = re.findall(r"^### `(\w+)`$", text, re.MULTILINE)
    entries = re.split(r"^### `\w+`$", text, flags=re.MULTILINE)[1:]
    ledger_errors = [
        name for name, kind in vars(errors).items() if _is_own_error(kind) and _has_no_revert(kind)
    ]
    assert sorted(headings) == sorted([*SENTENCES, *ledger_errors])
    for heading, entry in zip(headings, entries, strict=True):
        if heading in SENTENCES:
            assert f"Raised as `{SENTENCES[heading][0].__name__}`." in entry, heading
        assert re.search(r"^- Why: .+", entry, re.MULTILINE), heading
        assert re.search(r"^- To do: .+", entry, re.MULTILINE), heading


def _is_own_error(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, errors.PeerchargeError)


def _has_no_revert(kind: type[errors.PeerchargeError]) -> bool:
    is_root = kind in (errors.PeerchargeError, errors.InputError)
    return not is_root and not issubclass(kind, errors.LedgerRevertedError)


def test_public_names_are_sorted_and_there() -> None:
    classes = [name for name in chain.__all__ if not name.islower()]
    functions = [name for name in chain.__all__ if name.islower()]
    assert classes == sorted(classes, key=lambda name: (not name.isupper(), name))
    assert functions == sorted(functions)
    assert all(hasattr(chain, name) for name in chain.__all__)


def test_artifacts_are_what_the_contracts_folder_holds() -> None:
    folder = ROOT / "contracts" / "artifacts"
    assert {path.stem for path in folder.glob("*.json")} == set(CONTRACTS)
    for name in CONTRACTS:
        content = json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))
        assert load(name).bytecode.hex() == content["bytecode"].removeprefix("0x")
