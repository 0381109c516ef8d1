"""The table of one socket: legal moves are few, all others are refused."""

import pytest

from nexios.adapters.websocket.protocol import (
    ServerFault,
    SocketProtocol,
    SocketState,
    SocketStateError,
)

CONNECT = {"type": "websocket.connect"}
ACCEPT = {"type": "websocket.accept"}
TEXT = {"type": "websocket.send", "text": "x"}
RECEIVED = {"type": "websocket.receive", "text": "x", "bytes": None}
GONE = {"type": "websocket.disconnect", "code": 1001, "reason": "away"}
CLOSE = {"type": "websocket.close", "code": 4000, "reason": "bye"}
START = {"type": "websocket.http.response.start", "status": 403, "headers": []}
BODY = {"type": "websocket.http.response.body", "body": b"no"}


def at(state: SocketState, *, denial: bool = True) -> SocketProtocol:
    protocol = SocketProtocol(denial=denial)
    protocol.state = state
    return protocol


def test_a_whole_life_passes() -> None:
    protocol = SocketProtocol(denial=True)
    protocol.received(dict(CONNECT))
    assert protocol.sending(dict(ACCEPT))
    protocol.received(dict(RECEIVED))
    assert protocol.sending(dict(TEXT))
    protocol.received(dict(GONE))
    assert (protocol.state, protocol.code, protocol.reason) == (SocketState.CLOSED, 1001, "away")


IN = {"websocket.connect": CONNECT, "websocket.receive": RECEIVED, "websocket.disconnect": GONE}
LEGAL_IN = {
    (SocketState.NEW, "websocket.connect"),
    (SocketState.CONNECTING, "websocket.disconnect"),
    (SocketState.DENYING, "websocket.disconnect"),
    (SocketState.OPEN, "websocket.receive"),
    (SocketState.OPEN, "websocket.disconnect"),
    (SocketState.CLOSING, "websocket.receive"),
    (SocketState.CLOSING, "websocket.disconnect"),
    (SocketState.CLOSED, "websocket.receive"),
    (SocketState.CLOSED, "websocket.disconnect"),
}


@pytest.mark.parametrize("kind", [*IN, "websocket.nonsense"])
@pytest.mark.parametrize("state", list(SocketState))
def test_every_illegal_order_of_the_server_is_its_fault(state: SocketState, kind: str) -> None:
    protocol = at(state)
    message = dict(IN.get(kind, {"type": kind}))
    if (state, kind) in LEGAL_IN:
        protocol.received(message)
        return
    with pytest.raises(ServerFault, match=kind):
        protocol.received(message)
    assert protocol.state is SocketState.CLOSED


OUT = {m["type"]: m for m in (ACCEPT, TEXT, CLOSE, START, BODY)}
LEGAL_OUT = {
    (SocketState.CONNECTING, "websocket.accept"): SocketState.OPEN,
    (SocketState.CONNECTING, "websocket.close"): SocketState.CLOSED,
    (SocketState.CONNECTING, "websocket.http.response.start"): SocketState.DENYING,
    (SocketState.DENYING, "websocket.http.response.body"): SocketState.CLOSED,
    (SocketState.OPEN, "websocket.send"): SocketState.OPEN,
    (SocketState.OPEN, "websocket.close"): SocketState.CLOSING,
}


@pytest.mark.parametrize("kind", [*OUT, "http.response.start"])
@pytest.mark.parametrize("state", list(SocketState))
def test_every_illegal_order_of_the_handler_changes_nothing(state: SocketState, kind: str) -> None:
    protocol = at(state)
    message = dict(OUT.get(kind, {"type": kind}))
    if (state, kind) in LEGAL_OUT:
        assert protocol.sending(message)
        assert protocol.state is LEGAL_OUT[state, kind]
    elif kind == "websocket.close" and protocol.ended:
        assert not protocol.sending(message)
        assert protocol.state is state
    else:
        with pytest.raises(SocketStateError):
            protocol.sending(message)
        assert protocol.state is state


@pytest.mark.parametrize(
    "payload",
    [
        {},
        {"text": "a", "bytes": b"a"},
        {"text": None, "bytes": None},
        {"text": b"a"},
        {"bytes": "a"},
    ],
)
def test_exactly_one_payload_both_ways(payload: dict[str, object]) -> None:
    with pytest.raises(TypeError, match="exactly one"):
        at(SocketState.OPEN).sending({"type": "websocket.send", **payload})
    with pytest.raises(ServerFault, match="exactly one"):
        at(SocketState.OPEN).received({"type": "websocket.receive", **payload})


def test_empty_payloads_are_payloads() -> None:
    assert at(SocketState.OPEN).sending({"type": "websocket.send", "text": "", "bytes": None})
    at(SocketState.OPEN).received({"type": "websocket.receive", "bytes": b""})


def test_a_denial_needs_the_extension() -> None:
    protocol = at(SocketState.CONNECTING, denial=False)
    with pytest.raises(SocketStateError, match="close instead"):
        protocol.sending(dict(START))
    assert protocol.state is SocketState.CONNECTING


def test_a_denial_may_come_in_pieces() -> None:
    protocol = at(SocketState.CONNECTING)
    protocol.sending(dict(START))
    protocol.sending({**BODY, "more_body": True})
    assert protocol.state is SocketState.DENYING
    protocol.sending(dict(BODY))
    assert protocol.state is SocketState.CLOSED


def test_the_first_code_is_the_one_that_stays() -> None:
    protocol = at(SocketState.OPEN)
    protocol.sending(dict(CLOSE))
    protocol.received(dict(GONE))
    assert (protocol.code, protocol.reason) == (4000, "bye")


def test_a_disconnect_without_a_code_is_1005() -> None:
    protocol = at(SocketState.OPEN)
    protocol.received({"type": "websocket.disconnect"})
    assert (protocol.code, protocol.reason) == (1005, None)


def test_a_cut_line_is_1006() -> None:
    protocol = at(SocketState.OPEN)
    protocol.lost()
    assert (protocol.state, protocol.code) == (SocketState.CLOSED, 1006)


@pytest.mark.parametrize("state", [SocketState.NEW, SocketState.CONNECTING, SocketState.DENYING])
def test_receiving_needs_an_open_socket(state: SocketState) -> None:
    with pytest.raises(SocketStateError):
        at(state).receiving()
