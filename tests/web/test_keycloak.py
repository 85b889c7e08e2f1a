"""Sign-in and tokens at a real issuer: docs/pages.md, "With Keycloak", followed as printed.

It runs where PEERCHARGE_TEST_KEYCLOAK names the folder of a Keycloak; its data stays in memory.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Page, expect, sync_playwright

from tests.databases import copy_rows
from tests.e2e.test_docs import blocks
from tests.tools import ROOT, follow, free_port, need_tool, put_command
from trading.pages.visitors import COOKIE
from trading.web.auth import KEYS_REST_S, LEEWAY_S, VERIFIED_S

VARIABLE = "PEERCHARGE_TEST_KEYCLOAK"
DOCS = "docs/pages.md"
START_S, WAIT_MS = 180.0, 30_000
PAGES = {"driver": "/driver", "aggregator": "/trades", "operator": "/operator",
         "authority": "/authority"}  # fmt: skip
LIFE_S = 12
"""Of access tokens, where a test waits for their end."""

expect.set_options(timeout=WAIT_MS)
pytestmark = [pytest.mark.full, pytest.mark.xdist_group("keycloak")]


@dataclass
class Keycloak:
    """A running Keycloak with the realm of the docs, and the service that trusts it."""

    address: str
    folder: Path
    served: str = ""

    @property
    def realm(self) -> str:
        return f"{self.address}/realms/lot"

    def admin(self, method: str, path: str, content=None):
        """Ask as the administrator."""
        given = {"grant_type": "password", "client_id": "admin-cli",
                 "username": "admin", "password": "change-me"}  # fmt: skip
        place = f"{self.address}/realms/master/protocol/openid-connect/token"
        token = httpx.post(place, data=given).raise_for_status().json()["access_token"]
        answer = httpx.request(
            method,
            f"{self.address}/admin/realms/lot{path}",
            headers={"Authorization": f"Bearer {token}"},
            json=content,
        ).raise_for_status()
        return answer.json() if answer.content else None

    def user(self, name: str) -> str:
        return self.admin("GET", f"/users?username={name}&exact=true")[0]["id"]

    def sessions(self, name: str):
        return self.admin("GET", f"/users/{self.user(name)}/sessions")

    def tokens(self, name: str, client: str = "programs"):
        """What somebody is given who tells its password to a program."""
        given = {"grant_type": "password", "client_id": client, "username": name,
                 "password": f"of-the-{name}", "scope": "openid"}  # fmt: skip
        place = f"{self.realm}/protocol/openid-connect/token"
        return httpx.post(place, data=given).raise_for_status().json()

    def ask(self, token: str, path: str = "/me") -> httpx.Response:
        headers = {"Authorization": f"Bearer {token}"}
        return httpx.get(f"{self.served}/api/v1{path}", headers=headers)


@contextmanager
def running(command, *, answers: str, said: Path, **more) -> Iterator[None]:
    """A server, once it answers at an address, until the context ends."""
    with said.open("w") as stream:
        process = subprocess.Popen(command, stdout=stream, stderr=subprocess.STDOUT, **more)
        try:
            until = time.monotonic() + START_S
            while True:
                assert process.poll() is None, said.read_text()
                assert time.monotonic() < until, said.read_text()
                try:
                    httpx.get(answers).raise_for_status()
                    break
                except httpx.HTTPError:
                    time.sleep(0.5)
            yield
        finally:
            process.terminate()
            process.wait(30)


def printed(word: str) -> str:
    """The commands of the docs that have this word."""
    (found,) = (block for block in blocks(DOCS, "sh") if word in block)
    return found


@pytest.fixture(scope="module")
def keycloak(request, tmp_path_factory) -> Iterator[Keycloak]:
    named = os.environ.get(VARIABLE, "")
    if not named:
        pytest.skip(f"{VARIABLE} names no folder of a Keycloak")
    if shutil.which("java") is None or shutil.which("curl") is None:
        pytest.skip("java or curl is missing, which Keycloak and its docs need")
    # Only now: it takes a while.
    filled = request.getfixturevalue("filled")
    folder = tmp_path_factory.mktemp("keycloak")
    put_command(folder)
    copy_rows(filled.file, str(folder / "engine.db"))
    port, own_port = free_port(), free_port()
    found = Keycloak(f"http://127.0.0.1:{port}", folder, f"http://127.0.0.1:{own_port}")

    def here(text: str) -> str:
        # Only addresses differ from what is printed: others may be taken on this machine.
        return text.replace("127.0.0.1:8180", f"127.0.0.1:{port}").replace(
            "http://127.0.0.1:8800", found.served
        )

    assert filled.driver in printed("kcadm create users")
    assert filled.owner in printed("kcadm create users")
    started = [
        f"{named}/bin/kc.sh", "start-dev", "--http-host", "127.0.0.1", "--http-port", str(port),
        "--db", "dev-mem", "--db-url", "jdbc:h2:mem:keycloak;DB_CLOSE_DELAY=-1;NON_KEYWORDS=VALUE",
    ]  # fmt: skip
    own = {"KEYCLOAK": named, "KC_OPTS": "-Xmx128m", "JAVA_OPTS_KC_HEAP": "-Xms64m -Xmx512m",
           "KC_BOOTSTRAP_ADMIN_USERNAME": "admin",
           "KC_BOOTSTRAP_ADMIN_PASSWORD": "change-me"}  # fmt: skip
    with running(
        started,
        answers=f"{found.address}/realms/master",
        said=folder / "keycloak.txt",
        env=os.environ | own,
    ):
        follow(here(printed("kcadm create users")), folder, within_s=300, environment=own)
        add_others(found)
        serve = here(printed("peercharge serve --database engine.db --simulated-drivers"))
        served = serve.replace("&", f"--listen 127.0.0.1:{own_port}").replace(
            "peercharge serve", "exec peercharge serve"
        )
        path = f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}"
        with running(
            ["bash", "-ec", served],
            answers=f"{found.served}/health",
            said=folder / "served.txt",
            cwd=folder,
            env=os.environ | {"PATH": path, "PYTHONPATH": str(ROOT)},
        ):
            said = follow(here(printed("grant_type=client_credentials")), folder)
            assert '"roles":["aggregator"]' in said.out.replace(" ", "")
            yield found
        assert "eyJ" not in (folder / "served.txt").read_text()


def add_others(keycloak: Keycloak) -> None:
    """The other three people, a client for programs, and one whose tokens are for nobody here."""
    people = [
        {"username": role, "enabled": True, "email": f"{role}@lot.example", "firstName": "A",
         "lastName": "B", "emailVerified": True, "realmRoles": [role],
         "credentials": [{"type": "password", "value": f"of-the-{role}"}]}
        for role in PAGES if role != "driver"
    ]  # fmt: skip
    scopes = {"programs": ["basic", "roles", "peercharge"], "strangers": ["basic", "roles"]}
    clients = [
        {"clientId": name, "publicClient": True, "standardFlowEnabled": False,
         "directAccessGrantsEnabled": True, "defaultClientScopes": of}
        for name, of in scopes.items()
    ]  # fmt: skip
    added = {"ifResourceExists": "FAIL", "users": people, "clients": clients}
    keycloak.admin("POST", "/partialImport", added)


@pytest.fixture(scope="module")
def browser() -> Iterator:
    chromium = need_tool("chromium")
    with sync_playwright() as playwright:
        flags = ["--no-sandbox", "--disable-gpu", "--disable-quic"]
        found = playwright.chromium.launch(executable_path=str(chromium), args=flags)
        yield found
        found.close()


@contextmanager
def visiting(browser, keycloak: Keycloak) -> Iterator[Page]:
    """A page of a browser of its own, which must see no token of this service's."""
    context = browser.new_context()
    context.set_default_timeout(WAIT_MS)
    page, problems = context.new_page(), []
    page.on(
        "console", lambda one: problems.append(one.text) if one.type in ("error", "warning") else 0
    )
    page.on("response", lambda one: problems.extend(tokens_in(one, keycloak)))
    yield page
    context.close()
    assert problems == []


