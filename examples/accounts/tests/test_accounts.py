"""The whole example over real HTTP: a person, an admin, a thief, and a login somewhere else."""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import anyio
import httpx2
import pytest

from examples.accounts.appoint import appoint
from examples.accounts.main import application
from nexios import MakeConfig
from nexios.testing import assert_access
from tests.support.oidc_mock import provider
from tests.support.server import serving

PASSWORD = "correct horse battery"
CHEAP = {"deny_by_default": True}


@pytest.fixture(params=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database; on PostgreSQL skipped, and counted, where there is no server."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'accounts.db'}"
    found: str = request.getfixturevalue("nexios_database_url")
    return found


def config(url: str, **own: Any) -> MakeConfig:
    secret = "only-for-these-tests-and-never-in-production"
    return MakeConfig(database_url=url, secret_key=secret, auth=CHEAP, **own)


@pytest.fixture
def at(url: str) -> Iterator[str]:
    """Where the example is served."""
    with serving(application(config(url))) as address:
        yield f"http://{address}"


class Person:
    """Somebody with a client, who signs up and logs in."""

    def __init__(self, http: httpx2.Client, name: str, password: str) -> None:
        self.told = {"name": name, "password": password}
        self.http = http
        self.pair: dict[str, Any] = {}

    def sign_up(self) -> Any:
        answer = self.http.post("/members", json=self.told)
        assert answer.status_code == 201, answer.text
        return answer.json()

    def log_in(self) -> httpx2.Response:
        answer = self.http.post("/tokens", json=self.told)
        if answer.status_code == 201:
            self.use(answer.json())
        return answer

    def refresh(self, pair: dict[str, Any] | None = None) -> httpx2.Response:
        told = {"refresh_token": (pair or self.pair)["refresh_token"]}
        return self.http.post("/tokens/refresh", json=told)

    def use(self, pair: dict[str, Any]) -> None:
        self.pair = pair
        self.http.headers["authorization"] = f"Bearer {pair['access_token']}"


People = Callable[..., Person]


@pytest.fixture
def person(at: str) -> Iterator[People]:
    """Makes somebody with a client of their own."""
    with ExitStack() as opened:

        def come(name: str, password: str = PASSWORD) -> Person:
            return Person(opened.enter_context(httpx2.Client(base_url=at)), name, password)

        yield come


def test_a_member_signs_up_logs_in_refreshes_and_logs_out(person: People) -> None:
    ada = person("ada")
    member = ada.sign_up()
    assert ada.http.get("/me").status_code == 401
    assert ada.log_in().status_code == 201
    assert ada.http.get("/me").json() == member == {"id": member["id"], "name": "ada", "roles": []}

    ada.use(ada.refresh().json())
    assert ada.http.get("/me").status_code == 200

    told = {"refresh_token": ada.pair["refresh_token"]}
    assert ada.http.post("/tokens/revoke", json=told).status_code == 204
    assert ada.refresh().status_code == 401
    until = time.monotonic() + 10
    while ada.http.get("/me").status_code != 401:  # within a second, on a machine that is free
        assert time.monotonic() < until


def test_a_refresh_token_that_comes_twice_closes_the_login(person: People) -> None:
    ada = person("ada")
    ada.sign_up()
    ada.log_in()
    stolen = ada.pair
    good = ada.refresh().json()

    again = ada.refresh(stolen)
    assert again.status_code == 401
    assert again.json()["type"] == "urn:nexios:problem:invalid-grant"
    assert ada.refresh(good).status_code == 401


@pytest.mark.parametrize(
    ("name", "password", "status"),
    [
        ("ada", PASSWORD, 409),
        ("Ada", PASSWORD, 422),
        ("x", PASSWORD, 422),
        ("bob", "short", 422),
        ("bob", "x" * 256, 201),
        ("bob", "x" * 257, 422),
        ("bob\0", PASSWORD, 422),
    ],
)
def test_what_cannot_sign_up(
    person: People, at: str, name: str, password: str, status: int
) -> None:
    person("ada").sign_up()
    told = {"name": name, "password": password}
    assert httpx2.post(f"{at}/members", json=told).status_code == status


def test_wrong_names_and_passwords_look_alike_and_are_limited(person: People) -> None:
    person("ada").sign_up()
    wrong = [person("ada", "wrong horse").log_in() for _ in range(6)]
    unknown = [person("nobody", "wrong horse").log_in() for _ in range(6)]

    assert [one.status_code for one in wrong] == [one.status_code for one in unknown]
    assert [one.status_code for one in wrong] == [401] * 5 + [429]
    plain = [{**one.json(), "request_id": ""} for one in (wrong[0], unknown[0])]
    assert plain[0] == plain[1]
    assert int(wrong[-1].headers["retry-after"]) >= 1


def test_roles_open_what_they_stand_for_at_once(person: People, url: str) -> None:
    ada, bob = person("ada"), person("bob")
    ids = {one.told["name"]: one.sign_up()["id"] for one in (ada, bob)}
    ada.log_in()
    bob.log_in()
    assert ada.http.get("/members").status_code == 403
    assert ada.http.get(f"/members/{ids['bob']}").status_code == 404
    assert ada.http.get(f"/members/{ids['ada']}").status_code == 200

    anyio.run(appoint, application(config(url)), "ada", ["admin"])
    listed = ada.http.get("/members").json()["items"]
    assert {one["name"]: one["roles"] for one in listed} == {"ada": ["admin"], "bob": []}
    assert ada.http.get(f"/members/{ids['bob']}").status_code == 200

    own = f"/members/{ids['ada']}/roles"
    assert ada.http.put(own, json={"roles": []}).status_code == 403
    change = f"/members/{ids['bob']}/roles"
    assert bob.http.put(change, json={"roles": ["admin"]}).status_code == 403
    assert ada.http.put(change, json={"roles": ["king"]}).status_code == 422
    assert ada.http.put(change, json={"roles": ["moderator"]}).json()["roles"] == ["moderator"]
    assert bob.http.get("/members").status_code == 200
    ada.http.put(change, json={"roles": []})
    assert bob.http.get("/members").status_code == 403


def test_a_changed_password_ends_the_other_logins(person: People) -> None:
    ada, thief = person("ada"), person("ada")
    ada.sign_up()
    ada.log_in()
    thief.log_in()

    wrong = ada.http.put("/me/password", json={"old": "wrong horse", "new": "another horse"})
    assert wrong.status_code == 403
    told = {"old": PASSWORD, "new": "another horse"}
    assert ada.http.put("/me/password", json=told).status_code == 204

    assert thief.refresh().status_code == 401
    assert thief.log_in().status_code == 401
    assert person("ada", "another horse").log_in().status_code == 201


def test_a_login_at_a_provider_makes_a_member_once(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'accounts.db'}"
    with provider() as issuer:
        own = {
            "oidc_issuer": issuer,
            "oidc_client_id": "accounts",
            "oidc_client_secret": "its-secret",
        }
        with serving(application(config(url, **own))) as address:
            at = f"http://{address}"
            seen = [_log_in_there(at) for _ in range(2)]
            with httpx2.Client(base_url=at) as stranger:
                assert stranger.get("/me").status_code == 401
                sent = stranger.get("/me", headers={"accept": "text/html"})
                assert sent.status_code == 401

    assert seen[0] == seen[1]
    assert seen[0]["name"].startswith("ada-")


def _log_in_there(at: str) -> Any:
    with httpx2.Client(base_url=at) as browser:
        sent = browser.get("/auth/partner/login", params={"next": "/me"})
        back = browser.post(sent.headers["location"], data={"sub": "ada"}).headers["location"]
        assert "code" in parse_qs(urlsplit(back).query)
        done = browser.get(back)
        assert (done.status_code, done.headers["location"]) == (303, "/me")
        me = browser.get("/me").json()
        assert browser.post("/auth/partner/logout").status_code == 303
        assert browser.get("/me").status_code == 401
        return me


def test_who_may_pass_where(tmp_path: Path) -> None:
    assert_access(application(config(f"sqlite:///{tmp_path / 'accounts.db'}")), "access.txt")
