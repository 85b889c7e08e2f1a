"""Sessions in: once, however often they are sent; stored before the answer; logged with who."""

from __future__ import annotations

import json
import re

import pytest
from structlog.testing import capture_logs

from tests.tools import PATIENCE_S
from tests.web.lot import api_over, door_to
from trading.store import open_database
from trading.store.sessions import SessionStore

SESSION = {
    "session_id": "bay 7, monday",
    "arrival": "2026-03-02T08:00:00Z",
    "departure": "2026-03-02T16:00:00+00:00",
    "estimated_departure": None,
    "battery_capacity_wh": 60_000,
    "soc_arrival": 0.4,
    "soc_source": "charger",
    "need_wh": 20_000,
    "charge_power_w": 11_000,
    "discharge_power_w": 11_000,
    "reserve_soc": 0.2,
}


@pytest.fixture
def engine_file(tmp_path):
    return tmp_path / "engine-of-these-tests.db"


@pytest.fixture
def taking(filled, engine_file):
    """The service with a door to an engine that keeps sessions in `engine_file`."""
    with door_to(engine_file) as door, api_over(filled.file, door=door) as api:
        yield api


def send(api, body, role="aggregator"):
    return api.client.post("/api/v1/sessions", json=body, headers=api.bearer(role))


def stored(file):
    with open_database(str(file), alone=False) as database:
        return SessionStore(database).frame()


def test_one_session_or_many_are_stored_before_the_answer(taking, engine_file):
    assert send(taking, SESSION).json() == {"new": 1, "changed": 0, "known": 0, "refused": {}}
    assert list(stored(engine_file)["session_id"]) == ["bay 7, monday"]
    many = [SESSION | {"session_id": f"s{n}"} for n in range(3)]
    assert send(taking, many).json()["new"] == 3
    assert len(stored(engine_file)) == 4


def test_the_same_session_again_does_nothing(taking, engine_file):
    send(taking, SESSION)
    before = stored(engine_file)
    assert send(taking, SESSION).json() == {"new": 0, "changed": 0, "known": 1, "refused": {}}
    assert stored(engine_file).equals(before)


def test_another_departure_is_taken_and_a_contradiction_is_told(taking, engine_file):
    send(taking, SESSION)
    later = SESSION | {"departure": "2026-03-02T17:00:00Z"}
    assert send(taking, later).json()["changed"] == 1
    answer = send(taking, [SESSION | {"soc_arrival": 0.9}, SESSION | {"session_id": "other"}])
    assert answer.status_code == 200
    assert answer.json()["new"] == 1
    assert "soc_arrival" in answer.json()["refused"]["bay 7, monday"]
    assert stored(engine_file)["soc_arrival"].max() == 0.4


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"departure": "2026-03-02T07:00:00Z"}, "departure"),
        ({"soc_arrival": 1.5}, "soc_arrival"),
        ({"battery_capacity_wh": 0}, "battery_capacity_wh"),
        ({"need_wh": 1.5}, "need_wh"),
        ({"arrival": "2026-03-02T08:00:00"}, "arrival"),
        ({"arrival": 1_772_438_400}, "arrival"),
        ({"soc_arrival": "0.4"}, "soc_arrival"),
        ({"colour": "red"}, "colour"),
        ({"session_id": ""}, "session_id"),
    ],
)
def test_what_cannot_be_a_session_is_refused_by_name(taking, engine_file, change, named):
    answer = send(taking, [SESSION | change])
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert named in answer.json()["detail"]
    assert stored(engine_file).empty


@pytest.mark.parametrize("kind", [None, "application/x-www-form-urlencoded", "text/json", "json"])
def test_a_body_that_does_not_say_it_is_json_is_told_what_to_say(taking, engine_file, kind):
    headers = taking.bearer("aggregator") | ({} if kind is None else {"Content-Type": kind})
    answer = taking.client.post("/api/v1/sessions", content=json.dumps(SESSION), headers=headers)
    assert answer.status_code == 415
    assert answer.headers["content-type"] == "application/problem+json"
    assert "Content-Type" in answer.json()["detail"]
    assert "`Content-Type: application/json`" in answer.json()["hint"]
    assert stored(engine_file).empty
    # Who may not send learns that first.
    headers |= taking.bearer("operator")
    answer = taking.client.post("/api/v1/sessions", content=json.dumps(SESSION), headers=headers)
    assert answer.status_code == 403


@pytest.mark.parametrize("kind", ["application/json; charset=utf-8", "application/ld+json"])
def test_json_of_any_kind_is_taken(taking, kind):
    headers = taking.bearer("aggregator") | {"Content-Type": kind}
    answer = taking.client.post("/api/v1/sessions", content=json.dumps(SESSION), headers=headers)
    assert answer.json()["new"] == 1


def test_every_route_with_a_body_refuses_one_that_is_no_json(taking):
    paths = taking.client.get("/api/v1/openapi.json").json()["paths"]
    found = 0
    for path, operations in paths.items():
        for method, operation in operations.items():
            if "requestBody" not in operation:
                continue
            headers, place = taking.bearer(operation["x-roles"][0]), re.sub(r"{[^}]*}", "1", path)
            answer = taking.client.request(method, place, content="{}", headers=headers)
            assert (path, answer.status_code) == (path, 415)
            assert "415" in operation["responses"]
            found += 1
    assert found > 3


def test_one_that_is_wrong_keeps_all_of_a_request_out(taking, engine_file):
    wrong = SESSION | {"session_id": "x", "departure": SESSION["arrival"]}
    assert send(taking, [SESSION, wrong]).status_code == 422
    assert stored(engine_file).empty


def test_every_write_is_logged_with_who_and_without_the_token(taking):
    with capture_logs() as logs:
        send(taking, [SESSION])
        send(taking, [SESSION | {"departure": SESSION["arrival"]}])
    told = [log for log in logs if "who" in log]
    assert [log["event"] for log in told] == ["sessions taken", "sessions not taken"]
    assert {log["who"] for log in told} == {"development-aggregator"}
    assert told[0]["new"] == 1
    assert told[1]["status"] == 422
    assert "Bearer" not in str(logs)


def test_without_an_engine_no_sessions_are_taken(api):
    answer = send(api, SESSION)
    assert answer.status_code == 503
    assert "--engine" in answer.json()["hint"]


def test_an_engine_that_is_away_is_told_with_what_is_not_known(filled, engine_file):
    with door_to(engine_file) as door:
        pass
    # Its server and its client are gone; a new client finds nobody there.
    import httpx

    from tests.web.lot import ENGINE_TOKEN
    from trading.web import EngineDoor

    with httpx.Client(base_url=door.address, timeout=PATIENCE_S) as client:
        away = EngineDoor(client, token=ENGINE_TOKEN)
        with api_over(filled.file, door=away) as api:
            answer = send(api, SESSION)
    assert answer.status_code == 503
    assert "not known" in answer.json()["detail"]
    assert answer.headers["retry-after"]


def test_an_engine_with_another_token_is_told_to_whoever_runs_it(filled, engine_file):
    with door_to(engine_file, token="another") as door, api_over(filled.file, door=door) as api:
        answer = send(api, SESSION)
    assert answer.status_code == 503
    assert "PEERCHARGE_SESSIONS_TOKEN" in answer.json()["hint"]
