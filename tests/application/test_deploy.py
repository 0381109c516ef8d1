"""Each rule for production: what it finds, and that it lets a fit application be."""

from dataclasses import replace
from typing import Any

import pytest

from nexios.application.deploy import FLOORS, UnfitForProduction, errors, findings
from nexios.application.deploy_facts import (
    CookieFacts,
    CorsFacts,
    DatabaseFacts,
    DeployFacts,
    EntranceFacts,
    ProviderFacts,
)
from nexios.application.keyring import Secret

STRONG = "9f2c41d87be05a63c8e7f1b24d90a6e35c7b8d1f02e4a697"
FIT = DeployFacts(
    workers=4,
    secrets=[("secret_key", Secret(STRONG))],
    secret_needed_by=["SessionMiddleware"],
    allowed_hosts=["shop.test"],
    cors=[CorsFacts("CORSMiddleware", ("https://shop.test",), True)],
    cookies=[CookieFacts("sessions", True, "lax"), CookieFacts("CSRF", None, "lax")],
    databases=[DatabaseFacts("db", 10, 5.0, 100)],
    trusted_proxies=["10.0.0.5"],
    trusted_written=True,
    https=True,
    hsts=True,
    hsts_preload=True,
    hsts_subdomains=True,
    entrances=[
        EntranceFacts("GET /", "/", ("GET",), open=True, public=True),
        EntranceFacts("GET /metrics", "/metrics", ("GET",), open=False, public=False),
        EntranceFacts("POST /login", "/login", ("POST",), open=True, public=True, rated=True),
    ],
    sheds=True,
    deadline=True,
    providers=[ProviderFacts("idp", "https://idp.test", False)],
    versions=dict(FLOORS),
)


def test_a_fit_application_has_no_finding() -> None:
    assert findings(FIT) == []


def secrets(*texts: str) -> dict[str, Any]:
    return {"secrets": [(f"secret {n}", Secret(text)) for n, text in enumerate(texts)]}


OPEN = EntranceFacts("GET /x", "/x", ("GET",), open=True, public=False, where="shop.py:3")


@pytest.mark.parametrize(
    ("changes", "code", "level"),
    [
        ({"debug": True}, "NX601", "error"),
        ({"secrets": []}, "NX602", "error"),
        ({**secrets(STRONG[:31]), "secret_needed_by": ()}, "NX602", "error"),
        ({**secrets("abcabc1" * 6), "secret_needed_by": ()}, "NX602", "error"),
        ({**secrets("change-me-please-this-is-only-a-sample"), "secret_needed_by": ()}, "NX602",
         "error"),
        ({**secrets(STRONG, STRONG), "secret_needed_by": ()}, "NX602", "error"),
        ({"allowed_hosts": None}, "NX603", "error"),
        ({"allowed_hosts": ["*"]}, "NX603", "error"),
        ({"cors": [CorsFacts("CORSMiddleware", ("*",), True)]}, "NX604", "error"),
        ({"cors": [CorsFacts("C", ("http://shop.test",), False)]}, "NX605", "warning"),
        ({"cors": [CorsFacts("C", ("shop.test/x",), False, ("shop.test/x",))]}, "NX605",
         "warning"),
        ({"cookies": [CookieFacts("sessions", False, "lax")]}, "NX606", "error"),
        ({"cookies": [CookieFacts("sessions", None, "none")]}, "NX606", "error"),
        ({"memory_stores": ["CounterStore: MemoryCounters"]}, "NX607", "error"),
        ({"databases": [DatabaseFacts("db", 23, 5.0, 100)]}, "NX608", "error"),
        ({"databases": [DatabaseFacts("db", 1, 0.0, None)]}, "NX609", "error"),
        ({"trusted_proxies": ["0.0.0.0/0"]}, "NX610", "error"),
        ({"trusted_written": False}, "NX610", "warning"),
        ({"hsts": False}, "NX611", "warning"),
        ({"hsts_subdomains": False}, "NX611", "warning"),
        ({"entrances": [OPEN]}, "NX612", "warning"),
        ({"entrances": [replace(OPEN, path="/metrics")]}, "NX612", "error"),
        ({"docs": ["/docs"]}, "NX612", "warning"),
        ({"signed_sessions": True}, "NX613", "warning"),
        ({"foreign_hmac": ["backend 'jwt'"]}, "NX614", "warning"),
        ({"access_s": 90_000.0}, "NX614", "warning"),
        ({"cors": [CorsFacts("C", (), False), CorsFacts("S", (), False)]}, "NX615", "error"),
        ({"entrances": [replace(FIT.entrances[2], rated=False)]}, "NX616", "warning"),
        ({"sheds": False}, "NX617", "warning"),
        ({"deadline": False}, "NX617", "warning"),
        ({"databases": [DatabaseFacts("db", 1, 5.0, superuser=True)]}, "NX618", "warning"),
        ({"databases": [DatabaseFacts("db", 1, 5.0, owned=("nx_seal",))]}, "NX618", "warning"),
        ({"databases": [DatabaseFacts("db", 1, 5.0, unsealed=3)]}, "NX618", "warning"),
        ({"lacking": ["drain"]}, "NX620", "warning"),
        ({"starves": True}, "NX620", "warning"),
        ({"versions": {"pyjwt": "2.12.9"}}, "NX619", "warning"),
        ({"plain_secrets": ["mail.password"]}, "NX621", "warning"),
        ({"providers": [ProviderFacts("idp", "http://idp.test", False)]}, "NX622", "error"),
        ({"providers": [ProviderFacts("idp", "https://idp.test", True)]}, "NX622", "error"),
    ],
)  # fmt: skip
def test_a_rule_finds_what_it_is_for_and_nothing_else(
    changes: dict[str, Any], code: str, level: str
) -> None:
    facts = replace(FIT, **changes)
    (found,) = findings(facts)
    assert (found.code, found.level) == (code, level)
    assert found.fix
    assert errors(facts) == ([found] if level == "error" else [])


def test_memory_is_fine_for_one_worker() -> None:
    assert findings(replace(FIT, workers=1, memory_stores=["CounterStore"])) == []


def test_no_finding_shows_a_secret() -> None:
    facts = replace(FIT, **secrets("hunter2", "hunter2"))
    text = str(UnfitForProduction(errors(facts)))
    assert "hunter2" not in text
    assert "unfit for production" in text


@pytest.mark.parametrize("version", ["2.13", "2.13.0", "2.14.1", "10.0", "3.0.0rc1+local.1"])
def test_floors_compare_as_numbers(version: str) -> None:
    assert findings(replace(FIT, versions={"pyjwt": version})) == []
