"""Who calls, and what they may: OIDC bearer tokens, four roles, one's own vehicles.

A token is a JWT signed by the configured issuer. Its claims say who somebody is:

    sub                    the caller; in the log of every write
    roles                  a list of `driver`, `aggregator`, `operator`, `authority`; the name of
                           the claim is a setting, dots lead into it (`realm_access.roles`)
    preferred_username     a name to show to the caller itself
    peercharge_owner       addresses that own accounts on the chain; a driver's vehicles are the
                           sessions whose accounts they own
    peercharge_sessions    session ids besides, for vehicles without an account

A driver sees nothing but these. What a role may is said at each route, and a route that says
nothing does not exist: `allow` is the only way to a `Principal`.
"""

from __future__ import annotations

import math
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any, Protocol

import httpx
import structlog
from fastapi import Depends, Request, Response
from fastapi.routing import APIRoute
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from joserfc import jws, jwt
from joserfc.errors import JoseError
from joserfc.jwk import Key, KeySet
from starlette.concurrency import run_in_threadpool

from trading.errors import OptionError
from trading.web.bodies import refuse_unless_json
from trading.web.limits import RateLimit
from trading.web.parameters import refuse_unknown_parameters
from trading.web.problems import Problem
from trading.web.writes import attempt_of

log = structlog.get_logger(__name__)

ALGORITHMS = ("ES256", "ES384", "EdDSA", "Ed25519", "PS256", "RS256")
"""Signatures that are taken. None of them has a secret that a verifier could sign with."""

OWNER_CLAIM = "peercharge_owner"
SESSIONS_CLAIM = "peercharge_sessions"
MOST_CLAIMED = 500
LEEWAY_S = 30
"""How far the issuer's clock may be from ours."""
KEYS_REST_S = 10.0
"""How long an issuer is not asked again for keys, whatever tokens say."""
KEYS_HOLD_S = 300.0
"""After how long keys are asked for again, so that a key that its issuer withdraws is forgotten."""
VERIFIED_S = 60.0
"""How long a token that was verified is not verified again."""
MOST_VERIFIED = 10_000
LONGEST_LOGGED = 200
_TIMEOUT_S = 5.0


class Role(StrEnum):
    """Who somebody is to a lot."""

    DRIVER = "driver"
    AGGREGATOR = "aggregator"
    OPERATOR = "operator"
    AUTHORITY = "authority"


SEES_VEHICLES = frozenset({Role.AGGREGATOR, Role.OPERATOR})
"""Who sees all vehicles; the authority governs without knowing where whom's car stands."""
SEES_TRADES = SEES_VEHICLES | {Role.AUTHORITY}


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """Whoever sent a request.

    Attributes:
        subject: who, by the issuer's name for them.
        roles: at least one.
        owners: addresses of theirs, in lower case.
        sessions: ids of sessions of theirs.
        expires_at: Unix seconds until which the token holds.
        name: to show to them; decides nothing, and may be empty.
    """

    subject: str
    roles: frozenset[Role]
    owners: frozenset[str] = frozenset()
    sessions: frozenset[str] = frozenset()
    expires_at: int
    name: str = ""

    @property
    def sees_vehicles(self) -> bool:
        """Whether every vehicle is theirs to see, and not just their own."""
        return bool(self.roles & SEES_VEHICLES)

    @property
    def sees_trades(self) -> bool:
        """Whether every trade and account is theirs to see, though perhaps without names."""
        return bool(self.roles & SEES_TRADES)


class KeySource(Protocol):
    """Where an issuer's public keys come from."""

    def keys(self, *, again: bool = False) -> Sequence[Key]:
        """The keys; with `again` as they are now, if that was not just asked."""


