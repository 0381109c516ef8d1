"""Cookies: noise is read linearly, rules are kept when writing."""

import time
from datetime import UTC, datetime, timedelta, timezone
from http.cookies import SimpleCookie
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nexios.adapters.asgi.cookies import InvalidCookie, parse_cookies, serialize_cookie
from nexios.adapters.asgi.errors import CookiesTooLarge


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("a=1; b=2", {"a": "1", "b": "2"}),
        ("a=1;b=2", {"a": "1", "b": "2"}),
        (" a = 1 ;\tb =2 ", {"a": "1", "b": "2"}),
        ("a=1; a=2", {"a": "1"}),
        ("=1; a=2", {"a": "2"}),
        ("nameless; a=2", {"a": "2"}),
        ("a=b=c", {"a": "b=c"}),
        ('a="quoted"', {"a": "quoted"}),
        ('a=""inner""', {"a": '"inner"'}),
        ('a="', {"a": '"'}),
        ('a="x\\073y"', {"a": "x\\073y"}),
        ("a=%20", {"a": "%20"}),
        ("a=", {"a": ""}),
        (";;;", {}),
        ("", {}),
        ("=", {}),
        ("a=\x00\xff; b=1", {"a": "\x00\xff", "b": "1"}),
        # The standard library drops everything behind the first pair it cannot read.
        ("a[]=1; session=7", {"a[]": "1", "session": "7"}),
    ],
)
def test_noise_is_read_and_what_is_behind_it_too(header: str, expected: dict[str, str]) -> None:
    assert parse_cookies(header) == expected


@given(st.text(alphabet=st.characters(max_codepoint=255), max_size=300))
def test_any_header_gives_a_dict(header: str) -> None:
    cookies = parse_cookies(header)
    assert all(name and ";" not in name + value for name, value in cookies.items())


@pytest.mark.parametrize(
    "hostile",
    [
        "\\",
        "\\0",
        '"',
        ";",
        "; ",
        "=",
        "a",
        "a=b; ",
        'a="',
        "a=\\073;",
        " ",
        "\t;",
        "a=" * 9 + ";",
    ],
)
def test_cookies_are_read_in_linear_time(hostile: str) -> None:
    def seconds(size: int) -> float:
        header = 'a="' + (hostile * size)[:size] + '"'
        spent = []
        for _ in range(5):
            start = time.thread_time()
            parse_cookies(header, max_bytes=10**9, max_pairs=10**9)
            spent.append(time.thread_time() - start)
        return min(spent)

    # Four times the text: four times the work, and sixteen times where each part is read anew.
    assert seconds(400_000) < 10 * seconds(100_000) + 0.005


@pytest.mark.parametrize(("size", "fits"), [(15, True), (16, True), (17, False)])
def test_bytes_are_limited(size: int, fits: bool) -> None:
    header = "a=" + "x" * (size - 2)
    if fits:
        assert parse_cookies(header, max_bytes=16)["a"] == "x" * (size - 2)
        return
    with pytest.raises(CookiesTooLarge) as refusal:
        parse_cookies(header, max_bytes=16)
    assert (refusal.value.limit, refusal.value.unit) == (16, "bytes")


@pytest.mark.parametrize(("pairs", "fits"), [(3, True), (4, True), (5, False)])
def test_pairs_are_limited(pairs: int, fits: bool) -> None:
    header = "; ".join(f"c{i}={i}" for i in range(pairs))
    if fits:
        assert len(parse_cookies(header, max_pairs=4)) == pairs
        return
    with pytest.raises(CookiesTooLarge, match="pairs"):
        parse_cookies(header, max_pairs=4)


@pytest.mark.parametrize("name", ["__Host-id", "__host-id", "__SECURE-id"])
def test_prefixed_names_are_ignored_over_http(name: str) -> None:
    header = f"{name}=forged; a=1"
    assert parse_cookies(header, secure=False) == {"a": "1"}
    assert parse_cookies(header, secure=True) == {name: "forged", "a": "1"}


