"""`peercharge serve`: the HTTP API and the pages over an engine's database."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from trading.cli.run import DatabaseUrl, MarketFile
from trading.cli.serve import (
    LogFormatName,
    Salts,
    SimulatedSalts,
    ended_by_signals,
    start_logs,
    tags,
)

if TYPE_CHECKING:
    from trading.pages import Door
    from trading.web import DevelopmentIssuer, EngineDoor, Nodes, Studies, Tokens
    from trading.web.chain import ChainDoor

LISTEN = "127.0.0.1:8800"
SECRET_VARIABLE = "PEERCHARGE_CLIENT_SECRET"
MOST_CONNECTIONS = 2_000


def serve(
    database: DatabaseUrl,
    market: MarketFile = None,
    listen: Annotated[
        str, typer.Option("--listen", metavar="HOST:PORT", help="Where to answer.")
    ] = LISTEN,
    engine: Annotated[
        str | None,
        typer.Option(
            "--engine",
            metavar="URL",
            help="The engine's address, to which sessions go; it asks for the token in "
            "PEERCHARGE_SESSIONS_TOKEN or its _FILE. Without it none are taken.",
        ),
    ] = None,
    operator: Annotated[
        list[str] | None,
        typer.Option(
            "--operator",
            metavar="URL",
            help="An operator's node, for which its people may act here; may be repeated. It asks "
            "for the token in PEERCHARGE_OPERATOR_TOKEN or its _FILE.",
        ),
    ] = None,
    runs: Annotated[
        Path | None,
        typer.Option(
            "--runs", exists=True, file_okay=False, metavar="DIR", help="Folder of finished runs."
        ),
    ] = None,
    study_data: Annotated[
        Path | None,
        typer.Option(
            "--study-data",
            exists=True,
            file_okay=False,
            metavar="DIR",
            help="Session files that comparisons may be asked for on, besides the sample; a name "
            "begins with its format, such as acn-2019.csv. Comparisons need --runs.",
        ),
    ] = None,
    salts: Salts = None,
    simulated_drivers: SimulatedSalts = False,
    replay: Annotated[
        bool, typer.Option("--replay", help="The engine replays past days: its time is now.")
    ] = False,
    issuer: Annotated[
        str,
        typer.Option(
            "--issuer", metavar="URL", envvar="PEERCHARGE_ISSUER", help="The OIDC issuer to trust."
        ),
    ] = "",
    audience: Annotated[
        str, typer.Option("--audience", metavar="NAME", help="This service, as tokens name it.")
    ] = "peercharge",
    roles_claim: Annotated[
        str,
        typer.Option(
            "--roles-claim",
            metavar="NAME",
            help="The claim that lists roles; dots lead into it, as in realm_access.roles.",
        ),
    ] = "roles",
    client_id: Annotated[
        str,
        typer.Option(
            "--client-id",
            metavar="ID",
            help="Of the pages at the issuer; without it only the API is served. A client with a "
            f"secret has it in {SECRET_VARIABLE} or its _FILE.",
        ),
    ] = "",
    scope: Annotated[
        str,
        typer.Option(
            "--scope",
            metavar="NAMES",
            help="What the pages ask the issuer for, such as 'openid offline_access' where only "
            "this brings a refresh token.",
        ),
    ] = "openid",
    address: Annotated[
        str,
        typer.Option(
            "--address",
            metavar="URL",
            help="Under which browsers reach the pages; the issuer sends them back to "
            "/sign-in/back there.",
        ),
    ] = "",
    development_issuer: Annotated[
        bool,
        typer.Option(
            "--development-issuer",
            help="Issue tokens here, and print one for each role. On this machine only.",
        ),
    ] = False,
    driver_of: Annotated[
        list[str] | None,
        typer.Option(
            "--driver-of",
            metavar="SESSION",
            help="A session of the development issuer's driver; may be repeated.",
        ),
    ] = None,
    deployment: Annotated[
        Path | None,
        typer.Option(
            "--deployment",
            exists=True,
            dir_okay=False,
            metavar="FILE",
            help="The deployments file: with --network, changes of the authority and acts of "
            "drivers are shown, and sent with the key of PEERCHARGE_KEYSTORE if there is one.",
        ),
    ] = None,
    network: Annotated[
        str | None,
        typer.Option("--network", metavar="URL[,URL...]", help="Address of a node that runs."),
    ] = None,
    operator_of: Annotated[
        list[str] | None,
        typer.Option(
            "--operator-of",
            metavar="ADDRESS",
            help="An operator whose node the development issuer's operator may act for; may be "
            "repeated.",
        ),
    ] = None,
    cors_origin: Annotated[
        list[str] | None,
        typer.Option(
            "--cors-origin",
            metavar="ORIGIN",
            help="A site whose pages may call; may be repeated. None by default.",
        ),
    ] = None,
    rate: Annotated[
        float, typer.Option("--rate", min=0.1, help="Requests a second that a caller may send.")
    ] = 100.0,
    log_format: LogFormatName = "json",
) -> None:
    """Serve the HTTP API and the pages: what an engine has, to whom it may concern.

    It reads the database while the engine runs, and never writes to it. End it with Ctrl-C.
    """
    from trading.pages import attach_pages
    from trading.publication import read_publication
    from trading.serving import address_of, answer_between_work, serving
    from trading.store import open_database
    from trading.web import RateLimit, Runs, Source, create_app

    host, _port = address_of(listen)
    own_issuer = _own_issuer(development_issuer, issuer, host)
    tokens = _tokens(own_issuer, issuer, audience, roles_claim)
    publication = read_publication(market)
    seed = publication.rules.seed if simulated_drivers else None
    tag_of = tags(salts, simulated_seed=seed)
    start_logs(log_format, "web")
    with (
        open_database(database, alone=False) as opened,
        _door(engine) as door,
        _chain(deployment, network) as chain,
        _nodes(operator or []) as nodes,
        _studies(runs, study_data) as studies,
    ):
        source = Source(
            database=opened,
            publication=publication,
            tag_of=tag_of,
            door=door,
            nodes=nodes,
            runs=Runs(runs) if runs is not None else None,
            studies=studies,
            chain=chain,
            replay=replay,
        )
        app = create_app(
            source,
            tokens,
            rates=RateLimit(rate, max(1, round(4 * rate))),
            cors_origins=tuple(cors_origin or ()),
            issuer=own_issuer,
        )
        pages_door = (
            _development_door(own_issuer, tuple(driver_of or ()), tuple(operator_of or ()))
            if own_issuer is not None
            else _oidc_door(issuer, client_id, scope, address, tokens)
        )
        if pages_door is not None:
            attach_pages(app, pages_door)
        answer_between_work()
        with serving(app, listen, websockets=True, most_connections=MOST_CONNECTIONS) as served:
            if own_issuer is not None:
                printed = own_issuer.token_of_each_role(
                    driver_of=tuple(driver_of or ()), operator_of=tuple(operator_of or ())
                )
                for role, token in printed.items():
                    typer.echo(f"{role} {token}")
            typer.echo(f"serving {served}", err=True)
            ended_by_signals(threading.Event()).wait()


def _development_door(
    issuer: DevelopmentIssuer, driver_of: tuple[str, ...], operator_of: tuple[str, ...]
) -> Door:
    from trading.pages import DevelopmentDoor, Identity
    from trading.web import Role

    identities = [
        Identity(name=role.value, role=role, owners=operator_of if role is Role.OPERATOR else ())
        for role in (Role.AGGREGATOR, Role.OPERATOR, Role.AUTHORITY)
    ] + [
        Identity(name=f"driver-{name}", role=Role.DRIVER, label=name, sessions=(name,))
        for name in driver_of
    ]
    return DevelopmentDoor(issuer, lambda: identities)


def _oidc_door(
    issuer: str, client_id: str, scope: str, address: str, tokens: Tokens
) -> Door | None:
    from trading.errors import OptionError
    from trading.pages import IssuerClient, OidcDoor
    from trading.store.requests import secret_of_environment

    if not client_id:
        return None
    if not address.startswith(("http://", "https://")):
        expected = "under which browsers reach the pages, such as https://lot.example"
        raise OptionError("address", address, expected)
    client = IssuerClient(
        issuer=issuer,
        client_id=client_id,
        client_secret=secret_of_environment(SECRET_VARIABLE, os.environ),
        scope=scope,
    )
    return OidcDoor(client, address=address, tokens=tokens)


def _own_issuer(is_wanted: bool, issuer: str, host: str) -> DevelopmentIssuer | None:
    from trading.errors import OptionError
    from trading.web import DevelopmentIssuer, refuse_unless_loopback

    if not is_wanted:
        return None
    if issuer:
        raise OptionError("issuer", issuer, "no issuer beside --development-issuer")
    refuse_unless_loopback(host)
    return DevelopmentIssuer()


def _tokens(
    own_issuer: DevelopmentIssuer | None, issuer: str, audience: str, roles_claim: str
) -> Tokens:
    from trading.errors import OptionError
    from trading.web import DiscoveredKeys, Tokens

    if own_issuer is not None:
        return own_issuer.tokens()
    if not issuer:
        expected = "an OIDC issuer's URL, or --development-issuer to try it out"
        raise OptionError("issuer", issuer, expected)
    return Tokens(
        issuer=issuer, audience=audience, keys=DiscoveredKeys(issuer), roles_claim=roles_claim
    )


@contextmanager
def _chain(deployment: Path | None, network: str | None) -> Iterator[ChainDoor | None]:
    """The way to the chain, with the key of the environment if it names one."""
    from trading.chain import Key
    from trading.cli.ledger import consortium_at
    from trading.errors import OptionError
    from trading.web.chain import ChainDoor

    if deployment is None and network is None:
        yield None
        return
    if deployment is None:
        raise OptionError("deployment", None, "the deployments file beside --network")
    if network is None:
        raise OptionError("network", None, "the address of a node beside --deployment")
    key = Key.from_environment(name="the web service")
    with consortium_at(deployment, network) as consortium:
        yield ChainDoor(consortium=consortium, authority=key, sender=key)


def _studies(
    runs: Path | None, data: Path | None
) -> AbstractContextManager[Studies] | AbstractContextManager[None]:
    from trading.web import Studies

    return nullcontext() if runs is None else closing(Studies(runs, data=data))


@contextmanager
def _door(engine: str | None) -> Iterator[EngineDoor | None]:
    import httpx

    from trading.errors import OptionError
    from trading.store.requests import TOKEN_VARIABLE, token_of_environment
    from trading.web import EngineDoor
    from trading.web.door import TIMEOUT_S

    if engine is None:
        yield None
        return
    token = token_of_environment(os.environ)
    if token is None:
        raise OptionError(TOKEN_VARIABLE, "", "the token that the engine asks for")
    try:
        place = httpx.URL(engine)
        is_address = place.scheme in ("http", "https") and bool(place.host)
    except httpx.InvalidURL:
        is_address = False
    if not is_address:
        raise OptionError("engine", engine, "the engine's address, such as http://127.0.0.1:8700")
    with httpx.Client(base_url=engine, timeout=TIMEOUT_S) as client:
        yield EngineDoor(client, token=token)


@contextmanager
def _nodes(addresses: list[str]) -> Iterator[Nodes | None]:
    from trading.errors import OptionError
    from trading.operators.http import TOKEN_VARIABLE
    from trading.store.requests import secret_of_environment
    from trading.web import nodes_at

    if not addresses:
        yield None
        return
    token = secret_of_environment(TOKEN_VARIABLE, os.environ)
    if token is None:
        raise OptionError(TOKEN_VARIABLE, "", "the token that the operators' nodes ask for")
    with nodes_at(addresses, token=token) as nodes:
        yield nodes