class DiscoveredKeys:
    """Keys of an issuer, found over `/.well-known/openid-configuration`."""

    def __init__(self, issuer: str, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._issuer, self._clock = issuer, clock
        self._keys: tuple[Key, ...] = ()
        self._asked_at = -math.inf
        self._lock = threading.Lock()

    def keys(self, *, again: bool = False) -> Sequence[Key]:
        """See `KeySource`.

        Raises:
            Problem: 503, the issuer does not answer and no keys are known.
        """
        # Whoever has keys that may do does not wait for newer ones that somebody asks for.
        if self._lock.acquire(blocking=again or not self._keys):
            try:
                rested_s = self._clock() - self._asked_at
                is_wanted = again or not self._keys or rested_s >= KEYS_HOLD_S
                if is_wanted and rested_s >= KEYS_REST_S:
                    self._asked_at = self._clock()
                    self._ask()
            finally:
                self._lock.release()
        if not self._keys:
            raise Problem(503, "the issuer of tokens does not answer", headers=_soon(1))
        return self._keys

    def _ask(self) -> None:
        try:
            with httpx.Client(timeout=_TIMEOUT_S) as client:
                place = self._issuer.rstrip("/") + "/.well-known/openid-configuration"
                told = client.get(place).raise_for_status().json()
                if told["issuer"] != self._issuer:
                    raise ValueError(f"it calls itself {told['issuer']!r}")
                found = client.get(told["jwks_uri"]).raise_for_status().json()
            self._keys = _understood(found["keys"])
        except (httpx.HTTPError, JoseError, ValueError, KeyError, TypeError) as error:
            # Keys that are known stay good.
            log.error("issuer's keys cannot be read", issuer=self._issuer, problem=str(error))


class Tokens:
    """Turns bearer tokens of one issuer into principals."""

    def __init__(
        self,
        *,
        issuer: str,
        audience: str,
        keys: KeySource,
        roles_claim: str = "roles",
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Trust one issuer.

        Args:
            issuer: as in the claim `iss`.
            audience: of this service, as in `aud`.
            keys: its public keys.
            roles_claim: where roles are, with dots.
            clock: Unix seconds.
        """
        if not issuer or not audience:
            raise OptionError("issuer", issuer, "an issuer's URL, and --audience beside it")
        self._keys, self._roles_claim = keys, roles_claim
        self._clock = clock
        self._verified: OrderedDict[str, tuple[float, Principal]] = OrderedDict()
        self._lock = threading.Lock()
        self._registry = jwt.JWTClaimsRegistry(
            now=lambda: int(clock()),
            leeway=LEEWAY_S,
            iss={"essential": True, "value": issuer},
            aud={"essential": True, "value": audience},
            sub={"essential": True},
            exp={"essential": True},
        )

    def known(self, token: str) -> Principal | None:
        """Whose token it is, if that was verified not long ago; this never waits."""
        now = self._clock()
        with self._lock:
            since, found = self._verified.get(token, (0.0, None))
            if found is None or now - since >= VERIFIED_S or now > found.expires_at + LEEWAY_S:
                self._verified.pop(token, None)
                return None
            self._verified.move_to_end(token)
            return found

    def principal(self, token: str) -> Principal:
        """Whose token it is, verified now; this may ask the issuer.

        Raises:
            Problem: 401, it is none of the issuer's, for another service, or out of date; 403, it
                gives no role; 503, the issuer does not answer.
        """
        try:
            claims = jwt.decode(token, self._key_for(token), algorithms=list(ALGORITHMS)).claims
        except (JoseError, ValueError) as error:
            raise _not_valid(error) from None
        # The issuer signed it, for whatever it is good.
        logged = {"token_of": str(claims.get("sub") or "")[:LONGEST_LOGGED]}
        try:
            self._registry.validate(claims)
            _refuse_other_kinds(claims)
        except (JoseError, ValueError) as error:
            raise _not_valid(error, logged) from None
        roles = {
            Role(name) for name in _texts(_claim(claims, self._roles_claim)) if name in set(Role)
        }
        if not roles:
            raise Problem(
                403,
                f"the token has no role in its claim {self._roles_claim}",
                "Have one of " + ", ".join(Role) + " given to this account at the issuer.",
                logged=logged,
            )
        found = Principal(
            subject=str(claims["sub"]),
            roles=frozenset(roles),
            owners=frozenset(name.lower() for name in _texts(claims.get(OWNER_CLAIM))),
            sessions=frozenset(_texts(claims.get(SESSIONS_CLAIM))),
            expires_at=int(claims["exp"]),
            name=next(iter(_texts(claims.get("preferred_username"))), ""),
        )
        with self._lock:
            self._verified[token] = self._clock(), found
            self._verified.move_to_end(token)
            if len(self._verified) > MOST_VERIFIED:
                self._verified.popitem(last=False)
        return found

    def _key_for(self, token: str) -> Key:
        kid = jws.extract_compact(token.encode()).headers().get("kid")
        for again in (False, True):
            keys = self._keys.keys(again=again)
            if kid is None and len(keys) == 1:
                return keys[0]
            found = [key for key in keys if kid is not None and key.kid == kid]
            if found:
                return found[0]
        raise ValueError("it is signed by a key that the issuer does not have")


def _understood(found: Sequence[Mapping[str, Any]]) -> tuple[Key, ...]:
    """The keys that signatures can be checked by; others are passed over (RFC 7517, section 5).

    Raises:
        ValueError: there are none.
    """
    keys: list[Key] = []
    for one in found:
        if one.get("use", "sig") == "sig":
            with suppress(JoseError, ValueError, KeyError, TypeError):
                keys += KeySet.import_key_set({"keys": [dict(one)]}).keys
    if not keys:
        raise ValueError("it has no key for signatures")
    return tuple(keys)


def _refuse_other_kinds(claims: Mapping[str, Any]) -> None:
    """An issuer signs other things for the same people, which are no leave to do anything.

    Raises:
        ValueError: it is an ID token, or one that only brings others.
    """
    kind = claims.get("typ", "")
    if "at_hash" in claims or "c_hash" in claims or str(kind).lower() in _OTHER_KINDS:
        raise ValueError("it is not an access token")


_OTHER_KINDS = frozenset({"id", "refresh", "offline", "logout"})
"""What Keycloak calls tokens of other kinds in their claim `typ`."""


def _claim(claims: Mapping[str, Any], name: str) -> object:
    """A claim; dots lead into one, unless they belong to its name as they stand.

    >>> _claim({"a": {"b.c": 1}}, "a.b.c"), _claim({"https://a.b/roles": 2}, "https://a.b/roles")
    (1, 2)
    """
    if name in claims:
        return claims[name]
    ends = [at for at, sign in enumerate(name) if sign == "."]
    for at in reversed(ends):
        inner = claims.get(name[:at])
        if isinstance(inner, Mapping):
            return _claim(inner, name[at + 1 :])
    return None


def unauthorized(detail: str, logged: Mapping[str, str] | None = None) -> Problem:
    """401, with what a client needs to know of how to do better."""
    headers = {"WWW-Authenticate": 'Bearer realm="peercharge"'}
    return Problem(401, detail, headers=headers, logged=logged)


def _not_valid(error: Exception, logged: Mapping[str, str] | None = None) -> Problem:
    said = str(getattr(error, "description", "") or error) or type(error).__name__
    return unauthorized(f"the token is not valid: {said}", logged)


_bearer = HTTPBearer(
    auto_error=False, bearerFormat="JWT", description="A token of the configured OIDC issuer."
)
_Credentials = Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]


class Allowed:
    """A dependency that gives the principal if one of its roles is among `roles`."""

    def __init__(self, roles: frozenset[Role]) -> None:
        self.roles = roles

    async def __call__(self, request: Request, _credentials: _Credentials) -> Principal:
        """The principal, as `check` found it."""
        by, found = request.scope.get(_CHECKED, (None, None))
        return found if by is self and found is not None else await self.check(request)

    async def check(self, request: Request) -> Principal:
        """Check token, rate, role and the names of parameters, in this order.

        Raises:
            Problem: 401, 429, 403 or 422.
        """
        credentials = await _bearer(request)
        rates: RateLimit = request.app.state.rates
        tokens: Tokens = request.app.state.tokens
        try:
            if credentials is None:
                raise unauthorized("this needs a bearer token, and none came")
            token = credentials.credentials
            principal = tokens.known(token)
            if principal is None:
                principal = await run_in_threadpool(tokens.principal, token)
        except Problem as error:
            # Guessing is slowed down by address; who has a token is counted by name.
            if error.status != 503:
                _within(rates, f"address {request.client.host if request.client else ''}")
            raise
        attempt_of(request).who = principal
        _within(rates, f"subject {principal.subject}")
        if not principal.roles & self.roles:
            raise Problem(
                403,
                f"this is for {_listed(self.roles)}, and the token is of a "
                f"{_listed(principal.roles)}",
                "Use a token with such a role.",
            )
        refuse_unknown_parameters(request)
        request.scope[_CHECKED] = self, principal
        return principal


_CHECKED = "peercharge.checked"


class GuardedRoute(APIRoute):
    """A route that asks who calls before it reads what they send.

    The framework would read and parse a body first, of whomever, and before the caller is known.
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """See `fastapi.routing.APIRoute`."""
        handle = super().get_route_handler()
        guard = guard_of(self)

        async def guarded(request: Request) -> Response:
            if guard is None:
                return await handle(request)
            principal = await guard.check(request)
            if self.body_field is not None:
                refuse_unless_json(request)
            async with request.app.state.turns.of(principal.subject):
                return await handle(request)

        return guarded


def guard_of(route: APIRoute) -> Allowed | None:
    """What a route asks of who calls; None for one that is open."""
    calls = (part.call for part in route.dependant.dependencies)
    return next((call for call in calls if isinstance(call, Allowed)), None)


def allow(*roles: Role) -> Any:
    """A route's parameter: the principal, who has one of these roles."""
    return Depends(Allowed(frozenset(roles)))


def _within(rates: RateLimit, caller: str) -> None:
    wait_s = rates.take(caller)
    if wait_s:
        raise Problem(
            429, "more requests than are allowed", "Wait as Retry-After says.",
            headers=_soon(wait_s),
        )  # fmt: skip


def _soon(wait_s: float) -> dict[str, str]:
    return {"Retry-After": str(max(1, round(wait_s + 0.5)))}


def _listed(roles: frozenset[Role]) -> str:
    return ", ".join(sorted(roles))


def _texts(value: object) -> list[str]:
    """A claim that is a text or a list of texts; all else counts as nothing."""
    items = [value] if isinstance(value, str) else value if isinstance(value, list) else []
    return [item for item in items[:MOST_CLAIMED] if isinstance(item, str) and item]
