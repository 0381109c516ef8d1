"""JetStream's streams: made once, read from a place on, named by any text."""

import re
import secrets
from typing import Any, Final

from nexios.records import dataclass

NAME_IN_USE: Final = 10058
_FETCH_S: Final = 2.0
_BATCH: Final = 256


@dataclass(frozen=True, slots=True)
class Found:
    """A part of a stream.

    Attributes:
        messages: Those asked for, oldest first.
        count: How many of the subject there are in all.
        first: Sequence of the first message of the stream, or that of the next one.
        last: Sequence of the last message the stream ever had.
        epoch: When the stream was made, as text.
    """

    messages: list[Any]  # nats-py has no types
    count: int
    first: int
    last: int
    epoch: str


async def made(js: Any, config: Any, *, change: bool = False) -> Any:
    """Make a stream and return what is known of it; one that is there is taken as it is.

    Args:
        change: Make one that is there as ``config`` says.
    """
    from nats.js.errors import BadRequestError

    try:
        return await js.add_stream(config)
    except BadRequestError as error:
        if error.err_code != NAME_IN_USE:
            raise
    return await (js.update_stream(config) if change else js.stream_info(config.name))


def epoch_of(info: Any) -> str:
    """Return when a stream was made, in microseconds: it is another one when it is made anew."""
    return str(round(info.created.timestamp() * 1e6))


async def fetch(js: Any, stream: str, subject: str, start: int) -> Found:
    """Read what a stream has of a subject, from a sequence on, by a consumer of its own."""
    from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy

    info = await js.stream_info(stream, subjects_filter=subject)
    state = info.state
    count = sum((state.subjects or {}).values())
    first = state.first_seq or state.last_seq + 1
    messages: list[Any] = []
    found = Found(messages, count, first, state.last_seq, epoch_of(info))
    if not count:
        return found
    config = ConsumerConfig(
        name=f"read-{secrets.token_hex(8)}",
        deliver_policy=DeliverPolicy.BY_START_SEQUENCE,
        opt_start_seq=max(1, start),
        ack_policy=AckPolicy.NONE,
        filter_subject=subject,
        mem_storage=True,
        inactive_threshold=5.0,
    )
    consumer = await js.add_consumer(stream, config)
    if consumer.num_pending:
        reader = await js.pull_subscribe_bind(consumer.name, stream)
        try:
            await _read(reader, messages, consumer.num_pending)
        finally:
            await reader.unsubscribe()
    await js.delete_consumer(stream, consumer.name)
    return found


async def _read(reader: Any, messages: list[Any], pending: int) -> None:
    """Read all; raises when it takes too long: a part that is missing must never look whole."""
    while pending:
        messages += await reader.fetch(min(pending, _BATCH), _FETCH_S)
        pending = messages[-1].metadata.num_pending


def token(text: str, *, dots: bool = False) -> str:
    """Return a text as part of a subject or of a consumer's name; no two give the same."""
    kept = "-." if dots else "-"
    safe = "".join(
        char if (char.isascii() and char.isalnum()) or char in kept else f"_{ord(char):x}_"
        for char in text
    )
    # A subject has no empty part (NATS, "Subject-Based Messaging").
    return re.sub(r"(?<![^.])\.|\.(?=\.|$)", "_2e_", safe) if dots else safe
