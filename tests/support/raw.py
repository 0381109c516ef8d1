"""Speaks bytes to a server: what no client library would send, and what came back."""

import socket
from collections.abc import Iterable
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer as it stood on the wire."""

    status: int
    headers: dict[str, str]
    body: bytes


@dataclass(slots=True)
class Replies:
    """What one connection got back.

    Attributes:
        closed: Whether the server ended the connection while we still read.
        reset: Whether it did so with a reset, which can swallow an answer.
    """

    answers: list[Reply] = field(default_factory=list)
    closed: bool = False
    reset: bool = False

    @property
    def statuses(self) -> list[int]:
        return [answer.status for answer in self.answers]


def speak(
    address: str, *pieces: bytes, answers: int = 1, timeout: float = 5.0, finish: bool = False
) -> Replies:
    """Send ``pieces`` one after the other and read until so many answers are whole.

    Args:
        finish: Shut our side down after the last piece: a client that broke off.
    """
    host, _, port = address.partition(":")
    replies = Replies()
    with socket.create_connection((host, int(port)), timeout=timeout) as line:
        try:
            for piece in pieces:
                line.sendall(piece)
            if finish:
                line.shutdown(socket.SHUT_WR)
        except (BrokenPipeError, ConnectionResetError):
            replies.reset = True  # it had its say before ours was over; the answer is read
        _read(line, replies, answers)
    return replies


def _read(line: socket.socket, replies: Replies, answers: int) -> None:
    held = b""
    while len(replies.answers) < answers:
        try:
            chunk = line.recv(65536)
        except TimeoutError:
            return
        except ConnectionResetError:
            replies.reset = replies.closed = True
            return
        if not chunk:
            replies.closed = True
            _take(held, replies, ended=True)
            return
        held = _take(held + chunk, replies, ended=False)


def _take(held: bytes, replies: Replies, *, ended: bool) -> bytes:
    """Move every whole answer out of ``held`` and return what is left."""
    while b"\r\n\r\n" in held:
        head, _, rest = held.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        headers = {
            name.lower(): value.strip()
            for name, _, value in (line.partition(":") for line in lines)
        }
        status = int(first.split(" ")[1])
        length = headers.get("content-length")
        if length is None and not ended and status >= 200 and status not in (204, 304):
            return held  # its end is the end of the connection
        size = len(rest) if length is None and ended else int(length or 0)
        if len(rest) < size:
            return held
        if status >= 200:
            replies.answers.append(Reply(status, headers, rest[:size]))
        held = rest[size:]
    return held


def request(
    line: bytes = b"GET / HTTP/1.1", *fields: bytes, body: bytes = b"", host: bytes = b"shop.test"
) -> bytes:
    """Return a request with a host, the fields given and a body as it is, without a length."""
    head = [line, *([b"Host: " + host] if host else []), *fields]
    return b"\r\n".join(head) + b"\r\n\r\n" + body


def posted(path: bytes, body: bytes, *fields: bytes, kind: bytes = b"application/json") -> bytes:
    """Return a POST with its type and length."""
    return request(
        b"POST " + path + b" HTTP/1.1",
        b"Content-Type: " + kind,
        b"Content-Length: %d" % len(body),
        *fields,
        body=body,
    )


def ask(
    address: str,
    method: str,
    target: str,
    fields: Iterable[tuple[str, str]] = (),
    body: str = "",
) -> Reply:
    """Send one request with exactly these fields, and a length, and return its answer."""
    lines = [f"{method} {target} HTTP/1.1", f"Host: {address}", "Connection: close"]
    lines += [f"{name}: {value}" for name, value in fields]
    content = body.encode()
    if content or method in ("POST", "PUT", "PATCH", "DELETE"):
        lines.append(f"Content-Length: {len(content)}")
    head = "\r\n".join(lines).encode("latin-1")
    (answer,) = speak(address, head + b"\r\n\r\n" + content, timeout=20).answers
    return answer
