"""Every bound on what a client may send, in one value that each parser is given."""

from dataclasses import dataclass
from typing import Final

KIB: Final = 2**10
MIB: Final = 2**20


@dataclass(frozen=True, slots=True)
class Limits:
    """The bounds of one app, router or route; the numbers are inclusive.

    Bytes are counted as received, never as declared. ``None`` lifts a bound where the type
    allows it.
    """

    # Head of a request.
    target: int = 8 * KIB
    headers: int = 100
    headers_bytes: int = 32 * KIB
    header_bytes: int = 8 * KIB
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
    int_digits: int = 4300
    keyed_items: int = 1000
    errors: int = 50

    # Forms.
    multipart: int = 10 * MIB
    files: int = 16
    fields: int = 200
    field_bytes: int = 64 * KIB
    form_memory: int = MIB
    urlencoded_fields: int = 1000
    key_bytes: int = 2 * KIB
    part_headers: int = 8
    part_header_bytes: int = 4 * KIB
    boundary: int = 70
    preamble: int = KIB
    spool: int = 256 * KIB

    # Credentials.
    token_bytes: int = 8 * KIB

    # Time.
    request_s: float | None = 30.0
    handshake_s: float | None = 5.0

    # Sockets.
    message_bytes: int | None = MIB
    message_rate: float | None = 50.0
    message_burst: int = 100
    message_s: float | None = 30.0
    message_finish_s: float = 5.0
    queue_in: int = 16
    queue_in_full_s: float = 20.0
    queue_out: int = 256
    queue_out_bytes: int = MIB
    write_idle_s: float = 10.0
    ping_s: float = 20.0
    pong_s: float = 20.0
    sockets_per_address: int | None = 50
    sockets_per_caller: int | None = 20
    topics_per_socket: int | None = 100
    history: int = 512
    history_bytes: int = MIB
    history_s: float = 300.0
    history_process_bytes: int = 64 * MIB
    drain_s: float = 5.0
    in_flight_s: float = 20.0
    close_handshake_s: float = 2.0