def tokens_in(answer, keycloak: Keycloak) -> list[str]:
    if not answer.url.startswith(keycloak.served):
        return []
    told = dict(answer.headers)
    if answer.url.startswith(f"{keycloak.served}/sign-out"):
        # The ID token goes along, as a hint to its issuer.
        told.pop("location", "")
    return [f"{answer.url} has a token"] if "eyJ" in f"{answer.url}{told}" else []


def sign_in(page: Page, keycloak: Keycloak, name: str) -> None:
    page.goto(keycloak.served + PAGES[name])
    give_password(page, name)


def give_password(page: Page, name: str) -> None:
    page.fill("#username", name)
    page.fill("#password", f"of-the-{name}")
    page.click("#kc-login")
    page.wait_for_selector("main h1")


@pytest.mark.parametrize("name", PAGES)
def test_each_role_signs_in_and_out(keycloak, browser, name):
    with visiting(browser, keycloak) as page:
        sign_in(page, keycloak, name)
        assert page.url == keycloak.served + PAGES[name]
        expect(page.locator(".pc-settings")).to_contain_text(name)
        # Another client of the same session: it is ended with ours.
        page.context.new_page().goto(f"{keycloak.realm}/account/")
        page.wait_for_timeout(1_000)
        page.get_by_role("link", name="Sign out").click()
        expect(page.locator("main")).to_contain_text("You are signed out.")
        assert page.url == f"{keycloak.served}/signed-out"
        assert keycloak.sessions(name) == []
        page.goto(keycloak.served + PAGES[name])
        expect(page.locator("#username")).to_be_visible()


