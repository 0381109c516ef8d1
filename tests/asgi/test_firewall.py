"""What the firewall lets in and what it refuses, each bound at, below and above it."""

from typing import Any
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nexios.adapters.asgi.errors import RequestRefused
from nexios.adapters.asgi.firewall import CHECKED, Firewall
from nexios.application.limits import Limits

LIMITS = Limits(target=64, headers=8, headers_bytes=512, header_bytes=128)
HOST = (b"host", b"shop.test")
Pair = tuple[bytes, bytes]


def scope_of(**parts: Any) -> dict[str, Any]:
    scope = {
        "type": "http",
        "http_version": "1.1",
        "method": "GET",
        "path": "/a",
        "raw_path": b"/a",
        "query_string": b"",
        "headers": [HOST],
    }
    if "raw_path" in parts and "path" not in parts:
        # As the servers do it.
        parts["path"] = unquote(parts["raw_path"].decode("latin-1"))
    return {**scope, **parts}


def refusal(limits: Limits = LIMITS, **parts: Any) -> int | None:
    """Return the status of the refusal, None when the request passes; asked twice."""
    firewall = Firewall(limits)
    found: set[int | None] = set()
    for _ in range(2):  # the first leaves its host behind; the second takes the short way
        try:
            firewall.check(scope_of(**parts))
            found.add(None)
        except RequestRefused as refused:
            found.add(refused.status)
    (status,) = found
    return status


def fields(*more: Pair) -> list[Pair]:
    return [HOST, *more]


# Bounds.


@pytest.mark.parametrize(("length", "status"), [(63, None), (64, None), (65, 414)])
@pytest.mark.parametrize("query", [b"", b"q=1"])
@pytest.mark.parametrize("first", [b"/", b"/%41"])
def test_target_at_its_bound(length: int, status: int | None, query: bytes, first: bytes) -> None:
    rest = length - len(first) - (len(query) + 1 if query else 0)
    assert refusal(raw_path=first + b"a" * rest, query_string=query) == status


def test_a_query_counts_with_its_path() -> None:
    assert refusal(query_string=b"q" * 61) is None
    assert refusal(query_string=b"q" * 62) == 414


@pytest.mark.parametrize(("count", "status"), [(7, None), (8, None), (9, 431)])
@pytest.mark.parametrize("name", [b"accept", b"x-own"])
def test_headers_at_their_bound(count: int, status: int | None, name: bytes) -> None:
    assert refusal(headers=fields(*[(name, b"1")] * (count - 1))) == status


@pytest.mark.parametrize(("size", "status"), [(127, None), (128, None), (129, 431)])
@pytest.mark.parametrize("long_name", [False, True])
def test_one_header_at_its_bound(size: int, status: int | None, long_name: bool) -> None:
    pair = (b"x" * size, b"1") if long_name else (b"accept", b"a" * size)
    assert refusal(headers=fields(pair)) == status


