"""Moments in header fields are written as the standard library writes them."""

from email.utils import formatdate

from hypothesis import given
from hypothesis import strategies as st

from nexios.adapters.asgi.dates import http_date


@given(st.floats(min_value=-62_000_000_000, max_value=250_000_000_000))
def test_every_moment_is_written_as_email_writes_it(moment_s: float) -> None:
    assert http_date(moment_s) == formatdate(int(moment_s // 1), usegmt=True)


def test_the_example_of_the_standard() -> None:
    assert http_date(784111777) == "Sun, 06 Nov 1994 08:49:37 GMT"
