"""Operators' nodes over the HTTP API: how each is, and what their own people decide for them."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, settings
from schemathesis.specs.openapi.checks import positive_data_acceptance
from structlog.testing import capture_logs

from tests.databases import KINDS
from tests.durable.lot import MARKET, PSEUDONYMS
from tests.durable.stage import Stage
from tests.durable.test_asking import TOKEN, asked, first_question
from tests.tools import PATIENCE_S
from tests.web.lot import Api, api_over
from trading.chain.rebuild import rebuild
from trading.operators.http import serve_operator
from trading.operators.service import OperatorService
from trading.web import DevelopmentIssuer, Source, create_app, nodes_at

pytestmark = pytest.mark.node


@pytest.fixture(params=KINDS)
def database_kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@dataclass(frozen=True, kw_only=True)
class Town:
    """A web service with three nodes behind it: one that asks, one that does not, one that is away.

    Attributes:
        stage: the consortium.
        asking: a node that asks about everything.
        other: another operator's.
        api: the web.
        mine: the asking node's address.
        theirs: the other's.
    """

    stage: Stage
    asking: OperatorService
    other: OperatorService
    api: Api
    mine: str
    theirs: str

    def get(self, path: str = "", **more: Any) -> Any:
        more.setdefault("owners", [self.mine])
        return self.api.get(f"/operator-nodes{path}", "operator", **more)

    def answer(self, batch_id: str, body: Any, *, owner: str = "", node: str = "") -> Any:
        return self.api.client.post(
            f"/api/v1/operator-nodes/{node or self.mine}/batches/{batch_id}/answer",
            json=body,
            headers=self.api.bearer("operator", owners=[owner or self.mine]),
        )


@pytest.fixture
def town(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> Iterator[Town]:
    monkeypatch.setattr("trading.web.nodes.TIMEOUT_S", PATIENCE_S)
    asking, other = stage.operator(0, asks="all"), stage.operator(1)
    stage.engine.look()
    with ExitStack() as stack:
        # Bound and not served: nobody answers there, and nobody else can take it.
        nobody = stack.enter_context(socket.socket())
        nobody.bind(("127.0.0.1", 0))
        away = f"http://127.0.0.1:{nobody.getsockname()[1]}"
        served = [
            stack.enter_context(serve_operator(one, listen="127.0.0.1:0", people=TOKEN))
            for one in (asking, other)
        ]
        nodes = stack.enter_context(nodes_at([*served, away], token=TOKEN))
        file = stage.at("engine")
        api = stack.enter_context(api_over(file, nodes=nodes, kept_s=0.0))
        yield Town(
            stage=stage,
            asking=asking,
            other=other,
            api=api,
            mine=asking.key.address,
            theirs=other.key.address,
        )


def test_nodes_are_listed_with_how_each_is(town: Town) -> None:
    batch_id = first_question(town.stage, town.asking, town.other.look)
    rows = town.get().json()["items"]
    assert [row["node"] for row in rows] == [0, 1, 2]
    mine, other, away = rows
    assert (mine["operator"], mine["seat"], mine["asks"]) == (town.mine, 0, "all")
    assert (mine["status"], mine["open_questions"], mine["open_batches"]) == ("ok", 1, 1)
    assert mine["head"] > 0
    assert mine["lag_s"] >= 0
    assert -5 < mine["chain_age_s"] < 60
    assert [row["is_own"] for row in rows] == [True, False, False]
    assert [row["has_same_market"] for row in rows] == [True, True, None]
    assert (other["asks"], other["open_questions"]) == ("nothing", 0)
    assert (away["status"], away["operator"], away["seat"]) == ("unreachable", None, None)
    assert "does not answer" in away["problem"]
    csv = town.get(headers={"Accept": "text/csv"}).text
    assert len(csv.splitlines()) == 4
    assert batch_id in town.stage.pending(town.asking)


def test_a_persons_answer_goes_through_to_the_chain(town: Town) -> None:
    batch_id = first_question(town.stage, town.asking, town.other.look)
    path = f"/{town.mine.lower()}/batches"
    queue = town.get(path, params={"said": "asked"}).json()
    assert [row["batch_id"] for row in queue["items"]] == [batch_id]
    full = town.get(f"{path}/{batch_id}").json()
    assert {check["outcome"] for check in full["checks"]} == {"held"}
    assert full["trades"][0]["buyer_id"] in {"b-1", "b-2"}
    body = {"vote": "rejected", "reason": "charger 3 is cut off"}
    with capture_logs() as logs:
        first = town.answer(batch_id, body)
        again = town.answer(batch_id, body)
        other = town.answer(batch_id, {"vote": "confirmed"})
    assert [first.status_code, again.status_code, other.status_code] == [200, 200, 409]
    assert [first.json()["is_new"], again.json()["is_new"]] == [True, False]
    assert "development-operator answered before" in other.json()["detail"]
    assert other.json()["hint"]
    told = [line for line in logs if "operator" in line and "who" in line]
    assert [line["event"] for line in told] == ["batch answered"] * 2 + ["batch not answered"]
    assert {line["who"] for line in told} == {"development-operator"}
    assert {line["batch"] for line in told} == {batch_id}
    assert TOKEN not in str(logs)
    town.stage.until(
        lambda: rebuild(town.stage.consortium.events()).batches[batch_id].votes, town.asking.look
    )
    (vote,) = rebuild(town.stage.consortium.events()).batches[batch_id].votes
    assert (vote.operator, vote.is_confirmation) == (town.mine, False)
    assert vote.reason == "charger 3 is cut off"
    shown = town.get(f"{path}/{batch_id}").json()
    assert shown["question"]["who"] == "development-operator"


def test_an_operator_acts_for_its_own_node_alone(town: Town) -> None:
    batch_id = first_question(town.stage, town.asking)
    body = {"vote": "rejected", "reason": "no"}
    refused = town.answer(batch_id, body, owner=town.theirs)
    assert refused.status_code == 403
    assert "another operator" in refused.json()["detail"]
    assert "peercharge_owner" in refused.json()["hint"]
    for path in (f"/{town.mine}/batches", f"/{town.mine}/batches/{batch_id}"):
        assert town.get(path, owners=[town.theirs]).status_code == 403
        assert town.get(path, owners=[]).status_code == 403
    assert [row["is_own"] for row in town.get(owners=[town.theirs]).json()["items"]] == [
        False,
        True,
        False,
    ]
    nobody = "0x" + "12" * 20
    unknown = town.answer(batch_id, body, owner=nobody, node=nobody)
    assert unknown.status_code == 404
    assert asked(town.asking)


def test_what_the_node_refuses_is_told_with_its_sentence(town: Town) -> None:
    batch_id = first_question(town.stage, town.asking, town.other.look)
    assert town.answer(batch_id, {"vote": "rejected"}).status_code == 422
    named = town.answer(batch_id, {"vote": "rejected", "reason": "s-1 left"})
    assert "no stay by its name" in named.json()["detail"]
    assert town.answer(batch_id, {"vote": "rejected", "who": "me"}).status_code == 422
    assert town.answer("0x" + "00" * 32, {"vote": "confirmed"}).status_code == 404
    not_asked = town.answer(
        batch_id, {"vote": "rejected", "reason": "no"}, owner=town.theirs, node=town.theirs
    )
    assert not_asked.status_code == 409
    assert "nobody was asked" in not_asked.json()["detail"]


def test_a_service_with_another_token_or_no_node_says_whom_to_ask(stage: Stage) -> None:
    operator = stage.operator(0, asks="all")
    stage.engine.look()
    file, mine = stage.at("engine"), operator.key.address
    path = f"/operator-nodes/{mine}/batches"
    with (
        serve_operator(operator, listen="127.0.0.1:0", people=TOKEN) as served,
        nodes_at([served], token="another token than that") as nodes,
        api_over(file, nodes=nodes) as api,
    ):
        answer = api.get(path, "operator", owners=[mine])
        assert answer.status_code == 503
        assert "PEERCHARGE_OPERATOR_TOKEN" in answer.json()["hint"]
    with api_over(file) as api:
        assert api.items("/operator-nodes") == []
        answer = api.get(path, "operator", owners=[mine])
        assert answer.status_code == 503
        assert "--operator" in answer.json()["hint"]


def test_a_node_that_went_away_may_have_the_answer(stage: Stage) -> None:
    operator = stage.operator(0, asks="all")
    batch_id = first_question(stage, operator)
    mine = operator.key.address
    with ExitStack() as stack:
        served = ExitStack()
        address = served.enter_context(serve_operator(operator, listen="127.0.0.1:0", people=TOKEN))
        nodes = stack.enter_context(nodes_at([address], token=TOKEN))
        api = stack.enter_context(api_over(stage.at("engine"), nodes=nodes, kept_s=0.0))
        assert api.items("/operator-nodes")[0]["operator"] == mine
        served.close()
        (row,) = api.items("/operator-nodes", owners=[mine])
        assert (row["status"], row["operator"], row["is_own"]) == ("unreachable", mine, True)
        answer = api.client.post(
            f"/api/v1/operator-nodes/{mine}/batches/{batch_id}/answer",
            json={"vote": "confirmed"},
            headers=api.bearer("operator", owners=[mine]),
        )
    assert answer.status_code == 503
    assert "not known" in answer.json()["detail"]
    assert answer.headers["retry-after"]


DESCRIPTION = create_app(
    Source(database=None, publication=MARKET, tag_of=PSEUDONYMS.find),  # type: ignore[arg-type]
    DevelopmentIssuer().tokens(),
).openapi()
schema = schemathesis.openapi.from_dict(DESCRIPTION).include(path_regex="operator-nodes")


@pytest.fixture
def questioned(town: Town) -> Town:
    first_question(town.stage, town.asking, town.other.look)
    return town


@schema.parametrize()
@settings(
    max_examples=40,
    deadline=None,
    derandomize=True,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
def test_a_route_does_what_its_description_says(case: Any, questioned: Town) -> None:
    town = questioned
    if case.path_parameters and case.meta.generation.mode.is_positive:
        # What fits the description is for a node and a batch that are there.
        names = {"operator": town.mine, "batch_id": town.stage.pending(town.asking)[0]}
        case.path_parameters = {name: names[name] for name in case.path_parameters}
    case.call_and_validate(
        base_url=str(town.api.client.base_url),
        headers=town.api.bearer("operator", owners=[town.mine]),
        timeout=PATIENCE_S,
        # A reason may be left out or not, as the node's own vote is.
        excluded_checks=[positive_data_acceptance] if case.method == "POST" else [],
    )
