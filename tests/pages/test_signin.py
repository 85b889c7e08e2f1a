"""Signing in: at an OIDC issuer by code and PKCE, or during development as whom one likes."""

from __future__ import annotations

import pytest
from starlette.requests import Request

from tests.pages.issuer import ADDRESS, ISSUER, Browser, FakeIssuer, client_of
from trading.pages.signin import START, DevelopmentDoor, Identity, local_path, plain_page
from trading.web import DevelopmentIssuer, Role
from trading.web.problems import Problem


@pytest.fixture
def issuer():
    return FakeIssuer()


@pytest.fixture
def client(issuer):
    return client_of(issuer.door())


def signed_in(client, issuer):
    _, asked = client.begin(issuer)
    return client.get("/sign-in/back", params={"state": asked["state"], "code": "c"})


def test_a_visitor_signs_in_and_goes_where_it_wanted(client, issuer):
    assert client.get("/who").json() is None
    place, asked = client.begin(issuer)
    assert (place.netloc, place.path, asked["tenant"]) == (
        "issuer.example", "/realms/lot/authorize", "1",
    )  # fmt: skip
    assert asked["redirect_uri"] == f"{ADDRESS}/sign-in/back"
    assert asked["code_challenge_method"] == "S256"
    back = client.get("/sign-in/back", params={"state": asked["state"], "code": "c-1"})
    assert (back.status_code, back.headers["location"]) == (303, "/trades")
    cookie = back.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie
    assert client.get("/who").json() == "ada"
    assert [(one["code"], one["client_id"]) for one in issuer.asked] == [("c-1", "pages")]
    assert issuer.asked[0]["redirect_uri"] == f"{ADDRESS}/sign-in/back"
    out = client.get("/sign-out")
    assert out.headers["location"] == "/signed-out"
    assert client.get("/who").json() is None
    ended = client.get("/signed-out")
    assert "You are signed out." in ended.text
    assert ended.status_code == 200


def test_signing_out_ends_at_the_issuer_where_it_can(client, issuer):
    issuer.says = {"end_session_endpoint": f"{ISSUER}/end?x=1"}
    signed_in(client, issuer)
    place = client.get("/sign-out").headers["location"]
    assert place.startswith(f"{ISSUER}/end?x=1&client_id=pages&")
    assert "post_logout_redirect_uri=http" in place
    # So that the issuer does not ask whether it is meant.
    assert "id_token_hint=identity-1" in place
    # Nobody is signed in any more, and the issuer is told of nobody.
    assert "id_token_hint" not in client.get("/sign-out").headers["location"]


def test_a_long_id_token_goes_into_no_address(client, issuer):
    issuer.says = {"end_session_endpoint": f"{ISSUER}/end"}
    issuer.gives = {"id_token": "x" * 5_000}
    signed_in(client, issuer)
    assert "id_token_hint" not in client.get("/sign-out").headers["location"]


def test_signing_out_revokes_the_refresh_token_where_the_issuer_can(client, issuer):
    issuer.says = {"revocation_endpoint": f"{ISSUER}/revoke"}
    signed_in(client, issuer)
    assert issuer.good == {"refresh-1"}
    assert client.get("/sign-out").headers["location"] == "/signed-out"
    assert issuer.good == set()
    assert issuer.asked[-1]["client_id"] == "pages"


def test_signing_out_needs_no_issuer(client, issuer):
    issuer.says = {"revocation_endpoint": "http://issuer.example/nowhere"}
    signed_in(client, issuer)
    assert client.get("/sign-out").headers["location"] == "/signed-out"
    assert client.get("/who").json() is None


def test_a_browser_is_given_a_number_and_no_token(client, issuer):
    back = signed_in(client, issuer)
    shown = str(back.headers) + back.text + str(client.cookies)
    for token in ("refresh-1", "identity-1", "eyJ"):
        assert token not in shown


@pytest.mark.parametrize(
    ("methods", "in_form"),
    [(None, False), (["client_secret_post"], True),
     (["client_secret_post", "client_secret_basic"], False)],
)  # fmt: skip
def test_a_secret_goes_the_way_that_the_issuer_knows(issuer, methods, in_form):
    secret = "50% of a+b: \u00e9"
    issuer.says = {"token_endpoint_auth_methods_supported": methods} if methods else {}
    client = client_of(issuer.door(client_id="a:b", client_secret=secret))
    signed_in(client, issuer)
    assert client.get("/who").json() == "ada"
    asked = issuer.asked[0]
    assert asked.get("client_secret") == (secret if in_form else None)
    assert asked.get("basic") == (None if in_form else f"a:b {secret}")


def test_a_client_without_a_secret_sends_none(client, issuer):
    signed_in(client, issuer)
    assert not {"client_secret", "basic"} & set(issuer.asked[0])


