"""Ranges and conditions as values: no file, no wire."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nexios.adapters.asgi.dates import http_date
from nexios.adapters.asgi.headers import Headers
from nexios.adapters.http.ranges import (
    Span,
    Unsatisfiable,
    Verdict,
    parse_ranges,
    verdict,
    wanted_spans,
)

TAG = '"abc"'
THEN = 1_700_000_000


@pytest.mark.parametrize(
    ("value", "spans"),
    [
        ("bytes=0-0", [(0, 1)]),
        ("bytes=5-", [(5, 10)]),
        ("bytes=-3", [(7, 10)]),
        ("bytes=-99", [(0, 10)]),
        ("bytes=8-99", [(8, 10)]),
        ("BYTES=0-1", [(0, 2)]),
        ("bytes=0-1,4-5", [(0, 2), (4, 6)]),
        ("bytes= 4-5 ,\t0-1,", [(0, 2), (4, 6)]),
        ("bytes=0-4,3-6", [(0, 7)]),
        ("bytes=0-1,2-3", [(0, 4)]),
        ("bytes=20-30,1-1", [(1, 2)]),
        ("bytes=0-" + "9" * 5000, [(0, 10)]),
        # Nonsense, and what is no range of bytes, is ignored.
        ("bytes=a-b", []),
        ("bytes=5-2", []),
        ("bytes=-", []),
        ("bytes=", []),
        ("bytes", []),
        ("bytes=1", []),
        ("bytes=--1", []),
        ("bytes=1-2-3", []),
        ("bytes=0-1,x", []),
        ("bytes=٣-٤", []),
        ("bytes=1_0-2_0", []),
        ("items=0-1", []),
        ("", []),
    ],
)
def test_ranges(value: str, spans: list[tuple[int, int]]) -> None:
    assert [(span.start, span.end) for span in parse_ranges(value, 10)] == spans


@pytest.mark.parametrize("value", ["bytes=10-", "bytes=-0", "bytes=" + "9" * 5000 + "-"])
def test_what_lies_beyond_the_file_cannot_be_sent(value: str) -> None:
    with pytest.raises(Unsatisfiable):
        parse_ranges(value, 10)


def test_an_empty_file_is_sent_whole() -> None:
    assert parse_ranges("bytes=0-", 0) == parse_ranges("bytes=-5", 0) == ()


def test_sixteen_parts_are_sent_and_seventeen_are_the_whole_file() -> None:
    def asked(count: int) -> tuple[Span, ...]:
        listed = ",".join(f"{at * 10}-{at * 10}" for at in range(count))
        return wanted_spans("GET", Headers({"range": f"bytes={listed}"}), 1000, TAG, THEN)

    assert len(asked(16)) == 16
    assert asked(17) == ()


def test_a_thousand_overlapping_ranges_are_one() -> None:
    listed = ",".join(f"{at}-{at + 5}" for at in range(1000))
    headers = Headers({"range": f"bytes={listed}"})
    assert wanted_spans("GET", headers, 10_000, TAG, THEN) == (Span(0, 1005),)


@given(st.text(alphabet="bytes=0123456789-, ", max_size=60), st.integers(0, 200))
def test_parts_are_apart_in_order_and_within_the_file(value: str, size: int) -> None:
    try:
        spans = parse_ranges(value, size)
    except Unsatisfiable:
        return
    ends = [edge for span in spans for edge in (span.start, span.end)]
    assert ends == sorted(set(ends))
    assert all(0 <= edge <= size for edge in ends)


@pytest.mark.parametrize(
    ("asked", "parts"),
    [
        ({}, True),
        ({"if-range": TAG}, True),
        ({"if-range": '"other"'}, False),
        ({"if-range": "W/" + TAG}, False),
        ({"if-range": http_date(THEN)}, True),
        ({"if-range": http_date(THEN + 1)}, False),
        ({"if-range": "nonsense"}, False),
    ],
)
def test_if_range_asks_for_the_very_same_file(asked: dict[str, str], parts: bool) -> None:
    headers = Headers({"range": "bytes=0-1", **asked})
    assert bool(wanted_spans("GET", headers, 10, TAG, THEN)) is parts


@pytest.mark.parametrize("method", ["HEAD", "POST"])
def test_only_get_has_ranges(method: str) -> None:
    assert wanted_spans(method, Headers({"range": "bytes=0-1"}), 10, TAG, THEN) == ()


def test_two_range_headers_are_none() -> None:
    headers = Headers([(b"range", b"bytes=0-1"), (b"range", b"bytes=2-3")])
    assert wanted_spans("GET", headers, 10, TAG, THEN) == ()


BEFORE, AFTER = http_date(THEN - 10), http_date(THEN + 10)


@pytest.mark.parametrize(
    ("method", "asked", "outcome"),
    [
        ("GET", {}, Verdict.SEND),
        ("GET", {"if-match": TAG}, Verdict.SEND),
        ("GET", {"if-match": "*"}, Verdict.SEND),
        ("GET", {"if-match": f'"x", {TAG}'}, Verdict.SEND),
        ("GET", {"if-match": '"x"'}, Verdict.FAILED),
        ("GET", {"if-match": "W/" + TAG}, Verdict.FAILED),
        ("GET", {"if-unmodified-since": BEFORE}, Verdict.FAILED),
        ("GET", {"if-unmodified-since": AFTER}, Verdict.SEND),
        # The tag is looked at first, and the date then not at all.
        ("GET", {"if-match": TAG, "if-unmodified-since": BEFORE}, Verdict.SEND),
        ("GET", {"if-none-match": TAG}, Verdict.NOT_MODIFIED),
        ("GET", {"if-none-match": "W/" + TAG}, Verdict.NOT_MODIFIED),
        ("GET", {"if-none-match": "*"}, Verdict.NOT_MODIFIED),
        ("HEAD", {"if-none-match": TAG}, Verdict.NOT_MODIFIED),
        ("PUT", {"if-none-match": "*"}, Verdict.FAILED),
        ("GET", {"if-none-match": '"x"'}, Verdict.SEND),
        ("GET", {"if-modified-since": AFTER}, Verdict.NOT_MODIFIED),
        ("GET", {"if-modified-since": http_date(THEN)}, Verdict.NOT_MODIFIED),
        ("GET", {"if-modified-since": BEFORE}, Verdict.SEND),
        ("PUT", {"if-modified-since": AFTER}, Verdict.SEND),
        ("GET", {"if-none-match": '"x"', "if-modified-since": AFTER}, Verdict.SEND),
        ("GET", {"if-match": '"x"', "if-none-match": TAG}, Verdict.FAILED),
        ("GET", {"if-modified-since": "yesterday"}, Verdict.SEND),
        ("GET", {"if-modified-since": "Tue, 99 Foo 99999 99:99:99 GMT"}, Verdict.SEND),
        ("GET", {"if-unmodified-since": "\xff"}, Verdict.SEND),
    ],
)
def test_conditions_in_the_order_of_rfc_9110(
    method: str, asked: dict[str, str], outcome: Verdict
) -> None:
    assert verdict(method, Headers(asked), TAG, THEN) is outcome
