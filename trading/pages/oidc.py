"""What the pages ask an OIDC issuer: where to sign in, and tokens for a code or a refresh token.

RFC 6749 with PKCE (RFC 7636), revocation (RFC 7009), and OpenID Connect's discovery and sign-out.
The issuer's ID token proves nothing here: it only says, at sign-out, whose session is to end.
"""

from __future__ import annotations

from base64 import urlsafe_b64encode
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any
from urllib.parse import quote_plus

import httpx
import structlog

from trading.web.problems import Problem

log = structlog.get_logger(__name__)

TIMEOUT_S = 5.0
LONGEST_HINT = 4_000
"""Characters of an ID token in an address, of which servers on the way take about 8,000."""
_NEEDED = ("authorization_endpoint", "token_endpoint")
_KNOWN = (*_NEEDED, "end_session_endpoint", "revocation_endpoint")
_PASSING = (408, 425, 429)
"""Answers below 500 that say nothing against what was asked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """What an issuer gave at the end of a sign-in; neither browsers nor logs see it.

    Attributes:
        access: the access token.
        refresh: brings the next grant; None where the issuer gave none.
        identity: the ID token, if there is one.
    """

    access: str = field(repr=False)
    refresh: str | None = field(default=None, repr=False)
    identity: str | None = field(default=None, repr=False)


@dataclass(kw_only=True)
class IssuerClient:
    """The pages as a client of an issuer.

    Attributes:
        issuer: its URL, as it calls itself.
        client_id: of these pages, as the issuer knows them.
        client_secret: None for a public client.
        scope: what is asked for.
        transport: of HTTP; None for the usual one.
    """

    issuer: str
    client_id: str
    client_secret: str | None = field(default=None, repr=False)
    scope: str = "openid"
    transport: httpx.AsyncBaseTransport | None = None
    _places: dict[str, str] = field(default_factory=dict)
    _is_secret_in_form: bool = False

    async def sign_in_place(self, *, verifier: str, state: str, back_to: str) -> str:
        """Where a browser is sent to sign in.

        Raises:
            Problem: 503, the issuer does not answer.
        """
        places = await self._discovered()
        challenge = urlsafe_b64encode(sha256(verifier.encode()).digest()).rstrip(b"=")
        asked = {
            "response_type": "code",
            "client_id": self.client_id,
            "redirect_uri": back_to,
            "scope": self.scope,
            "state": state,
            "code_challenge": challenge.decode(),
            "code_challenge_method": "S256",
        }
        return str(httpx.URL(places["authorization_endpoint"]).copy_merge_params(asked))

    async def grant(self, *, code: str, verifier: str, back_to: str) -> Grant:
        """What the issuer gives for a code.

        Raises:
            Problem: 403, it refuses; 503, it does not answer.
        """
        return await self._granted(
            {
                "grant_type": "authorization_code",
                "code": code,
                "redirect_uri": back_to,
                "code_verifier": verifier,
            }
        )

    async def renewed(self, old: Grant) -> Grant:
        """What the issuer gives for the refresh token of a grant, which may be used up by it.

        Raises:
            Problem: 403, it refuses: the sign-in is over; 503, it does not answer.
        """
        given = {"grant_type": "refresh_token", "refresh_token": old.refresh or ""}
        new = await self._granted(given)
        # What is not given anew stays good (RFC 6749, section 6).
        return Grant(
            access=new.access,
            refresh=new.refresh or old.refresh,
            identity=new.identity or old.identity,
        )

    async def revoke(self, old: Grant) -> None:
        """Let the issuer forget a refresh token, where it can; it is forgotten here in any case."""
        if old.refresh is None:
            return
        try:
            place = (await self._discovered()).get("revocation_endpoint")
            if place is not None:
                given = {"token": old.refresh, "token_type_hint": "refresh_token"}
                (await self._post(place, given)).raise_for_status()
        except (httpx.HTTPError, Problem) as error:
            log.warning("refresh token not revoked", issuer=self.issuer, problem=str(error))

    async def sign_out_place(self, ended: Grant | None, *, back_to: str) -> str | None:
        """Where a browser is sent to end the issuer's session, too; None where it cannot be.

        Raises:
            Problem: 503, the issuer does not answer.
        """
        place = (await self._discovered()).get("end_session_endpoint")
        if place is None:
            return None
        asked = {"client_id": self.client_id, "post_logout_redirect_uri": back_to}
        hint = None if ended is None else ended.identity
        if hint is not None and len(hint) <= LONGEST_HINT:
            # Without it an issuer asks whether one really wants to sign out.
            asked["id_token_hint"] = hint
        return str(httpx.URL(place).copy_merge_params(asked))

    async def _granted(self, given: dict[str, str]) -> Grant:
        try:
            answer = await self._post((await self._discovered())["token_endpoint"], given)
            if 400 <= answer.status_code < 500 and answer.status_code not in _PASSING:
                raise Problem(403, f"the issuer gives no token ({_said(answer)})")
            told = answer.raise_for_status().json()
            return Grant(
                access=str(told["access_token"]),
                refresh=_text(told.get("refresh_token")),
                identity=_text(told.get("id_token")),
            )
        except (httpx.HTTPError, ValueError, KeyError, TypeError, AttributeError) as error:
            log.error("no token from the issuer", issuer=self.issuer, problem=repr(error))
            raise Problem(503, f"the issuer gives no token ({type(error).__name__})") from None

    async def _post(self, place: str, given: dict[str, str]) -> httpx.Response:
        known: httpx.Auth = httpx.Auth()
        given = given | {"client_id": self.client_id}
        if self.client_secret is not None and self._is_secret_in_form:
            given["client_secret"] = self.client_secret
        elif self.client_secret is not None:
            # Both are encoded like a form first (RFC 6749, section 2.3.1).
            known = httpx.BasicAuth(quote_plus(self.client_id), quote_plus(self.client_secret))
        async with httpx.AsyncClient(timeout=TIMEOUT_S, transport=self.transport) as client:
            return await client.post(place, data=given, auth=known)

    async def _discovered(self) -> dict[str, str]:
        """Where the issuer asks people to sign in, and where it gives tokens."""
        if not self._places:
            place = self.issuer.rstrip("/") + "/.well-known/openid-configuration"
            try:
                async with httpx.AsyncClient(timeout=TIMEOUT_S, transport=self.transport) as client:
                    told = (await client.get(place)).raise_for_status().json()
                if told["issuer"] != self.issuer:
                    raise ValueError(f"it calls itself {told['issuer']!r}")
                self._is_secret_in_form = _takes_secret_in_form_alone(told)
                needed = {name: str(told[name]) for name in _NEEDED}
                self._places = needed | {name: str(told[name]) for name in _KNOWN if told.get(name)}
            except (httpx.HTTPError, ValueError, KeyError, TypeError, AttributeError) as error:
                log.error("issuer not understood", issuer=self.issuer, problem=str(error))
                raise Problem(503, f"the issuer does not answer as one should ({error})") from None
        return self._places


def _takes_secret_in_form_alone(told: dict[str, Any]) -> bool:
    """Whether an issuer does not know the way that all should know (client_secret_basic)."""
    methods = told.get("token_endpoint_auth_methods_supported") or ["client_secret_basic"]
    return "client_secret_basic" not in methods and "client_secret_post" in methods


def _said(answer: httpx.Response) -> str:
    """The name of an error as RFC 6749, section 5.2, has it, and its description."""
    try:
        told = answer.json()
    except ValueError:
        told = None
    told = told if isinstance(told, dict) else {}
    found = [_text(told.get(name)) for name in ("error", "error_description")]
    return ": ".join(text[:200] for text in found if text) or f"status {answer.status_code}"


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None
