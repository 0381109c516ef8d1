"""Headers are read without regard to case and written without a way out of their line."""

import pytest

from nexios.adapters.asgi.headers import Headers, InvalidHeader, MutableHeaders

RAW = [(b"accept", b"a"), (b"x-one", b"1"), (b"accept", b"b")]


def test_plain_access_gives_the_last_and_a_missing_one_is_none() -> None:
    headers = Headers(RAW)
    assert headers["Accept"] == "b"
    assert headers["missing"] is None
    assert headers.getlist("ACCEPT") == ["a", "b"]
    assert headers.getlist("missing") == []


def test_the_default_is_used_when_a_header_is_absent_and_only_then() -> None:
    headers = Headers([(b"x", b"")])
    assert headers.get("missing", "d") == "d"
    assert headers.get("missing") is None
    assert headers.get("x", "d") == ""


def test_as_a_mapping_each_name_stands_once() -> None:
    headers = Headers(RAW)
    assert list(headers) == ["accept", "x-one"]
    assert len(headers) == 2
    assert dict(headers) == dict(headers.items()) == {"accept": "b", "x-one": "1"}
    assert list(headers.values()) == ["b", "1"]
    assert headers.multi_items() == [("accept", "a"), ("x-one", "1"), ("accept", "b")]
    assert "ACCEPT" in headers
    assert "missing" not in headers
    assert 7 not in headers


def test_odd_names_are_absent_and_no_error() -> None:
    assert Headers(RAW)["é\u20ac"] is None


@pytest.mark.parametrize(
    "name", ["", "a b", "a:b", "a\r\nb", "a\x00", "é", "a_b", "a\tb", "(a)", "a,b", "\u20ac"]
)
def test_a_bad_name_is_refused_everywhere(name: str) -> None:
    headers = MutableHeaders([(b"x", b"1")])
    for attempt in (
        lambda: headers.__setitem__(name, "v"),
        lambda: headers.append(name, "v"),
        lambda: headers.setdefault(name, "v"),
        lambda: Headers({name: "v"}),
    ):
        with pytest.raises(InvalidHeader):
            attempt()
    assert headers.raw == [(b"x", b"1")]


@pytest.mark.parametrize(
    "value", ["a\r\nset-cookie: x=1", "a\n", "a\r", "\x00", "a\x0bb", "\x7f", "\u20ac", "\ud800"]
)
def test_a_bad_value_is_refused_everywhere(value: str) -> None:
    headers = MutableHeaders([(b"x", b"1")])
    for attempt in (
        lambda: headers.__setitem__("y", value),
        lambda: headers.append("y", value),
        lambda: headers.update({"y": value}),
        lambda: headers.add_vary(value),
        lambda: Headers({"y": value}),
    ):
        with pytest.raises(InvalidHeader):
            attempt()
    assert headers.raw == [(b"x", b"1")]


def test_latin_1_and_tabs_pass() -> None:
    headers = MutableHeaders()
    headers["x"] = "caf\xe9\tnoir"
    assert headers.raw == [(b"x", b"caf\xe9\tnoir")]


def test_setting_replaces_all_of_a_name_at_the_place_of_the_first() -> None:
    headers = MutableHeaders(list(RAW))
    headers["ACCEPT"] = "c"
    assert headers.raw == [(b"accept", b"c"), (b"x-one", b"1")]


def test_deleting_takes_all_of_a_name_and_an_absent_one_is_no_error() -> None:
    headers = MutableHeaders(list(RAW))
    del headers["accept"]
    del headers["accept"]
    assert headers.raw == [(b"x-one", b"1")]


def test_setdefault_keeps_what_is_there() -> None:
    headers = MutableHeaders()
    assert headers.setdefault("a", "1") == "1"
    assert headers.setdefault("a", "2") == "1"
    assert headers.raw == [(b"a", b"1")]


@pytest.mark.parametrize(
    ("present", "added", "result"),
    [
        ([], "Origin", "Origin"),
        (["Origin"], "origin", "Origin"),
        (["Accept", "Origin"], "Cookie", "Accept, Origin, Cookie"),
        (["Accept"], "Origin, Accept", "Accept, Origin"),
        (["*"], "Origin", "*"),
        ([""], "Origin", "Origin"),
    ],
)
def test_vary_names_each_header_once(present: list[str], added: str, result: str) -> None:
    headers = MutableHeaders([(b"vary", value.encode()) for value in present])
    headers.add_vary(added)
    assert ", ".join(headers.getlist("vary")) == result


def test_equality_is_by_fields_whatever_their_order() -> None:
    assert Headers({"a": "1", "b": "2"}) == Headers({"B": "2", "A": "1"})
    assert Headers({"a": "1"}) != Headers({"a": "2"})
