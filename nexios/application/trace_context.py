"""Reads and writes the header by which services tell which trace a request belongs to.

W3C Trace Context, level 1 (version 00); what later versions add behind its fields is left out.
"""

import re
from collections.abc import Iterable
from typing import Final

from nexios.records import dataclass

TRACEPARENT: Final = b"traceparent"
TRACESTATE: Final = b"tracestate"

# 3.2.2: lower case only, a dash behind the flags where a later version goes on.
_SHAPE: Final = re.compile(
    rb"(?P<version>[0-9a-f]{2})-(?P<trace>[0-9a-f]{32})-(?P<parent>[0-9a-f]{16})"
    rb"-(?P<flags>[0-9a-f]{2})(?P<more>-.*)?"
)
_MOST_BYTES: Final = 512
_ZERO_TRACE: Final = b"0" * 32
_ZERO_SPAN: Final = b"0" * 16


@dataclass(frozen=True, slots=True)
class TraceParent:
    """Which trace a request belongs to, and which span it comes from.

    Attributes:
        trace_id: 32 hexadecimal digits.
        span_id: 16 of them.
        sampled: Whether the caller records it; anybody can claim that.
    """

    trace_id: str
    span_id: str
    sampled: bool

    def __str__(self) -> str:
        return f"00-{self.trace_id}-{self.span_id}-{'01' if self.sampled else '00'}"


def parse_traceparent(value: bytes) -> TraceParent | None:
    """Return what a header says; None for anything that is not exactly as it has to be."""
    if len(value) > _MOST_BYTES:
        return None
    found = _SHAPE.fullmatch(value)
    if found is None or found["version"] == b"ff":
        return None
    if found["version"] == b"00" and found["more"] is not None:
        return None
    if found["trace"] == _ZERO_TRACE or found["parent"] == _ZERO_SPAN:
        return None
    sampled = bool(int(found["flags"], 16) & 1)
    return TraceParent(found["trace"].decode(), found["parent"].decode(), sampled)


def traceparent_of(headers: Iterable[tuple[bytes, bytes]]) -> TraceParent | None:
    """Return what the header fields of a request say; None where there is not exactly one."""
    values = [value for name, value in headers if name == TRACEPARENT]
    return parse_traceparent(values[0]) if len(values) == 1 else None
