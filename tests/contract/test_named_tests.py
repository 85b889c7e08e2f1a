"""The contract's documents name tests that exist, and leave out none that guards a threat."""

from __future__ import annotations

import json
import re
from collections import Counter

import pytest

from tests.tools import ROOT

README = (ROOT / "contracts" / "README.md").read_text(encoding="utf-8")
GUIDE = (ROOT / "docs" / "contract.md").read_text(encoding="utf-8")
MUTATION = (ROOT / "contracts" / "mutation.md").read_text(encoding="utf-8")

FORGE_TESTS = {
    name
    for path in (ROOT / "contracts" / "test").rglob("*.sol")
    for name in re.findall(r"function (\w+)", path.read_text(encoding="utf-8"))
    if re.match(r"(test|testFuzz|invariant|check)_", name)
}
PYTHON_TESTS = {
    name
    for path in (ROOT / "tests").rglob("test_*.py")
    for name in re.findall(r"def (test_\w+)", path.read_text(encoding="utf-8"))
}


def named(text: str) -> set[str]:
    """Names of tests in backticks; three dots stand for any rest."""
    return set(re.findall(r"`((?:test|testFuzz|invariant|check)_[\w.]+)`", text))


def covers(name: str, test: str) -> bool:
    return re.fullmatch(re.escape(name).replace(r"\.\.\.", r"\w*"), test) is not None


def section(text: str, title: str) -> str:
    found = re.search(rf"^## {title}\n(.*?)(?=^## |\Z)", text, flags=re.MULTILINE | re.DOTALL)
    assert found, f"no section {title!r}"
    return found[1]


@pytest.mark.parametrize("text", [README, GUIDE, MUTATION], ids=["README", "guide", "mutation"])
def test_every_test_that_is_named_exists(text):
    tests = FORGE_TESTS | PYTHON_TESTS
    missing = {name for name in named(text) if not any(covers(name, test) for test in tests)}
    assert not missing


def test_every_test_of_a_threat_is_in_the_table_of_threats():
    names = named(section(README, "Threats"))
    guards = {test for test in FORGE_TESTS if "threat" in test}
    assert guards
    assert not {test for test in guards if not any(covers(name, test) for name in names)}


def test_each_of_the_nine_invariants_names_the_tests_that_guard_it():
    invariants = re.split(r"^(\d)\. ", section(README, "Invariants"), flags=re.MULTILINE)[1:]
    guarded = dict(zip(invariants[::2], map(named, invariants[1::2]), strict=True))
    assert list(guarded) == [str(number) for number in range(1, 10)]
    assert all(guarded.values())
    tests = FORGE_TESTS | PYTHON_TESTS
    for number, names in guarded.items():
        own = {test for test in tests if re.match(rf"test(Fuzz)?_INV{number}_", test)}
        assert not {test for test in own if not any(covers(name, test) for name in names)}, number


def test_every_symbolic_proof_is_told_in_the_guide():
    names = named(section(GUIDE, "Symbolic proofs"))
    proofs = {test for test in FORGE_TESTS if test.startswith("check_")}
    assert proofs
    assert not {test for test in proofs if not any(covers(name, test) for name in names)}


def test_every_surviving_mutant_is_explained():
    report = json.loads((ROOT / "contracts" / "mutation.json").read_text(encoding="utf-8"))
    survivors = Counter(
        (
            one["function"],
            f"`{one['before']}` -> " + (f"`{one['after']}`" if one["after"] else "nothing"),
        )
        for one in report["survivors"]
    )
    rows = Counter(
        (function, change)
        for function, change in survivors
        for line in section(MUTATION, "Survivors").splitlines()
        if line.startswith(f"| `{function}` | {change}")
    )
    assert rows == survivors
    assert f"| survived | {report['counts']['survived']} |" in MUTATION
    assert f"| killed | {report['counts']['killed']} |" in MUTATION
