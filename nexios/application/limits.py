"""Every bound on what a client may send, in one value that each parser is given."""

from dataclasses import dataclass
from typing import Final

KIB: Final = 2**10
MIB: Final = 2**20


@dataclass(frozen=True, slots=True)
class Limits:
    """The bounds of one app, router or route; the numbers are inclusive.

    Bytes are counted as received, never as declared. ``None`` lifts a bound where the type
    allows it. Every bound that stands here is enforced.
    """

    # Head of a request.
    cookie_bytes: int = 8 * KIB
    cookie_pairs: int = 64
    cookie_out_bytes: int = 4096
    query_fields: int = 256
    list_items: int = 64

    # Body. ``body=None`` is for streaming routes only.
    body: int | None = 2 * MIB
    body_idle_s: float = 15.0
    json_depth: int = 200
    json_tokens: int = 100_000
    errors: int = 50

    # Credentials.
    token_bytes: int = 8 * KIB

    # Sockets.
    handshake_s: float | None = 5.0

    message_bytes: int | None = MIB
    message_s: float | None = 30.0
    message_finish_s: float = 5.0
    queue_out: int = 256
    queue_out_bytes: int = MIB
    write_idle_s: float = 10.0
    topics_per_socket: int | None = 100
    history: int = 512
    close_handshake_s: float = 2.0
