"""A comparison's own page, and what is asked before one is sent."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from tests.pages.test_acts import FakeVisit, shown
from trading.pages.study import _Found, _Studies
from trading.web.problems import Problem

ASKED = {
    "source": "sample", "first_day": "2019-10-29", "last_day": "2019-10-29", "v2g_share": 1.0,
    "seed": 0, "liars": 0,
}  # fmt: skip
STUDY = {
    "study": "s-1", "title": "two markets", "state": "running", "place": 0,
    "steps": [{"name": "mechanisms", "done": 1, "total": 3}], "problem": "", "run": None,
    "asked": ASKED,
}  # fmt: skip
OPTIONS = {
    "sources": [{"name": "sample", "first_day": "2019-10-28", "last_day": "2019-11-03"}],
    "mechanisms": [{"name": "pro-rata"}, {"name": "mcafee"}], "pricings": [{"name": "middle"}],
    "interval_minutes": [15], "most_liars": 3,
}  # fmt: skip


def found(client, answer):
    visit = FakeVisit({"/studies/s-1": answer})
    visit.request = SimpleNamespace(path_params={"study": "s-1"})
    client.run(_Found(visit).build())
    return visit


def test_one_under_way_says_how_far_it_is_and_then_what_came_of_it(client):
    visit = found(client, STUDY)
    assert "Mechanisms: 1 of 3" in shown(client)
    assert "This comparison left no results." not in shown(client)
    visit.answers["/studies/s-1"] = STUDY | {
        "steps": [{"name": "mechanisms", "done": 2, "total": 3}]
    }
    client.run(visit.refresh())
    assert "Mechanisms: 2 of 3" in shown(client)
    visit.answers["/studies/s-1"] = STUDY | {"state": "failed", "problem": "there was no day"}
    client.run(visit.refresh())
    said = shown(client)
    assert {"failed", "there was no day", "This comparison left no results."} <= set(said)
    assert "Mechanisms: 2 of 3" not in said
    asked = len(visit.asked)
    client.run(visit.refresh())
    assert len(visit.asked) == asked, "what has ended stays as it is"


def test_an_unknown_one_leads_back_to_the_list_without_a_word_of_paths(client):
    found(client, Problem(404, "there is no such comparison", "GET /api/v1/studies lists them."))
    said = shown(client)
    assert "There is no such comparison." in said
    assert "All comparisons" in said
    assert not any("GET" in one for one in said)


@pytest.mark.parametrize("unticked", [["pro-rata", "mcafee"], ["middle"]])
def test_without_a_mechanism_or_a_price_nothing_is_sent(client, unticked):
    visit = FakeVisit({"/studies/options": OPTIONS, "/studies": []})
    sent = []

    async def send(*asked):
        sent.append(asked)

    visit.send = send
    page = _Studies(visit)
    client.run(page.build())
    for choices in (page.mechanisms, page.pricings):
        for name in unticked:
            choices._on(name)(SimpleNamespace(args=False))
    client.run(page._start())
    assert sent == []
    assert shown(client).count("Choose at least one.") == 1
    for choices in (page.mechanisms, page.pricings):
        for name in unticked:
            choices._on(name)(SimpleNamespace(args=name in choices._names))
    client.run(page._start())
    assert len(sent) == 1
    assert "Choose at least one." not in shown(client)