def test_an_answer_of_another_issuer_is_refused(client, issuer):
    _, asked = client.begin(issuer)
    answer = {"state": asked["state"], "code": "c", "iss": "http://other.example"}
    assert client.get("/sign-in/back", params=answer).status_code == 400
    assert issuer.asked == []
    _, asked = client.begin(issuer)
    answer = {"state": asked["state"], "code": "c", "iss": ISSUER}
    assert client.get("/sign-in/back", params=answer).status_code == 303


def test_an_id_token_is_no_access_token(client, issuer):
    issuer.claims |= {"at_hash": "x"}
    told = signed_in(client, issuer)
    assert told.status_code == 401
    assert "not an access token" in told.text


def test_two_tabs_sign_in_at_once(client, issuer):
    _, first = client.begin(issuer, to="/trades")
    challenge = issuer.challenge
    _, second = client.begin(issuer, to="/study")
    back = client.get("/sign-in/back", params={"state": second["state"], "code": "c"})
    assert back.headers["location"] == "/study"
    issuer.challenge = challenge
    back = client.get("/sign-in/back", params={"state": first["state"], "code": "c"})
    assert back.headers["location"] == "/trades"


def test_what_the_issuer_says_is_a_text_and_no_page(client, issuer):
    told = client.get("/sign-in/back", params={"error": "<script>alert(1)</script>"})
    assert "<script" not in told.text


def test_a_sign_in_ends_once_and_only_where_it_began(client, issuer):
    _, asked = client.begin(issuer)
    other = Browser(client.app)
    stolen = other.get("/sign-in/back", params={"state": asked["state"], "code": "c"})
    assert stolen.status_code == 400
    assert other.get("/who").json() is None
    # The state is used up by the attempt; its owner begins again.
    again = client.get("/sign-in/back", params={"state": asked["state"], "code": "c"})
    assert again.status_code == 400
    assert "not begun in this browser" in again.text
    assert "/sign-in/start" in again.text
    assert issuer.asked == []


def test_a_state_that_nobody_began_is_refused(client, issuer):
    client.begin(issuer)
    assert client.get("/sign-in/back", params={"state": "x", "code": "c"}).status_code == 400
    assert client.get("/sign-in/back").status_code == 400
    assert client.get("/sign-in/back", params={"state": "é", "code": "c"}).status_code == 400


def test_what_the_issuer_refuses_is_said(client, issuer):
    _, asked = client.begin(issuer)
    told = client.get("/sign-in/back", params={"state": asked["state"], "error": "access_denied"})
    assert told.status_code == 403
    assert "access_denied" in told.text
    _, asked = client.begin(issuer)
    issuer.challenge = "another"
    told = client.get("/sign-in/back", params={"state": asked["state"], "code": "c"})
    assert told.status_code == 403
    assert "invalid_grant: used" in told.text
    _, asked = client.begin(issuer)
    issuer.refuses = (502, "<html>")
    told = client.get("/sign-in/back", params={"state": asked["state"], "code": "c"})
    assert told.status_code == 503


@pytest.mark.parametrize("says", [{"issuer": "http://else"}, {"token_endpoint": None, "issuer": 1}])
def test_an_issuer_that_is_not_itself_is_not_trusted(client, issuer, says):
    issuer.says = says
    assert client.get("/sign-in/start").status_code == 503


@pytest.mark.parametrize(
    "to", ["//evil.example", "https://evil.example", "/\\evil.example", "javascript:x", "", "/a\nb"]
)
def test_no_sign_in_leads_elsewhere(client, issuer, to):
    assert local_path(to) == "/"
    _, asked = client.begin(issuer, to=to)
    back = client.get("/sign-in/back", params={"state": asked["state"], "code": "c"})
    assert back.headers["location"] == "/"


def test_during_development_one_is_whom_one_likes():
    identities = [
        Identity(name="aggregator", role=Role.AGGREGATOR),
        Identity(name="driver-a", role=Role.DRIVER, sessions=("a",)),
    ]
    client = client_of(DevelopmentDoor(DevelopmentIssuer(), lambda: identities))
    assert client.get("/who").json() == "aggregator"
    answer = client.get("/sign-in/start", params={"as": "driver-a", "to": "/driver"})
    assert answer.headers["location"] == "/driver"
    assert client.get("/who").json() == "driver-a"
    client.get("/sign-in/start", params={"as": "nobody"})
    assert client.get("/who").json() == "aggregator"


def test_who_has_only_to_wait_is_asked_again_and_not_to_sign_in():
    asked = Request({"type": "http", "headers": []})
    wait = plain_page(
        asked, "shell.refused", Problem(429, "too many", headers={"Retry-After": "2"})
    )
    assert (wait.status_code, wait.headers["refresh"], wait.headers["retry-after"]) == (
        429,
        "2",
        "2",
    )
    assert START not in wait.body.decode()
    refused = plain_page(asked, "shell.refused", Problem(403, "the token has no role"))
    assert "refresh" not in refused.headers
    assert START in refused.body.decode()
