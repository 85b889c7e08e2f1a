"""The pages' texts: every language says the same things, with the same values in them."""

from __future__ import annotations

import re
import string
from pathlib import Path

import pytest

import trading.pages
from trading.pages.texts import Texts, _read, languages, preferred

ENGLISH = _read("en")
HERE = Path(trading.pages.__file__).parent


def fields(text):
    return sorted(name for _, name, _, _ in string.Formatter().parse(text) if name)


@pytest.mark.parametrize("language", languages())
def test_a_language_has_every_text_and_no_other(language):
    assert _read(language).keys() == ENGLISH.keys()


@pytest.mark.parametrize("language", languages())
def test_a_text_holds_the_values_of_the_english_one(language):
    own = _read(language)
    assert {key: fields(own[key]) for key in own} == {key: fields(ENGLISH[key]) for key in ENGLISH}


def test_english_is_first_and_each_language_has_its_own_name():
    assert next(iter(languages())) == "en"
    assert len(set(languages().values())) == len(languages()) == 3


def test_every_text_that_is_asked_for_by_name_exists():
    asked = set()
    for file in HERE.glob("*.py"):
        asked |= set(re.findall(r'(?:text|\bt)\(\s*"([a-z_]+\.[a-z_]+)"', file.read_text("utf-8")))
    assert asked
    assert asked <= ENGLISH.keys()


def test_an_unknown_text_is_an_error():
    with pytest.raises(KeyError):
        Texts("en")("lot.no_such_text")


@pytest.mark.parametrize(
    ("header", "chosen"),
    [("", "en"), ("it-IT", "it"), ("fr, da;q=0.4, it;q=0.7", "it"), ("*", "en"), ("da;q=x", "en")],
)
def test_the_browser_chooses_a_language(header, chosen):
    assert preferred(header, among=list(languages())) == chosen


def test_danish_has_one_word_for_the_quorum():
    danish = _read("da")
    assert not [key for key in danish if "flertal" in danish[key].lower()]
    assert danish["operator.quorum"] == danish["authority.quorum"] == "Kvorum"
