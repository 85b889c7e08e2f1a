"""A token issuer for development: a key that lives as long as the process, and nothing else.

It lets one try the service without an identity provider. Whoever can read its output can be
anybody, so it is refused on an address that others can reach.
"""

from __future__ import annotations

import ipaddress
import time
from collections.abc import Callable, Sequence

from fastapi import APIRouter
from joserfc import jwt
from joserfc.jwk import ECKey, Key

from trading.errors import OptionError
from trading.web.auth import OWNER_CLAIM, SESSIONS_CLAIM, Role, Tokens

AUDIENCE = "peercharge"
PATH = "/development-issuer"
LIFETIME_S = 12 * 3600
_KEY_ID = "development"


class DevelopmentIssuer:
    """Signs tokens; `tokens` trusts it without asking, others over the routes of `router`."""

    def __init__(
        self,
        *,
        issuer: str = f"http://localhost{PATH}",
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.issuer, self._clock = issuer, clock
        self._key = ECKey.generate_key("P-256", {"kid": _KEY_ID, "use": "sig", "alg": "ES256"})

    def keys(self, *, again: bool = False) -> Sequence[Key]:  # noqa: ARG002 - see KeySource
        """Its one public key."""
        return [self._key]

    def tokens(self) -> Tokens:
        """What verifies its tokens."""
        return Tokens(issuer=self.issuer, audience=AUDIENCE, keys=self, clock=self._clock)

    def token(
        self,
        role: str,
        *,
        subject: str = "",
        owners: Sequence[str] = (),
        sessions: Sequence[str] = (),
        lifetime_s: int = LIFETIME_S,
        **claims: object,
    ) -> str:
        """A token for a role; further `claims` replace the usual ones, for trying bad ones out."""
        now = int(self._clock())
        usual: dict[str, object] = {
            "iss": self.issuer,
            "aud": AUDIENCE,
            "sub": subject or f"development-{role}",
            "iat": now,
            "exp": now + lifetime_s,
            "roles": [role],
            OWNER_CLAIM: list(owners),
            SESSIONS_CLAIM: list(sessions),
        }
        header = {"alg": "ES256", "kid": _KEY_ID}
        return jwt.encode(header, usual | claims, self._key, algorithms=["ES256"])

    def token_of_each_role(
        self, *, driver_of: Sequence[str] = (), operator_of: Sequence[str] = ()
    ) -> dict[str, str]:
        """A token a role; the driver's is for these sessions, the operator's for these nodes."""
        return {
            role.value: self.token(
                role,
                sessions=driver_of if role is Role.DRIVER else (),
                owners=operator_of if role is Role.OPERATOR else (),
            )
            for role in Role
        }

    def router(self) -> APIRouter:
        """What an OIDC client asks an issuer: its configuration and its keys."""
        router = APIRouter(prefix=PATH, include_in_schema=False)

        @router.get("/.well-known/openid-configuration")
        def configuration() -> dict[str, object]:
            return {
                "issuer": self.issuer,
                "jwks_uri": f"{self.issuer}/keys",
                "id_token_signing_alg_values_supported": ["ES256"],
            }

        @router.get("/keys")
        def keys() -> dict[str, object]:
            return {"keys": [self._key.as_dict(private=False)]}

        return router


def refuse_unless_loopback(host: str) -> None:
    """Refuse to issue tokens where others could use them.

    Raises:
        OptionError: `host` is not this machine alone.

    >>> refuse_unless_loopback("127.0.0.1")
    """
    try:
        is_loopback = host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        is_loopback = False
    if not is_loopback:
        raise OptionError(
            "listen", host, "a loopback address, such as 127.0.0.1, with --development-issuer"
        )
