"""What is typed: read as it was meant, or complained of at its field."""

from __future__ import annotations

from types import SimpleNamespace
from zoneinfo import ZoneInfo

import pytest

from tests.pages.test_acts import FakeVisit, authority_answers, shown
from trading.pages.authority import AuthorityView
from trading.pages.forms import Field, address_of, amount_of, price_of
from trading.pages.parts import refusal
from trading.pages.shown import Shown
from trading.pages.texts import Texts
from trading.web.problems import Problem

MIXED = "0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359"


def typed(value):
    said = []
    return SimpleNamespace(value=value, complain=said.append, said=said)


def reader(language):
    return SimpleNamespace(shown=Shown(language, ZoneInfo("UTC")), text=Texts(language))


@pytest.mark.parametrize(
    ("language", "value", "ueur"),
    [
        ("en", "12.5", 12_500_000), ("en", "12,5", 12_500_000), ("en", "1.000", 1_000_000),
        ("en", "0,350", 350_000), ("en", "1000", 1_000_000_000), ("da", "1,000", 1_000_000),
        ("it", "12,50", 12_500_000), ("da", "0.350", 350_000), ("it", "1,2345", 1_234_500),
    ],
)  # fmt: skip
def test_an_amount_has_a_decimal_comma_or_point(language, value, ueur):
    field = typed(value)
    assert amount_of(field, "wrong", visit=reader(language)) == ueur
    assert price_of(field, "wrong", visit=reader(language)) == ueur
    assert field.said == []


@pytest.mark.parametrize(
    ("language", "value", "readings"),
    [
        ("en", "1,000", ("1000", "1.000")),
        ("en", "12,500", ("12500", "12.500")),
        ("da", "1.000", ("1000", "1,000")),
        ("it", "999.999", ("999999", "999,999")),
    ],
)
def test_what_may_be_thousands_is_asked_about(language, value, readings):
    for read in (amount_of, price_of):
        field = typed(value)
        assert read(field, "wrong", visit=reader(language)) is None
        (said,) = field.said
        assert all(one in said for one in (value, *readings))
        # Either reading is taken as it stands.
        for one in readings:
            other = typed(one)
            read(other, "wrong", visit=reader(language))
            assert other.said in ([], ["wrong"])


MISTYPED = MIXED.replace("0xfB", "0xFB")


@pytest.mark.parametrize("value", ["", "0x12", "operator 2", MISTYPED, "0X" + "0" * 40])
def test_what_is_no_address_is_complained_of(value):
    field = typed(value)
    assert address_of(field, "wrong") is None
    assert field.said == ["wrong"]


def test_an_address_gets_its_checksum():
    assert address_of(typed(MIXED.lower()), "wrong") == address_of(typed(MIXED), "wrong") == MIXED


def test_a_wrong_address_is_told_at_its_field_and_not_sent(client):
    visit = FakeVisit(authority_answers())
    sent = []
    visit.send = lambda *asked: sent.append(asked)
    client.run(AuthorityView(visit).build())
    press = next(
        one for one in client.elements.values()
        if one.tag == "button" and one.text == "Show what will be sent"
    )  # fmt: skip
    (listener,) = press._event_listeners.values()
    client.run(listener.handler())
    assert any("Expected 0x and 40 digits" in one for one in shown(client))
    assert sent == []


def test_what_the_api_says_is_marked_as_english(client):
    async def tell():
        return refusal("Det lykkedes ikke", Problem(409, "the contract refuses", "look again"))

    client.run(tell())
    (said,) = (one for one in client.elements.values() if "refuses" in getattr(one, "text", ""))
    assert said.props["lang"] == "en"


def test_a_field_that_was_complained_of_says_so_to_all(client):
    async def ask():
        field = Field("Amount")
        field.value = "1,000"
        assert amount_of(field, "wrong", visit=reader("en")) is None
        return field

    field = client.run(ask())
    assert field._input.props["aria-invalid"] == "true"
    assert "1,000 can be read in two ways: type 1000 or 1.000." in shown(client)
