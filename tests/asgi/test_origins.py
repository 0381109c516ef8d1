"""Origins are compared whole: no prefix, suffix or junk is one of the list."""

import pytest

from nexios.adapters.asgi.origins import (
    Origin,
    OriginSet,
    own_origin,
    parse_origin,
    suggest_origin,
)


@pytest.mark.parametrize(
    ("text", "origin"),
    [
        ("https://shop.test", Origin("https", "shop.test", 443)),
        ("HTTPS://SHOP.test:443", Origin("https", "shop.test", 443)),
        ("http://localhost:5000", Origin("http", "localhost", 5000)),
        ("http://[::1]:80", Origin("http", "[::1]", 80)),
        ("app-x://thing", Origin("app-x", "thing", 0)),
    ],
)
def test_an_origin_is_scheme_host_and_port(text: str, origin: Origin) -> None:
    assert parse_origin(text) == origin


@pytest.mark.parametrize(
    "text",
    [
        "",
        "null",
        "*",
        "shop.test",
        "//shop.test",
        "https//shop.test",
        "https:/shop.test",
        "https://",
        "https://shop.test/",
        "https://shop.test/path",
        "https://shop.test?x",
        "https://shop.test#x",
        "https://user@shop.test",
        "https://shop.test:",
        "https://shop.test:99999",
        "https://shop.test:80a",
        "https://shop.test\x00",
        "https://shop.test ",
        " https://shop.test",
        "https://shop test",
        "https://[::zz]",
        "https://a, https://b",
        "https://" + "a" * 10_000,
    ],
)
def test_what_is_no_origin(text: str) -> None:
    assert parse_origin(text) is None
    assert not OriginSet(["https://shop.test", "*", "https://*.test"]).allows(text)


@pytest.mark.parametrize(
    ("text", "allowed"),
    [
        ("https://shop.test", True),
        ("https://SHOP.TEST", True),
        ("https://shop.test:443", True),
        ("https://shop.test:444", False),
        ("http://shop.test", False),
        ("https://shop.test.evil.example", False),
        ("https://evilshop.test", False),
        ("https://a.shop.test", False),
        ("https://one.wild.test", True),
        ("https://one.two.wild.test", False),
        ("https://wild.test", False),
        ("https://.wild.test", False),
        ("https://evilwild.test", False),
        ("http://one.wild.test", False),
        ("https://one.wild.test:444", False),
        ("null", False),
    ],
)
def test_whole_comparison_with_one_label_wildcards(text: str, allowed: bool) -> None:
    origins = OriginSet(["https://Shop.test", "https://*.wild.test"])
    assert origins.allows(text) is allowed


def test_null_and_star_only_when_they_are_listed() -> None:
    assert OriginSet(["null"]).allows("null")
    star = OriginSet(["*"])
    assert star.any
    assert star.allows("https://anything.test")
    assert not star.allows("null")
    assert not OriginSet([])
    assert OriginSet(["null"])


@pytest.mark.parametrize(
    ("entry", "meant"),
    [
        ("https//localhost:5000", "https://localhost:5000"),
        ("https:/localhost:5000", "https://localhost:5000"),
        ("localhost:5000", "https://localhost:5000"),
        ("//shop.test", "https://shop.test"),
        ("https://shop.test/", "https://shop.test"),
        ("https://shop.test/path", "https://shop.test"),
        ("", None),
        ("a b", None),
    ],
)
def test_a_malformed_entry_denies_and_gets_a_correction(entry: str, meant: str | None) -> None:
    origins = OriginSet([entry])
    assert origins.malformed == (entry,)
    assert not origins.allows(entry)
    assert suggest_origin(entry) == meant


def test_two_stars_or_a_star_inside_are_malformed() -> None:
    entries = ["https://*.*.test", "https://a*.test", "https://*"]
    assert OriginSet(entries).malformed == tuple(entries)


def test_a_socket_has_the_origin_of_its_page() -> None:
    assert own_origin("wss", "shop.test") == parse_origin("https://shop.test")
    assert own_origin("ws", "shop.test:8000") == parse_origin("http://shop.test:8000")
    assert own_origin("http", "a b") is None
