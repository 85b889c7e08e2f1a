"""Rates are kept whatever the pattern of requests; a value is computed once for all who ask."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from tests.tools import PATIENCE_S
from trading.web.kept import Kept, Remembered
from trading.web.limits import CALLERS_KEPT, Places, RateLimit, Turns


@given(
    pauses=st.lists(st.floats(0, 5), min_size=1, max_size=60),
    per_s=st.sampled_from([0.5, 1.0, 4.0]),
    burst=st.integers(1, 6),
)
def test_never_more_than_burst_and_rate_allow_and_waiting_as_told_helps(pauses, per_s, burst):
    now = [0.0]
    rates = RateLimit(per_s, burst, clock=lambda: now[0])
    passed = []
    for pause in pauses:
        now[0] += pause
        wait_s = rates.take("a")
        if wait_s == 0:
            passed.append(now[0])
            continue
        now[0] += wait_s + 1e-6
        assert rates.take("a") == 0
        passed.append(now[0])
    for i, since in enumerate(passed):
        for j in range(i, len(passed)):
            assert j - i + 1 <= burst + per_s * (passed[j] - since) + 1e-6


def test_one_caller_does_not_use_up_anothers():
    rates = RateLimit(1, 1, clock=lambda: 0.0)
    assert rates.take("a") == 0 < rates.take("a")
    assert rates.take("b") == 0


def test_memory_is_bounded_whoever_calls():
    rates = RateLimit(1, 1, clock=lambda: 0.0)
    for number in range(CALLERS_KEPT + 50):
        rates.take(str(number))
    assert len(rates._buckets) == CALLERS_KEPT


def test_a_value_is_computed_once_while_it_is_fresh():
    now, made = [0.0], []

    def make():
        made.append(now[0])
        return len(made)

    kept = Kept(1.0, clock=lambda: now[0])
    assert [kept.get("a", make) for _ in range(3)] == [1, 1, 1]
    assert kept.get("b", make) == 2
    now[0] = 1.5
    assert kept.get("a", make) == 3
    assert made == [0.0, 0.0, 1.5]


def test_callers_at_once_wait_for_one_who_computes():
    kept, made, gate = Kept(60.0), [], threading.Event()

    def make():
        made.append(1)
        gate.wait(PATIENCE_S)
        return "value"

    found = []
    threads = [threading.Thread(target=lambda: found.append(kept.get("a", make))) for _ in range(8)]
    for thread in threads:
        thread.start()
    gate.set()
    for thread in threads:
        thread.join()
    assert found == ["value"] * 8
    assert len(made) == 1


def test_what_is_remembered_is_computed_again_only_where_it_was_forgotten():
    made = []
    remembered = Remembered(2)

    def get(key):
        return remembered.get(key, lambda: made.append(key) or key.upper())

    assert [get(key) for key in "abaabb"] == list("ABAABB")
    assert made == ["a", "b"]
    get("c")
    assert [get("b"), get("c"), get("a")] == ["B", "C", "A"]
    assert made == ["a", "b", "c", "a"]


def test_nothing_is_remembered_of_what_failed():
    remembered = Remembered(2)
    for _ in range(2):
        try:
            remembered.get("a", lambda: 1 // 0)
        except ZeroDivisionError:
            continue
        raise AssertionError("the failure was swallowed")
    assert remembered.get("a", lambda: 1) == 1


def test_a_place_is_there_again_once_it_is_given_back():
    places = Places(2)
    assert [places.take("a") for _ in range(3)] == [True, True, False]
    assert places.take("b")
    places.give_back("a")
    assert [places.take("a") for _ in range(2)] == [True, False]


def test_one_callers_many_requests_leave_room_for_anothers():
    """While a caller's are worked on, so many at once, another's is not kept waiting."""
    turns, under_way, most = Turns(2), Counter(), Counter()
    ended: list[str] = []

    async def request(who: str) -> None:
        async with turns.of(who):
            under_way[who] += 1
            most[who] = max(most[who], under_way[who])
            await asyncio.sleep(0.01)
            under_way[who] -= 1
        ended.append(who)

    async def run() -> None:
        many = [asyncio.create_task(request("many")) for _ in range(20)]
        await asyncio.sleep(0.005)
        many[-1].cancel()
        await request("one")
        await asyncio.gather(*many, return_exceptions=True)

    asyncio.run(run())
    assert most == {"many": 2, "one": 1}
    assert ended.index("one") <= 4
    assert ended.count("many") == 19
    assert turns._of == {}