def test_attributes_stand_in_the_order_of_the_standard_library() -> None:
    text = serialize_cookie(
        "id",
        "7",
        max_age=60,
        expires=10,
        path="/shop",
        domain="shop.test",
        secure=True,
        httponly=True,
        samesite="strict",
        now=lambda: 1_700_000_000,
    )
    assert text == (
        "id=7; Domain=shop.test; expires=Tue, 14 Nov 2023 22:13:30 GMT; HttpOnly; "
        "Max-Age=60; Path=/shop; SameSite=strict; Secure"
    )
    morsel = SimpleCookie()
    morsel["id"] = "7"
    for key, value in (
        ("domain", "shop.test"),
        ("expires", "Tue, 14 Nov 2023 22:13:30 GMT"),
        ("httponly", True),
        ("max-age", 60),
        ("path", "/shop"),
        ("samesite", "strict"),
        ("secure", True),
    ):
        morsel["id"][key] = value
    assert text == morsel["id"].OutputString()


def test_the_defaults_are_the_safe_ones() -> None:
    assert serialize_cookie("a", "b") == "a=b; HttpOnly; Path=/; SameSite=lax; Secure"


@pytest.mark.parametrize(
    ("expires", "text"),
    [
        (0, "Thu, 01 Jan 1970 00:00:00 GMT"),
        (-5.0, "Wed, 31 Dec 1969 23:59:55 GMT"),
        (datetime(2026, 1, 2, 3, 4, 5), "Fri, 02 Jan 2026 03:04:05 GMT"),  # noqa: DTZ001
        (datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC), "Fri, 02 Jan 2026 03:04:05 GMT"),
        (
            datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone(timedelta(hours=2))),
            "Fri, 02 Jan 2026 01:04:05 GMT",
        ),
        ("Fri, 02 Jan 2026 03:04:05 GMT", "Fri, 02 Jan 2026 03:04:05 GMT"),
    ],
)
def test_expires_is_seconds_from_now_a_moment_or_text(expires: Any, text: str) -> None:
    assert f"expires={text};" in serialize_cookie("a", expires=expires, now=lambda: 0)


@pytest.mark.parametrize(
    ("key", "value", "options"),
    [
        ("", "v", {}),
        ("a b", "v", {}),
        ("a;b", "v", {}),
        ("a=b", "v", {}),
        ("a\r\nb", "v", {}),
        ("é", "v", {}),
        ("a", "b;c", {}),
        ("a", "b c", {}),
        ("a", "b,c", {}),
        ("a", 'b"c', {}),
        ("a", "b\\c", {}),
        ("a", "b\r\nSet-Cookie: x=1", {}),
        ("a", "b\x00", {}),
        ("a", "é", {}),
        ("a", "v", {"path": "/; Secure"}),
        ("a", "v", {"path": "/\r\n"}),
        ("a", "v", {"domain": "x.test; Path=/"}),
        ("a", "v", {"expires": "never; Domain=x"}),
        ("a", "v", {"expires": float("nan")}),
        ("a", "v", {"samesite": "sometimes"}),
        ("a", "v", {"samesite": "none", "secure": False}),
        ("a", "v", {"partitioned": True, "secure": False}),
        ("__Secure-a", "v", {"secure": False}),
        ("__Host-a", "v", {"secure": False}),
        ("__Host-a", "v", {"domain": "x.test"}),
        ("__host-a", "v", {"path": "/x"}),
        ("__Host-a", "v", {"path": None}),
        ("a", "v" * 4096, {}),
    ],
)
def test_what_no_browser_may_be_told_is_refused(
    key: str, value: str, options: dict[str, Any]
) -> None:
    with pytest.raises(InvalidCookie) as refusal:
        serialize_cookie(key, value, **options)
    assert refusal.value.name == key


def test_one_pair_of_quotes_and_the_host_prefix_pass() -> None:
    assert serialize_cookie("a", '"b"').startswith('a="b"; ')
    assert serialize_cookie("__Host-a", "1").startswith("__Host-a=1; ")
    assert "Partitioned; Path=/" in serialize_cookie("a", samesite="none", partitioned=True)
