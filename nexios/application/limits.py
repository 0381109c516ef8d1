"""Every bound on what a client may send, in one value that each parser is given."""

from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any, Final, Self, get_args

from nexios.application.spelling import suggestion
from nexios.records import dataclass

KIB: Final = 2**10
MIB: Final = 2**20

ENGINE_JSON_DEPTH: Final = 200
"""Within how many arrays and objects a value may lie for the engine that reads JSON."""

_HIGHEST: Final = {"json_depth": ENGINE_JSON_DEPTH}


@dataclass(frozen=True, slots=True)
class Limits:
    """The bounds of one app, router or route; the numbers are inclusive.

    Bytes are counted as received, never as declared. ``None`` lifts a bound where the type
    allows it. Every bound that stands here is enforced.
    """

    # Head of a request. ``target`` is path and query as they stand on the wire;
    # ``header_bytes`` bounds each name and each value, ``headers_bytes`` all of them together.
    target: int = 8 * KIB
    headers: int = 100
    headers_bytes: int = 32 * KIB
    header_bytes: int = 8 * KIB
    cookie_bytes: int = 8 * KIB
    cookie_pairs: int = 64
    cookie_out_bytes: int = 4096
    query_fields: int = 256
    list_items: int = 64

    # The wire, kept by the shell of `nexios run`: ``header_s`` for a whole head, ``keep_alive_s``
    # between two requests, ``answer_idle_s`` for a peer that reads nothing of its answer.
    # ``body_rate`` is bytes a second, asked after five.
    header_s: float = 10.0
    keep_alive_s: float = 15.0
    body_rate: int = 240
    body_total_s: float | None = 60.0
    answer_idle_s: float = 30.0
    chunk_overhead: int = 64 * KIB

    # Body. ``body=None`` is for streaming routes only. ``json_depth`` arrays and objects may stand
    # around a value.
    body: int | None = 2 * MIB
    body_idle_s: float = 15.0
    multipart: int | None = 10 * MIB
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
    json_depth: int = ENGINE_JSON_DEPTH
    json_tokens: int = 100_000
    keyed_items: int = 1_000
    errors: int = 50

    # Answers. ``request_s`` ends with the head of one; streams and sockets have all the time.
    ranges: int = 16
    request_s: float | None = 30.0

    # Credentials.
    token_bytes: int = 8 * KIB

    # Sockets. The rates are of one socket; fragments and control frames are counted by the
    # server's engine, the numbers of sockets by each process.
    handshake_s: float | None = 5.0
    first_message_s: float = 5.0
    sockets_per_address: int | None = 50
    sockets_per_caller: int | None = 20

    message_bytes: int | None = MIB
    fragments: int | None = 1024
    control_frames_per_s: float | None = 100.0
    control_frames_burst: int = 200
    messages_per_s: float | None = 50.0
    messages_burst: int = 100
    message_s: float | None = 30.0
    message_finish_s: float = 5.0
    queue_out: int = 256
    queue_out_bytes: int = MIB
    write_idle_s: float = 10.0
    topics_per_socket: int | None = 100
    history: int = 512
    close_handshake_s: float = 2.0

    def with_(self, changes: Mapping[str, Any]) -> Self:
        """Return these limits with some of them changed.

        Args:
            changes: Name to number; ``body`` alone says nothing of ``multipart``.

        Raises:
            TypeError: There is no such limit; the nearest name is given.
            ValueError: The value is no number of that kind, or below zero.
        """
        kinds = {one.name: one.type for one in fields(self)}
        for name, value in changes.items():
            if name not in kinds:
                near = suggestion(name, list(kinds))
                hint = f"; did you mean {near!r}?" if near else ""
                raise TypeError(f"there is no limit {name!r}{hint}")
            if not _fits(value, kinds[name]):
                raise ValueError(
                    f"limits.{name} cannot be {value!r}\n  fix: {_shown(kinds[name])}"
                )
            if name in _HIGHEST and value > _HIGHEST[name]:
                raise ValueError(f"limits.{name} cannot be {value!r}: at most {_HIGHEST[name]}")
        return replace(self, **changes)


def _fits(value: object, kind: Any) -> bool:
    members = get_args(kind) or (kind,)
    if value is None:
        return type(None) in members
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return False
    return value >= 0 and (isinstance(value, int) or float in members)


def _shown(kind: Any) -> str:
    members = get_args(kind) or (kind,)
    number = "a number" if float in members else "a whole number"
    return f"{number} from 0 up{' or None' if type(None) in members else ''}"