@pytest.mark.parametrize(("size", "status"), [(511, None), (512, None), (513, 431)])
def test_all_headers_together_at_their_bound(size: int, status: int | None) -> None:
    rest = size - sum(map(len, HOST)) - 5 * len(b"accept")
    sizes = [rest // 5 + (index < rest % 5) for index in range(5)]
    pairs = [(b"accept", b"a" * length) for length in sizes]
    assert sum(len(name) + len(value) for name, value in fields(*pairs)) == size
    assert refusal(headers=fields(*pairs)) == status


def test_the_defaults_are_those_of_the_table() -> None:
    table = Limits()
    found = (table.target, table.headers, table.headers_bytes, table.header_bytes)
    assert found == (8192, 100, 32768, 8192)


# Paths.


@pytest.mark.parametrize(
    "raw",
    [
        *(b"/%00", b"/a%00b", b"/a%0d%0ab", b"/%1b[31m", b"/a%7f", b"/%c2%85"),
        *(b"/\x00", b"/a\nb", b"/\\a", b"/%5ca", b"/%5Ca", b"/..%5c..%5c"),
        *(b"/%ff", b"/%c0%ae%c0%ae/", b"/%ed%a0%80", b"/%e2%82", b"/a%80"),
        *(b"/%2e%2e/", b"/%2E%2E", b"/.%2e/a", b"/%2e./a", b"/%2e/a", b"/a/..%2f", b"/%2e%2e%2fa"),
        *(b"a", b"", b"*", b"http://shop.test/", b"shop.test:443"),
    ],
)
def test_no_such_path_gets_in(raw: bytes) -> None:
    assert refusal(raw_path=raw) == 400


@pytest.mark.parametrize(
    "raw",
    [
        *(b"/", b"//a", b"/a//b", b"/../a", b"/a/./b", b"/..a", b"/a..", b"/...", b"/a%2eb"),
        *(b"/%2ehidden", b"/a%2Fb", b"/%C3%A9", b"/a%20b", b"/%252e%252e/", b"/a;b=c", b"/%zz"),
        b"/%E2%80%A8",
    ],
)
def test_an_odd_path_is_what_it_says(raw: bytes) -> None:
    assert refusal(raw_path=raw) is None


def test_without_a_raw_path_the_decoded_one_is_looked_at() -> None:
    assert refusal(raw_path=None, path="/é/a b") is None
    for path in ("/a\x00", "/a\\b", "/\ufffd", "/\udc80", "a", "/a\x85"):
        assert refusal(raw_path=None, path=path) == 400
    assert refusal(raw_path=None, path="/" + "é" * 32) == 414


@pytest.mark.parametrize("query", [b"a\nb", b"a\r\n", b"\x00", b"\x7f"])
def test_no_control_character_in_a_query(query: bytes) -> None:
    assert refusal(query_string=query) == 400


def test_any_other_query_passes() -> None:
    for query in (b"q=%00", "q=é".encode(), b"a b", b"\\", b"?", b"../%2e%2e", b"\x85"):
        assert refusal(query_string=query) is None


# Methods and versions.


@pytest.mark.parametrize(
    ("method", "status"),
    [
        *((name, None) for name in ("GET", "get", "FOO", "A" * 10_000, "M-SEARCH", "PROPFIND")),
        *((name, 405) for name in ("TRACE", "CONNECT")),
        *((name, 400) for name in ("", "G ET", "GET\r", "GÉT", "GET/", "(GET)")),
    ],
)
def test_method_tokens(method: str, status: int | None) -> None:
    assert refusal(method=method) == status


def test_what_is_never_served_says_what_is() -> None:
    with pytest.raises(RequestRefused) as refused:
        Firewall(LIMITS).check(scope_of(method="TRACE"))
    assert dict(refused.value.headers)["allow"] == "DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT"


def test_the_whole_server_may_be_asked_for_its_options_only() -> None:
    assert refusal(method="OPTIONS", raw_path=b"*") is None
    assert refusal(method="GET", raw_path=b"*") == 400


@pytest.mark.parametrize(
    ("version", "status"),
    [("1.0", None), ("1.1", None), ("2", None), ("3", None), ("0.9", 505), ("2.0", 505)],
)
def test_versions(version: str, status: int | None) -> None:
    assert refusal(http_version=version) == status


# Header fields.


@pytest.mark.parametrize(
    "pair",
    [
        *((name, b"1") for name in (b"x_a", b"", b"x a", b"x:a", b"x\r\ny", b"x\x00", b"\xe9")),
        *((b"accept", value) for value in (b"a\r\nx: b", b"a\nb", b"a\rb", b"a\x00b")),
    ],
)
def test_header_fields_that_are_none(pair: Pair) -> None:
    assert refusal(headers=fields(pair)) == 400


def test_odd_header_fields_pass() -> None:
    for pair in ((b"x-!#$%&'*+.^`|~", b"1"), (b"accept", b"\xff\t\x85"), (b"x-own", b"")):
        assert refusal(headers=fields(pair)) is None


@pytest.mark.parametrize("name", [b"host", b"content-length", b"content-type"])
def test_what_stands_once_must_not_stand_twice(name: bytes) -> None:
    pair = (name, b"7")
    twice = [pair, pair] if name == b"host" else fields(pair, pair)
    assert refusal(headers=twice) == 400
    assert refusal(headers=fields((b"accept", b"a"), (b"accept", b"b"))) is None


@pytest.mark.parametrize(
    ("host", "status"),
    [
        *((good, None) for good in (b"shop.test", b"shop.test:8000", b"[::1]:80", b"127.0.0.1")),
        *((good, None) for good in (b"SHOP.test.", b"shop.test:", b"a_b", b"%41")),
        *((bad, 400) for bad in (b"", b" ", b"a b", b"a@b", b"u:p@shop.test", b"a/b", b"a\\b")),
        *((bad, 400) for bad in (b"a:99999", b"a:b", b"[::1", b"::1", b"[zz]", b"a\nb", b"a,b@")),
        (b"sh\xc3\xb6p", 400),
    ],
)
def test_host_syntax_table(host: bytes, status: int | None) -> None:
    assert refusal(headers=[(b"host", host)]) == status


def test_a_host_is_there() -> None:
    assert refusal(headers=[]) == 400
    assert refusal(headers=[(b"accept", b"a")]) == 400


def test_many_hosts_do_not_fill_the_memory() -> None:
    firewall = Firewall(LIMITS)
    for number in range(1000):
        firewall.check(scope_of(headers=[(b"host", b"h%d" % number)]))
    assert len(firewall._hosts) <= 256


# Framing.

LENGTH, CHUNKED = b"content-length", (b"transfer-encoding", b"chunked")


@pytest.mark.parametrize(
    ("pairs", "status"),
    [
        ([(LENGTH, b"7")], None),
        ([CHUNKED], None),
        ([(b"transfer-encoding", b"Chunked ")], None),
        ([(LENGTH, b"7"), CHUNKED], 400),
        ([CHUNKED, CHUNKED], 400),
        ([(b"transfer-encoding", b"gzip, chunked")], 400),
        ([(b"transfer-encoding", b"identity")], 400),
        ([(b"transfer-encoding", b"xchunked")], 400),
        *(([(LENGTH, bad)], 400) for bad in (b"", b"-1", b"+1", b"0x1", b"7, 7", b"\xb2", b"1_0")),
        ([(b"upgrade", b"h2c")], None),
        ([(b"upgrade", b"h2c"), (LENGTH, b"0")], None),
        ([(b"upgrade", b"h2c"), (LENGTH, b"7")], 400),
        ([(b"upgrade", b"websocket"), CHUNKED], 400),
    ],
)
def test_ambiguous_framing_gets_one_answer_and_ends_the_connection(
    pairs: list[Pair], status: int | None
) -> None:
    assert refusal(headers=fields(*pairs)) == status
    if status is not None:
        with pytest.raises(RequestRefused) as refused:
            Firewall(LIMITS).check(scope_of(headers=fields(*pairs)))
        assert dict(refused.value.headers)["connection"] == "close"


def test_http_1_0_knows_no_chunks() -> None:
    assert refusal(http_version="1.0", headers=fields(CHUNKED)) == 400


# As a whole.


def test_a_server_that_has_asked_all_of_this_is_believed() -> None:
    assert refusal(path="nonsense", extensions={CHECKED: {}}) is None
    assert refusal(raw_path=b"nonsense", extensions=None) == 400


@given(
    raw=st.binary(max_size=30).map(lambda rest: b"/" + rest),
    query=st.binary(max_size=10),
    method=st.sampled_from(["GET", "POST", "FOO", ""]),
    pairs=st.lists(
        st.tuples(st.sampled_from([b"accept", b"host", b"x_y", b"cookie"]), st.binary(max_size=9))
    ),
)
def test_the_short_way_lets_nothing_in_that_the_long_one_refuses(
    raw: bytes, query: bytes, method: str, pairs: list[Pair]
) -> None:
    parts = {"raw_path": raw, "query_string": query, "method": method, "headers": [HOST, *pairs]}
    firewall = Firewall(LIMITS)
    firewall.check(scope_of())  # so that the host is known and the short way open
    scope = scope_of(**parts)
    try:
        firewall._examine(scope, scope["headers"])
        expected = None
    except RequestRefused as refused:
        expected = refused.status
    assert refusal(**parts) == expected


# Fields a client repeats.


def asked(firewall: Firewall, **parts: Any) -> int | None:
    try:
        firewall.check(scope_of(**parts))
    except RequestRefused as refused:
        return refused.status
    return None


def test_what_differs_from_the_last_request_of_a_client_is_looked_at_again() -> None:
    firewall, client = Firewall(LIMITS), ("10.0.0.1", 5000)
    for _ in range(3):
        assert asked(firewall, client=client) is None
    bad: list[tuple[Pair, ...]] = [
        (HOST, (b"accept", b"a\r\nb: c")),
        (HOST, HOST),
        (HOST, (b"content-length", b"1x")),
        ((b"host", b"a b"),),
    ]
    for fields_ in bad:
        assert asked(firewall, client=client, headers=list(fields_)) == 400
        assert asked(firewall, client=client) is None


def test_a_repeated_head_does_not_excuse_its_target_or_method() -> None:
    firewall, client = Firewall(LIMITS), ("10.0.0.1", 5000)
    for _ in range(3):
        assert asked(firewall, client=client) is None
    assert asked(firewall, client=client, raw_path=b"/%00") == 400
    assert asked(firewall, client=client, query_string=b"q" * 63) == 414
    assert asked(firewall, client=client, method="TRACE") == 405
    assert asked(firewall, client=client, http_version="9") == 505


def test_what_is_done_to_a_passed_head_later_changes_nothing() -> None:
    firewall, client = Firewall(LIMITS), ("10.0.0.1", 5000)
    assert asked(firewall, client=client) is None
    passed = [HOST]
    firewall.check(scope_of(client=client, headers=passed))
    passed.append((b"accept", b"a\nb"))
    assert asked(firewall, client=client, headers=[HOST, (b"accept", b"a\nb")]) == 400


@pytest.mark.parametrize("client", [None, ["10.0.0.1", 5000], ("10.0.0.1", 5000)])
def test_a_client_may_be_told_in_each_form_of_asgi(client: Any) -> None:
    firewall = Firewall(LIMITS)
    for _ in range(3):
        assert asked(firewall, client=client) is None
        assert asked(firewall, client=client, headers=[HOST, HOST]) == 400


def test_many_clients_are_not_kept_for_ever() -> None:
    firewall = Firewall(LIMITS)
    for number in range(2000):
        assert asked(firewall, client=("10.0.0.1", number)) is None
    assert len(firewall._heads) <= 256


def test_a_fixed_path_passes_as_it_stands_and_in_no_other_spelling() -> None:
    firewall = Firewall(LIMITS)
    firewall.expect(["/", "/a", "/a%2fb", "/a\\b", "/ä", "/a\nb", "no/slash"])
    for _ in range(2):  # the second has its host and head known
        assert asked(firewall) is None
        assert asked(firewall, path="/a", raw_path=b"/%61") is None
        assert asked(firewall, path="/./a", raw_path=b"/%2e/a") == 400
        assert asked(firewall, path="/a\\b", raw_path=b"/a\\b") == 400
        assert asked(firewall, path="/a\nb", raw_path=b"/a\nb") == 400
        assert asked(firewall, path="no/slash", raw_path=b"no/slash") == 400
        assert asked(firewall, path="/a", raw_path=b"/a", query_string=b"q" * 63) == 414
        assert asked(firewall, path="/a", raw_path=b"/a", method="TRACE") == 405
    firewall.expect(["/b"])
    assert asked(firewall, path="/b", raw_path=b"/b") is None
    assert asked(firewall, path="/a", raw_path=b"/a") is None
