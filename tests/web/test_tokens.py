"""Tokens: only those of the issuer, for this service, signed by its keys, in time."""

from __future__ import annotations

import base64
import json

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, OctKey, RSAKey

from trading.errors import OptionError
from trading.serving import serving
from trading.web import DevelopmentIssuer, DiscoveredKeys, Tokens, refuse_unless_loopback
from trading.web.auth import KEYS_HOLD_S, KEYS_REST_S, LEEWAY_S
from trading.web.problems import Problem

NOW = 1_700_000_000


@pytest.fixture
def issuer() -> DevelopmentIssuer:
    return DevelopmentIssuer(clock=lambda: NOW)


def refused(tokens: Tokens, token: str) -> Problem:
    with pytest.raises(Problem) as found:
        tokens.principal(token)
    return found.value


def test_a_token_says_who_somebody_is(issuer):
    token = issuer.token("driver", subject="anna", owners=["0xAB"], sessions=["s1", "s2"])
    who = issuer.tokens().principal(token)
    assert (who.subject, who.roles, who.owners) == ("anna", {"driver"}, {"0xab"})
    assert who.sessions == {"s1", "s2"}


@pytest.mark.parametrize(
    "claims",
    [
        {"exp": NOW - 3600},
        {"nbf": NOW + 3600},
        {"iat": NOW + 3600},
        {"iss": "http://other"},
        {"aud": "other"},
        {"aud": ["other"]},
        {"sub": None},
        {"exp": None},
        {"exp": "tomorrow"},
        {"exp": 1e400},
    ],
)
def test_a_token_with_wrong_claims_is_refused(issuer, claims):
    problem = refused(issuer.tokens(), issuer.token("operator", **claims))
    assert problem.status == 401
    assert "WWW-Authenticate" in problem.headers


@pytest.mark.parametrize("roles", [[], None, "root", ["root"], [1], {"a": 1}, [["driver"]]])
def test_a_token_without_a_role_is_refused(issuer, roles):
    assert refused(issuer.tokens(), issuer.token("x", roles=roles)).status == 403


def claims_of(issuer):
    return {"iss": issuer.issuer, "aud": "peercharge", "sub": "x", "exp": NOW + 60,
            "roles": ["authority"]}  # fmt: skip


def test_another_key_of_the_same_name_is_refused(issuer):
    forged = ECKey.generate_key("P-256", {"kid": "development"})
    token = jwt.encode({"alg": "ES256", "kid": "development"}, claims_of(issuer), forged)
    assert refused(issuer.tokens(), token).status == 401


def test_a_secret_made_of_the_public_key_is_refused(issuer):
    public = json.dumps(issuer.keys()[0].as_dict(private=False))
    token = jwt.encode(
        {"alg": "HS256", "kid": "development"}, claims_of(issuer), OctKey.import_key(public)
    )
    assert refused(issuer.tokens(), token).status == 401


def test_a_token_without_a_signature_is_refused(issuer):
    def part(value):
        return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()

    token = f"{part({'alg': 'none'})}.{part(claims_of(issuer))}."
    assert refused(issuer.tokens(), token).status == 401


@pytest.mark.parametrize("token", ["", "a", "a.b", "a.b.c", "." * 3, "é.é.é", "a.b.c.d.e", "%"])
def test_what_is_no_token_is_refused(issuer, token):
    assert refused(issuer.tokens(), token).status == 401


def test_roles_may_be_deep_in_a_token(issuer):
    tokens = Tokens(issuer=issuer.issuer, audience="peercharge", keys=issuer,
                    roles_claim="realm_access.roles", clock=lambda: NOW)  # fmt: skip
    deep = {"realm_access": {"roles": ["operator", "offline_access"]}}
    assert tokens.principal(issuer.token("x", **deep)).roles == {"operator"}
    assert refused(tokens, issuer.token("operator", realm_access="operator")).status == 403


