"""What the shell answers by itself, before there is a request that an application could see."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final


@dataclass(frozen=True, slots=True)
class Refusal:
    """One answer that ends its connection: a problem (RFC 9457), as the gateway words it.

    Attributes:
        code: The end of the problem's type.
        detail: For whoever wrote the client.
        headers: Fields of the answer, such as ``Allow``.
    """

    status: int
    code: str
    title: str
    detail: str
    headers: tuple[tuple[bytes, bytes], ...] = ()

    def written(self, defaults: Iterable[tuple[bytes, bytes]] = ()) -> bytes:
        """Return the bytes of the answer.

        Args:
            defaults: What the server puts into every answer, such as the date.
        """
        problem = {
            "type": f"urn:nexios:problem:{self.code}",
            "title": self.title,
            "status": self.status,
            "detail": self.detail,
        }
        body = json.dumps(problem, separators=(",", ":")).encode()
        fields = [
            *((name, value) for name, value in defaults if name != b"connection"),
            (b"content-type", b"application/problem+json"),
            (b"content-length", b"%d" % len(body)),
            (b"x-content-type-options", b"nosniff"),
            (b"cache-control", b"no-store"),
            *self.headers,
            (b"connection", b"close"),
        ]
        phrase = HTTPStatus(self.status).phrase.encode()
        head = b"".join(b"%b: %b\r\n" % field for field in fields)
        return b"HTTP/1.1 %d %b\r\n%b\r\n%b" % (self.status, phrase, head, body)


class Refused(Exception):
    """Raised inside a parser's callback: what is read may not go on."""

    def __init__(self, refusal: Refusal) -> None:
        self.refusal = refusal
        super().__init__(refusal)

    def __str__(self) -> str:
        return self.refusal.detail


def malformed(detail: str) -> Refusal:
    """Return the refusal of bytes that are no HTTP/1.1."""
    return Refusal(400, "malformed-request", "Request is malformed", detail)


UNREADABLE: Final = malformed("the request cannot be read as HTTP/1.1")
FRAGMENT: Final = malformed("a fragment is no part of a target")  # RFC 9112, 3.2
UPGRADE_BODY: Final = malformed("a request that asks for another protocol has no body")
CHUNKS: Final = malformed("the chunks of the body cost more than their content")
VERSION: Final = Refusal(
    505,
    "http-version-not-supported",
    "HTTP Version Not Supported",
    "the version of HTTP is not known",
)
CONNECT: Final = Refusal(
    405,
    "method-not-allowed",
    "Method Not Allowed",
    "this method is never served",
    ((b"allow", b"DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT"),),
)
TARGET: Final = Refusal(414, "target-too-long", "URI Too Long", "the target is too long")
HEADERS: Final = Refusal(
    431,
    "headers-too-large",
    "Request Header Fields Too Large",
    "there are too many header fields, or they are too long",
)
SLOW_HEAD: Final = Refusal(
    408, "request-timeout", "Request Timeout", "the head of the request took too long"
)
SLOW_BODY: Final = Refusal(408, "body-stalled", "Request Timeout", "the body came too slowly")
STOPPING: Final = Refusal(
    503,
    "unavailable",
    "Service Unavailable",
    "the server stopped before the request was answered",
    ((b"retry-after", b"1"),),
)
