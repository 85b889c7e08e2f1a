"""A sign-in goes on as long as its issuer renews it: in time, once, and unseen by the browser."""

from __future__ import annotations

import asyncio

import pytest

from tests.pages.issuer import ISSUER, FakeIssuer, client_of
from trading.pages import visitors
from trading.pages.client import SignedIn
from trading.pages.visitors import AGAIN_S, COOKIE, EARLY_S, UNUSED_S, SignIns
from trading.web import DevelopmentIssuer
from trading.web.problems import Problem

LIFETIME_S = 300


class Clock:
    """Unix seconds that pass when they are told to."""

    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


class Site:
    """An issuer, a door to it, and browsers at the door, all by one clock."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.issuer = FakeIssuer(clock=self.clock)
        self.door = self.issuer.door()
        self.door._sign_ins = SignIns(self.door, clock=self.clock)
        self.browser = client_of(self.door)

    async def who(self, browser=None):
        return (await (browser or self.browser).ask("/who")).json()

    async def settled(self):
        """Let whatever was begun come to its end."""
        others = asyncio.all_tasks() - {asyncio.current_task()}
        await asyncio.gather(*others, return_exceptions=True)

    @property
    def n_renewed(self) -> int:
        return sum(one.get("grant_type") == "refresh_token" for one in self.issuer.asked)

    @property
    def visitor(self) -> SignedIn:
        (kept,) = self.door._sign_ins._kept.values()
        return kept.who


def told(story):
    """Run a story on a site of its own, in one event loop."""

    async def run():
        site = Site()
        await site.browser.sign_in(site.issuer)
        assert await site.who() == "ada"
        await story(site)

    asyncio.run(run())


def test_a_token_is_renewed_before_it_ends_and_nobody_waits():
    async def story(site):
        number, visitor, first = site.browser.cookies[COOKIE], site.visitor, site.visitor.token
        site.clock.now += LIFETIME_S - EARLY_S - 1
        assert await site.who() == "ada"
        await site.settled()
        assert site.n_renewed == 0
        site.clock.now += 1
        site.issuer.slow = lambda _: asyncio.sleep(0.2)
        began = asyncio.get_running_loop().time()
        assert await site.who() == "ada"
        assert asyncio.get_running_loop().time() - began < 0.2
        await site.settled()
        assert site.n_renewed == 1
        # It is the same visitor with the same number, so that open pages and sockets go on.
        assert site.visitor is visitor
        assert visitor.token != first
        assert visitor.principal.expires_at == site.clock.now + LIFETIME_S
        assert site.browser.cookies[COOKIE] == number

    told(story)


def test_refresh_tokens_rotate_for_as_long_as_somebody_looks():
    async def story(site):
        for _ in range(40):
            site.clock.now += LIFETIME_S - EARLY_S
            assert await site.who() == "ada"
            await site.settled()
        assert site.n_renewed == 40
        used = [one["refresh_token"] for one in site.issuer.asked if "refresh_token" in one]
        assert used == [f"refresh-{n}" for n in range(1, 41)]

    told(story)


def test_an_issuer_that_does_not_rotate_is_asked_with_the_same_token():
    async def story(site):
        site.issuer.gives = {"refresh_token": None}
        for _ in range(3):
            site.issuer.good.add("refresh-1")
            site.clock.now += LIFETIME_S - EARLY_S
            assert await site.who() == "ada"
            await site.settled()
        assert site.n_renewed == 3

    told(story)


def test_a_token_that_has_ended_is_renewed_once_for_all_who_wait():
    async def story(site):
        site.clock.now += LIFETIME_S + 1
        site.issuer.slow = lambda _: asyncio.sleep(0.05)
        assert await asyncio.gather(*(site.who() for _ in range(20))) == ["ada"] * 20
        assert site.n_renewed == 1

    told(story)


def test_who_leaves_loses_no_token_on_its_way():
    async def story(site):
        site.clock.now += LIFETIME_S + 1
        site.issuer.slow = lambda _: asyncio.sleep(0.05)
        leaving = asyncio.create_task(site.who())
        await asyncio.sleep(0.02)
        leaving.cancel()
        assert await site.who() == "ada"
        assert site.n_renewed == 1

    told(story)


def test_a_sign_in_ends_at_once_when_the_issuer_refuses():
    async def story(site):
        site.issuer.good.clear()
        site.clock.now += LIFETIME_S - EARLY_S
        assert await site.who() == "ada"
        await site.settled()
        # The old token would hold for a minute more, but its sign-in is over.
        assert await site.who() is None
        assert site.n_renewed == 1

    told(story)


@pytest.mark.parametrize("status", [408, 429, 500, 503])
def test_an_issuer_that_is_away_ends_nothing(status):
    async def story(site):
        site.issuer.refuses = (status, {})
        site.clock.now += LIFETIME_S - EARLY_S
        assert await site.who() == "ada"
        await site.settled()
        assert await site.who() == "ada"
        await site.settled()
        # It is left alone for a while.
        assert site.n_renewed == 1
        site.clock.now += EARLY_S
        answer = await site.browser.ask("/who")
        assert answer.status_code == 503
        assert "does not renew" in answer.json()["detail"]
        site.issuer.refuses = None
        assert (await site.browser.ask("/who")).status_code == 503
        site.clock.now += AGAIN_S
        assert await site.who() == "ada"

    told(story)


def test_what_a_person_may_is_what_the_newest_token_says():
    async def story(site):
        site.issuer.claims |= {"role": "driver", "sessions": ["s1"]}
        site.clock.now += LIFETIME_S
        assert await site.who() == "ada"
        assert site.visitor.principal.roles == {"driver"}
        assert site.visitor.principal.sessions == {"s1"}
        site.issuer.claims |= {"role": "nobody"}
        site.clock.now += LIFETIME_S
        assert await site.who() is None

    told(story)


def test_a_token_of_somebody_else_renews_nothing():
    async def story(site):
        site.issuer.claims |= {"subject": "eve"}
        site.clock.now += LIFETIME_S
        assert await site.who() is None

    told(story)


def test_a_key_that_the_issuer_has_just_changed_to_ends_no_sign_in():
    async def story(site):
        verifier, other = site.door._tokens, DevelopmentIssuer(issuer=ISSUER, clock=site.clock)
        site.issuer.signs, old = other, site.issuer.signs
        site.clock.now += LIFETIME_S - EARLY_S
        assert await site.who() == "ada"
        await site.settled()
        assert await site.who() == "ada"
        # Now the verifier knows the key.
        verifier._keys = other
        site.clock.now += AGAIN_S
        assert await site.who() == "ada"
        await site.settled()
        assert site.n_renewed == 2
        site.issuer.signs = old
        site.clock.now += LIFETIME_S
        assert await site.who() is None

    told(story)


def test_without_a_refresh_token_a_sign_in_ends_with_its_token():
    async def run():
        site = Site()
        site.issuer.gives = {"refresh_token": None}
        await site.browser.sign_in(site.issuer)
        site.clock.now += LIFETIME_S - 1
        assert await site.who() == "ada"
        site.clock.now += 1
        assert await site.who() is None
        assert site.n_renewed == 0

    asyncio.run(run())


def test_signing_out_during_a_renewal_revokes_what_it_brings():
    async def story(site):
        site.issuer.says = {"revocation_endpoint": f"{ISSUER}/revoke"}
        site.door._client._places.clear()
        site.clock.now += LIFETIME_S - EARLY_S
        site.issuer.slow = lambda _: asyncio.sleep(0.05)
        assert await site.who() == "ada"
        await site.browser.ask("/sign-out")
        assert await site.who() is None
        assert site.issuer.asked[-1]["token"] == "refresh-2"
        assert site.issuer.good == set()

    told(story)


def test_a_second_tab_that_signs_in_leaves_the_first_as_it_is():
    async def story(site):
        number, visitor = site.browser.cookies[COOKIE], site.visitor
        await site.browser.sign_in(site.issuer, to="/study")
        assert site.browser.cookies[COOKIE] == number
        assert site.visitor is visitor
        site.clock.now += LIFETIME_S
        assert await site.who() == "ada"
        assert site.issuer.asked[-1]["refresh_token"] == "refresh-2"

    told(story)


def test_somebody_else_in_the_same_browser_is_another_visitor():
    async def story(site):
        number, visitor = site.browser.cookies[COOKIE], site.visitor
        site.issuer.claims |= {"subject": "eve"}
        await site.browser.sign_in(site.issuer)
        assert site.browser.cookies[COOKIE] != number
        assert site.visitor is not visitor
        assert await site.who() == "eve"

    told(story)


def test_signing_in_again_during_a_renewal_is_what_counts():
    async def story(site):
        site.clock.now += LIFETIME_S - EARLY_S
        site.issuer.good.clear()
        site.issuer.slow = lambda _: asyncio.sleep(0.05)
        assert await site.who() == "ada"
        site.issuer.slow = asyncio.sleep
        await site.browser.sign_in(site.issuer)
        await site.settled()
        # The renewal was refused, but for a refresh token that nobody has any more.
        assert await site.who() == "ada"

    told(story)


def test_who_does_not_look_is_forgotten(monkeypatch):
    async def story(site):
        number = site.browser.cookies[COOKIE]
        site.clock.now += UNUSED_S + 1
        await client_of(site.door).sign_in(site.issuer)
        assert number not in site.door._sign_ins._kept
        monkeypatch.setattr(visitors, "MOST_VISITORS", 3)
        looking = client_of(site.door)
        await looking.sign_in(site.issuer)
        for _ in range(5):
            assert await site.who(looking) == "ada"
            await client_of(site.door).sign_in(site.issuer)
        assert len(site.door._sign_ins._kept) == 3

    told(story)


def test_a_token_and_its_grant_are_in_no_text():
    async def story(site):
        (kept,) = site.door._sign_ins._kept.values()
        assert "eyJ" not in repr(kept)
        assert "refresh-1" not in repr(kept)
        assert "identity-1" not in repr(kept)

    told(story)


def test_tokens_that_always_end_too_soon_are_not_asked_for_all_the_time():
    """As where the issuer's clock is behind ours by more than a token's life."""

    async def run():
        site = Site()
        site.issuer.claims |= {"lifetime_s": 0}
        await site.browser.sign_in(site.issuer)
        for _ in range(10):
            with pytest.raises(Problem):
                await site.door.visitor(Cookied(site.browser.cookies))
        assert site.n_renewed <= 1

    asyncio.run(run())


class Cookied:
    """A request that has nothing but cookies."""

    def __init__(self, cookies) -> None:
        self.cookies = cookies