@pytest.mark.parametrize("name", ["https://lot.example/roles", "resource_access.my.pages.roles"])
def test_dots_may_belong_to_a_name(issuer, name):
    """As Auth0 has claims, and Keycloak the ids of clients."""
    tokens = Tokens(issuer=issuer.issuer, audience="peercharge", keys=issuer,
                    roles_claim=name, clock=lambda: NOW)  # fmt: skip
    deep = {
        "https://lot.example/roles": ["operator"],
        "resource_access": {"my.pages": {"roles": ["operator"]}, "my": {"pages": 1}},
    }
    assert tokens.principal(issuer.token("x", **deep)).roles == {"operator"}
    assert refused(tokens, issuer.token("operator")).status == 403


def test_this_service_may_be_one_of_several_audiences(issuer):
    token = issuer.token("operator", aud=["account", "peercharge"])
    assert issuer.tokens().principal(token).roles == {"operator"}


@pytest.mark.parametrize("claims", [{"typ": "ID"}, {"typ": "Refresh"}, {"at_hash": "x"}])
def test_what_an_issuer_signs_for_other_ends_is_no_access_token(issuer, claims):
    """An ID token is for this audience, too, where the pages' client has the service's name."""
    problem = refused(issuer.tokens(), issuer.token("operator", **claims))
    assert problem.status == 401
    assert "not an access token" in problem.detail
    assert issuer.tokens().principal(issuer.token("operator", typ="Bearer"))


def test_a_name_is_told_where_the_issuer_has_one(issuer):
    tokens = issuer.tokens()
    assert tokens.principal(issuer.token("driver", preferred_username="ada")).name == "ada"
    assert tokens.principal(issuer.token("driver")).name == ""
    assert tokens.principal(issuer.token("driver", preferred_username={"a": 1})).name == ""


def test_a_token_is_verified_again_after_a_minute_and_never_outlives_itself():
    now = [NOW]
    issuer = DevelopmentIssuer(clock=lambda: now[0])
    tokens, token = issuer.tokens(), issuer.token("operator", lifetime_s=100)
    assert tokens.known(token) is None
    who = tokens.principal(token)
    now[0] += 59
    assert tokens.known(token) == who
    assert tokens.known(token + "x") is None
    now[0] += 1
    assert tokens.known(token) is None
    assert tokens.principal(token) == who
    now[0] = NOW + 100 + LEEWAY_S + 1
    assert tokens.known(token) is None
    assert refused(tokens, token).status == 401


def test_what_is_refused_is_not_known_afterwards(issuer):
    tokens, token = issuer.tokens(), issuer.token("operator", aud="other")
    assert refused(tokens, token).status == 401
    assert tokens.known(token) is None


def served(issuer):
    from fastapi import FastAPI

    app = FastAPI()
    app.include_router(issuer.router())
    return serving(app, "127.0.0.1:0")


def test_keys_are_found_at_the_issuer_and_found_again_when_they_change():
    ticks = iter(range(0, 100_000, 100))
    issuer = DevelopmentIssuer(clock=lambda: NOW)
    with served(issuer) as address:
        issuer.issuer = f"{address}/development-issuer"
        keys = DiscoveredKeys(issuer.issuer, clock=lambda: next(ticks))
        tokens = Tokens(issuer=issuer.issuer, audience="peercharge", keys=keys, clock=lambda: NOW)
        assert tokens.principal(issuer.token("operator")).roles == {"operator"}
        turned = ECKey.generate_key("P-256", {"kid": "next", "use": "sig"})
        issuer._key = turned
        token = jwt.encode(
            {"alg": "ES256", "kid": "next"},
            claims_of(issuer) | {"iss": issuer.issuer},
            turned,
        )
        assert tokens.principal(token).roles == {"authority"}


def test_an_issuer_that_fails_is_not_a_bad_token_and_is_not_asked_all_the_time():
    from fastapi import FastAPI, Response

    asked, now = [], [0.0]
    app = FastAPI()

    @app.get("/.well-known/openid-configuration")
    def fail() -> Response:
        asked.append(now[0])
        return Response(status_code=500)

    with serving(app, "127.0.0.1:0") as address:
        keys = DiscoveredKeys(address, clock=lambda: now[0])
        tokens = Tokens(issuer=address, audience="peercharge", keys=keys)
        token = DevelopmentIssuer(issuer=address).token("operator")
        for now[0] in (0.0, 1.0, KEYS_REST_S - 1, KEYS_REST_S + 1):
            assert refused(tokens, token).status == 503
    assert asked == [0.0, KEYS_REST_S + 1]