def test_a_driver_sees_its_own(keycloak, filled):
    told = keycloak.ask(keycloak.tokens("driver")["access_token"]).json()
    assert told["sessions"] == [filled.driver]
    assert told["owners"] == [filled.owner.lower()]
    assert told["roles"] == ["driver"]


def test_nobody_gives_itself_somebody_elses_car(keycloak):
    tokens = keycloak.tokens("driver")
    asked = {"username": "driver", "email": "driver@lot.example", "firstName": "Dora",
             "lastName": "Driver", "attributes": {"peercharge_sessions": ["another"]}}  # fmt: skip
    httpx.post(
        f"{keycloak.realm}/account/",
        headers={
            "Authorization": f"Bearer {tokens['access_token']}",
            "Accept": "application/json",
        },
        json=asked,
    )
    attributes = keycloak.admin("GET", f"/users/{keycloak.user('driver')}")["attributes"]
    assert "another" not in attributes["peercharge_sessions"]


def test_only_an_access_token_for_this_service_is_taken(keycloak):
    tokens = keycloak.tokens("operator")
    assert keycloak.ask(tokens["access_token"]).status_code == 200
    assert keycloak.ask(tokens["id_token"]).status_code == 401
    assert keycloak.ask(tokens["refresh_token"]).status_code == 401
    stranger = keycloak.tokens("operator", "strangers")["access_token"]
    refused = keycloak.ask(stranger)
    assert refused.status_code == 401
    assert "aud" in refused.json()["detail"]


def test_pages_go_on_through_renewals_and_new_keys_until_the_session_is_ended(keycloak, browser):
    keycloak.admin("PUT", "", {"accessTokenLifespan": LIFE_S, "revokeRefreshToken": True})
    old = keycloak.tokens("operator")["access_token"]
    assert keycloak.ask(old).status_code == 200
    with visiting(browser, keycloak) as page:
        sign_in(page, keycloak, "aggregator")
        second = page.context.new_page()
        second.goto(keycloak.served + "/")
        second.wait_for_selector("main h1")
        cookie, socket = cookie_of(page), page.evaluate("window.socket.id")
        page.wait_for_timeout((LIFE_S + LEEWAY_S + 5) * 1_000)
        assert "expired" in keycloak.ask(old).json()["detail"]
        turn_keys(keycloak)
        page.wait_for_timeout(3 * LIFE_S * 1_000)
        for one in (page, second):
            expect(one.locator(".pc-notice")).to_have_count(0)
            assert one.evaluate("window.socket.connected")
        assert cookie_of(page) == cookie
        assert page.evaluate("window.socket.id") == socket
        (session,) = keycloak.sessions("aggregator")
        assert session["lastAccess"] - session["start"] >= 5 * LIFE_S * 1_000
        keycloak.admin("DELETE", f"/sessions/{session['id']}")
        expect(page.get_by_text("Your session has ended.")).to_be_visible()
        page.get_by_role("link", name="Sign in again").click()
        give_password(page, "aggregator")
        assert page.url == keycloak.served + PAGES["aggregator"]


def test_a_token_of_a_removed_key_is_refused(keycloak):
    keycloak.admin("PUT", "", {"accessTokenLifespan": 300, "revokeRefreshToken": False})
    old, never_seen = (keycloak.tokens("operator")["access_token"] for _ in range(2))
    assert keycloak.ask(old).status_code == 200
    turn_keys(keycloak)
    new = keycloak.tokens("operator")["access_token"]
    until = time.monotonic() + KEYS_REST_S + 5
    while keycloak.ask(new).status_code != 200:
        assert time.monotonic() < until
        time.sleep(0.5)
    assert keycloak.ask(never_seen).status_code == 401
    # One that was verified a moment ago holds for a moment.
    time.sleep(VERIFIED_S + 1)
    assert keycloak.ask(old).status_code == 401


def turn_keys(keycloak: Keycloak) -> None:
    """Let the realm sign with a new key, and remove the old one."""
    query = "/components?type=org.keycloak.keys.KeyProvider"
    old = [one for one in keycloak.admin("GET", query) if one["providerId"] == "rsa-generated"]
    priority = max(int(one["config"]["priority"][0]) for one in old) + 1
    keycloak.admin(
        "POST",
        "/components",
        {"name": f"turned-{priority}", "providerId": "rsa-generated",
         "providerType": "org.keycloak.keys.KeyProvider",
         "config": {"priority": [str(priority)]}},
    )  # fmt: skip
    for one in old:
        keycloak.admin("DELETE", f"/components/{one['id']}")


def cookie_of(page: Page) -> str:
    (found,) = (one["value"] for one in page.context.cookies() if one["name"] == COOKIE)
    return found
