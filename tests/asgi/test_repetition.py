"""The ``Idempotency-Key`` field: what is a key and what is refused."""

import pytest

from nexios.adapters.asgi.connection import Connection
from nexios.adapters.asgi.errors import RequestRefused
from nexios.adapters.asgi.repetition import idempotency_key
from nexios.adapters.asgi.types import Scope
from nexios.application.caller import Caller


def asked(*values: bytes, method: str = "POST", kind: str = "http") -> Scope:
    return {
        "type": kind,
        "method": method,
        "headers": [(b"idempotency-key", value) for value in values],
    }


@pytest.mark.parametrize(
    ("sent", "read"),
    [
        (b"8e03978e-40d5-43dd-bc93-6894a57f9324", "8e03978e-40d5-43dd-bc93-6894a57f9324"),
        (b'"8e03978e"', "8e03978e"),
        (b' "a b" ', "a b"),
        (rb'"a\"b\\c"', r"a\"b\c".replace(r"\"", '"')),
        (b"k" * 255, "k" * 255),
    ],
)
def test_a_key_is_read_quoted_or_bare(sent: bytes, read: str) -> None:
    assert idempotency_key(asked(sent)) == read


@pytest.mark.parametrize(
    "sent", [b"", b'""', b"k" * 256, b'"open', b"a b", b"a,b", "schlüssel".encode(), rb'"\n"']
)
def test_what_is_no_key_is_refused(sent: bytes) -> None:
    with pytest.raises(RequestRefused) as refusal:
        idempotency_key(asked(sent))
    assert (refusal.value.status, refusal.value.code) == (400, "idempotency-key")


def test_two_keys_are_refused() -> None:
    with pytest.raises(RequestRefused):
        idempotency_key(asked(b"a", b"a"))


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
def test_methods_that_change_nothing_have_no_key(method: str) -> None:
    assert idempotency_key(asked(b"a", method=method)) is None


def test_a_handshake_has_no_key() -> None:
    assert idempotency_key({"type": "websocket", "headers": [(b"idempotency-key", b"a")]}) is None


def test_the_caller_of_a_request_carries_its_key() -> None:
    scope = asked(b"k1", method="PATCH")
    scope["caller"] = Caller(actor="ann")
    assert Connection(scope).caller == Caller(actor="ann", idempotency_key="k1")
    assert Connection(asked()).caller.idempotency_key is None