class Rotating:
    """An issuer whose keys may change, and which may fail."""

    def __init__(self) -> None:
        from fastapi import FastAPI, HTTPException

        self.app, self.issuer, self.keys, self.n_asked = FastAPI(), "", [], 0

        @self.app.get("/.well-known/openid-configuration")
        def configuration():
            return {"issuer": self.issuer, "jwks_uri": f"{self.issuer}/keys"}

        @self.app.get("/keys")
        def keys():
            self.n_asked += 1
            if not self.keys:
                raise HTTPException(500)
            return {"keys": self.keys}

    def token(self, key) -> str:
        claims = {"iss": self.issuer, "aud": "peercharge", "sub": "x", "exp": NOW + 9_999,
                  "roles": ["authority"]}  # fmt: skip
        return jwt.encode({"alg": "ES256", "kid": key.kid}, claims, key)


def test_a_key_that_is_withdrawn_is_forgotten_though_nobody_brings_a_new_one():
    issuer, now = Rotating(), [0.0]
    old, new = (ECKey.generate_key("P-256", {"kid": name, "use": "sig"}) for name in "ab")
    with serving(issuer.app, "127.0.0.1:0") as issuer.issuer:
        keys = DiscoveredKeys(issuer.issuer, clock=lambda: now[0])
        tokens = Tokens(issuer=issuer.issuer, audience="peercharge", keys=keys, clock=lambda: NOW)
        issuer.keys = [old.as_dict(private=False)]
        assert tokens.principal(issuer.token(old))
        issuer.keys = [new.as_dict(private=False)]
        now[0] = KEYS_HOLD_S - 1
        assert tokens.principal(issuer.token(old))
        now[0] = KEYS_HOLD_S
        assert refused(tokens, issuer.token(old)).status == 401
        assert tokens.principal(issuer.token(new))
        # Where the issuer is away, what is known stays good.
        issuer.keys = []
        now[0] = 10 * KEYS_HOLD_S
        assert tokens.principal(issuer.token(new))
        n_asked = issuer.n_asked
        now[0] += KEYS_REST_S - 1
        assert tokens.principal(issuer.token(new))
        assert issuer.n_asked == n_asked


def test_keys_that_are_not_understood_or_for_other_ends_are_passed_over():
    """Keycloak publishes a key for encryption beside the one for signatures."""
    issuer = Rotating()
    key = ECKey.generate_key("P-256", {"kid": "a"})
    wrong = RSAKey.generate_key(2048, {"kid": "e", "use": "enc", "alg": "RSA-OAEP"})
    with serving(issuer.app, "127.0.0.1:0") as issuer.issuer:
        issuer.keys = [
            wrong.as_dict(private=False),
            {"kty": "AKP", "kid": "pq", "alg": "ML-DSA-44", "pub": "AA"},
            {"kty": "EC", "kid": "bad", "crv": "P-256", "x": "AA", "y": "AA"},
            key.as_dict(private=False),
        ]
        source = DiscoveredKeys(issuer.issuer)
        found = source.keys()
        tokens = Tokens(issuer=issuer.issuer, audience="peercharge", keys=source, clock=lambda: NOW)
        assert [one.kid for one in found] == ["a"]
        assert tokens.principal(issuer.token(key)).roles == {"authority"}


def test_an_issuer_that_calls_itself_otherwise_is_not_trusted():
    issuer = DevelopmentIssuer(clock=lambda: NOW)
    with served(issuer) as address:
        place = f"{address}/development-issuer"
        keys = DiscoveredKeys(place)
        with pytest.raises(Problem) as found:
            keys.keys()
        assert found.value.status == 503


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.2", "example.org", ""])
def test_development_tokens_are_not_issued_where_others_reach(host):
    with pytest.raises(OptionError, match="loopback"):
        refuse_unless_loopback(host)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.9.1", "::1", "localhost"])
def test_development_tokens_are_issued_on_this_machine(host):
    refuse_unless_loopback(host)
