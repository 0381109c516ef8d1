"""The header that tells which trace a request belongs to."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nexios.application.trace_context import TraceParent, parse_traceparent, traceparent_of

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
SPAN = "00f067aa0ba902b7"
GOOD = f"00-{TRACE}-{SPAN}-01"


@pytest.mark.parametrize(
    ("value", "sampled"),
    [
        (GOOD, True),
        (f"00-{TRACE}-{SPAN}-00", False),
        (f"00-{TRACE}-{SPAN}-ff", True),
        (f"00-{TRACE}-{SPAN}-02", False),
        (f"01-{TRACE}-{SPAN}-01", True),
        (f"cc-{TRACE}-{SPAN}-01-what the future brings", True),
        (f"fe-{TRACE}-{SPAN}-01-", True),
    ],
)
def test_what_is_as_it_has_to_be_is_read(value: str, sampled: bool) -> None:
    assert parse_traceparent(value.encode()) == TraceParent(TRACE, SPAN, sampled)


@pytest.mark.parametrize(
    "value",
    [
        "",
        "00",
        f"ff-{TRACE}-{SPAN}-01",
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE.upper()}-{SPAN}-01",
        f"00-{TRACE}-{SPAN.upper()}-01",
        f"0-{TRACE}-{SPAN}-01",
        f"000-{TRACE}-{SPAN}-01",
        f"00-{TRACE[:-1]}-{SPAN}-01",
        f"00-{TRACE}0-{SPAN}-01",
        f"00-{TRACE}-{SPAN[:-1]}-01",
        f"00-{TRACE}-{SPAN}-1",
        f"00-{TRACE}-{SPAN}-0g",
        f"00-{TRACE}-{SPAN}-01-",
        f"00-{TRACE}-{SPAN}-01-more",
        f"cc-{TRACE}-{SPAN}-01more",
        f"cc-{TRACE}-{SPAN}-01-" + "x" * 512,
        f" {GOOD}",
        f"{GOOD} ",
        f"{GOOD}\n",
        f"{GOOD},{GOOD}",
        GOOD.replace("-", "_"),
        f"00-{TRACE}-{SPAN}",
        f"00-+{TRACE[1:]}-{SPAN}-01",
    ],
)
def test_traceparent_is_parsed_strictly(value: str) -> None:
    assert parse_traceparent(value.encode()) is None


def test_two_of_them_are_none() -> None:
    one = (b"traceparent", GOOD.encode())
    assert traceparent_of([(b"host", b"x"), one]) is not None
    assert traceparent_of([one, one]) is None
    assert traceparent_of([]) is None


LIKE_ONE = st.from_regex(
    rb"[0-9a-g]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-g]{2}(-.*)?", fullmatch=True
)


@given(st.binary(max_size=80) | LIKE_ONE)
def test_nothing_else_is_ever_read(value: bytes) -> None:
    found = parse_traceparent(value)
    if found is None:
        return
    assert re.fullmatch("[0-9a-f]{32}", found.trace_id)
    assert re.fullmatch("[0-9a-f]{16}", found.span_id)
    assert int(found.trace_id, 16)
    assert int(found.span_id, 16)
    assert value[3:52] == f"{found.trace_id}-{found.span_id}".encode()


@given(
    st.integers(1, 2**128 - 1).map("{:032x}".format),
    st.integers(1, 2**64 - 1).map("{:016x}".format),
    st.booleans(),
)
def test_what_is_written_is_read(trace: str, span: str, sampled: bool) -> None:
    told = TraceParent(trace, span, sampled)
    assert parse_traceparent(str(told).encode()) == told
