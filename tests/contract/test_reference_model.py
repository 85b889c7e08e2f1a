"""Invariant 8: the contract and a plain model, given the same random calls, stay the same.

Each step is one transaction on the embedded chain, bad ones included. Both sides must refuse with
the same error and arguments, or emit the same events and then agree on everything the contract's
views tell. `HYPOTHESIS_PROFILE=full` has the counterexample database and another seed each time.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from random import Random
from typing import Any, ClassVar

import pytest
from hypothesis import HealthCheck, Phase, event, note, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    rule,
    run_state_machine_as_test,
)

from tests.contract.founding import found
from tests.contract.steps import WEIGHTED, take
from tests.contract.twin import Twin
from tests.contract.world import GENESIS_TIME
from tests.reference_governance import MAX_SEATS
from trading.chain import open_network

# Each a seed. The other kind, all of whose draws shrink, takes as long as the chain itself and
# comes back to few values; a failure shrinks to few steps either way.
chances = st.randoms(use_true_random=True)

LANDMARKS = {
    "submit",
    "submit_with_signatures",
    "confirm_with_signatures",
    "settled",
    "spread paid",
    "refunded rejected",
    "refunded cancelled",
    "refunded expired",
    "finalize",
    "seat given again",
    "set_mandate_by_signature",
}
"""What a run has to have met, or it has proven little; counted by `Twin`."""


class Worlds:
    """One chain with two consortiums, so that an example costs a snapshot, not a founding."""

    def __init__(self, plain: Twin, crowded: Twin) -> None:
        self.network = plain.network
        self.twins = {"plain": plain, "crowded": crowded}
        self.start = self.network.ask("evm_snapshot")

    def open(self, name: str, counts: Counter[str]) -> Twin:
        """The consortium as it was founded, whatever was done to it since."""
        self.network.ask("evm_revert", self.start)
        # eth-tester forgets a snapshot that it went back to.
        self.start = self.network.ask("evm_snapshot")
        self.network.forget_nonces()
        first = self.twins[name]
        return Twin(first.consortium, first.copy_model(), first.people, counts)


@pytest.fixture(scope="module")
def worlds() -> Iterator[Worlds]:
    with open_network("embedded", genesis_time=GENESIS_TIME) as network:
        yield Worlds(found(network), found(network, n_operators=MAX_SEATS))


class Machine(RuleBasedStateMachine):
    """A random life of the consortium, one transaction or stretch of time after the other."""

    worlds: ClassVar[Worlds]
    counts: ClassVar[Counter[str]]
    twin: Twin
    is_agreed = False

    @initialize(world=st.sampled_from(["plain", "plain", "plain", "crowded"]))
    def found(self, world: str) -> None:
        self.twin = self.worlds.open(world, self.counts)

    # One rule with shares, because hypothesis leaves out half of many rules in each example: no
    # batch is settled where nobody submits or votes.
    @rule(step=st.sampled_from(WEIGHTED), chance=chances)
    def take(self, step: str, chance: Random) -> None:
        self.is_agreed = False
        act, refusal = take(self.twin, step, chance)
        self.is_agreed = True
        if act is not None:
            note(f"{act}: {refusal or 'done'}")
            event(f"{act.function}: {refusal or 'done'}")

    def teardown(self) -> None:
        # After a disagreement the first one is to be reported, not what came of it.
        if self.is_agreed:
            self.twin.compare(after="everything")


def with_room_on_the_stack(function: Callable[[], None]) -> None:
    """Call a function from a frame so large that the frames of all its callees fit beside it.

    CPython keeps frames in chunks of 16 kB and gives a chunk back as soon as it is empty. Under
    pytest and hypothesis the loop of py-evm happens to straddle the end of one: 800,000 maps and
    unmaps in 4 examples, half of the time. A chunk is as large as the frame it was made for needs.
    """
    names = " = ".join(f"v{number}" for number in range(9_000))
    space: dict[str, Any] = {}
    exec(
        f"def call(function):\n    function()\n    if function is None:\n        {names} = 0", space
    )
    space["call"](function)


def run(worlds: Worlds, *, examples: int, steps: int) -> Counter[str]:
    """Run the machine and return what it met."""
    Machine.worlds, Machine.counts = worlds, Counter()
    chosen = settings(
        max_examples=examples,
        stateful_step_count=steps,
        # Explaining a failure tries many more steps, each of which costs a block.
        phases=[Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
    )
    with_room_on_the_stack(lambda: run_state_machine_as_test(Machine, settings=chosen))
    return +Machine.counts


def test_INV8_contract_and_model_agree_on_every_call(worlds: Worlds) -> None:
    met = run(worlds, examples=16, steps=40)
    assert met.keys() >= LANDMARKS, sorted(LANDMARKS - met.keys())


@pytest.mark.full
def test_INV8_contract_and_model_agree_on_very_many_calls(worlds: Worlds) -> None:
    met = run(worlds, examples=150, steps=80)
    assert met.keys() >= LANDMARKS, sorted(LANDMARKS - met.keys())
