"""The backplane over NATS JetStream: a stream for each channel, republished to who listens."""

import base64
import json
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from typing import Any, Final

import anyio

from nexios.adapters.messaging.links import Backoff, LinkBoard
from nexios.adapters.messaging.nats_link import NatsLink
from nexios.adapters.messaging.nats_streams import Found, epoch_of, fetch, made, token
from nexios.application.backplane import (
    Arrived,
    Keep,
    Link,
    LinkState,
    Position,
    Present,
    Slice,
    Stored,
    Topic,
)
from nexios.application.errors import OutcomeUnknown, Unavailable
from nexios.records import dataclass

DUPLICATE_WINDOW_S: Final = 120.0
_KEEP: Final = Keep(512, 2**20, 300.0)
_ID: Final = "Nats-Msg-Id"
_NAME: Final = "nexios-id"
_KEY: Final = "nexios-key"
_SEQUENCE: Final = "Nats-Sequence"
_PREVIOUS: Final = "Nats-Last-Sequence"


@dataclass(frozen=True, slots=True)
class _Stream:
    """What is known of a channel's stream."""

    name: str
    epoch: str
    keep: Keep


class NatsBackplane:
    """Carries topics over NATS 2.9 or newer with JetStream; offsets are the stream's sequence.

    What is kept survives a crash of the server. Needs asyncio.

    Args:
        url: ``nats://user:password@host:4222``, or several.
        namespace: In the names of streams and subjects; apps that share it share topics.
        duplicate_window_s: How long the id of a message is remembered.
        reply_s: How long the server may take to answer.
    """

    shared = True

    def __init__(
        self,
        url: str | list[str],
        *,
        namespace: str = "nexios",
        duplicate_window_s: float = DUPLICATE_WINDOW_S,
        reply_s: float = 1.0,
    ) -> None:
        self._board = LinkBoard()
        self._link = NatsLink(url, reply_s=reply_s, moved=self._moved, ping_s=1)
        self._namespace = token(namespace)
        self._window_s = duplicate_window_s
        self._streams: dict[str, _Stream] = {}
        self._followers: dict[Topic, _Following] = {}
        self._lock = anyio.Lock()
        self._presence_ttl_s = 0.0

    async def start(self) -> None:
        """Connect, or raise ``Unavailable``."""
        await self._link.open()
        self._board.tell(LinkState.UP)

    async def close(self) -> None:
        """End all subscriptions and the connection."""
        self._board.up = False
        await self._link.close()

    def on_link(self, changed: Callable[[Link], None]) -> None:
        """Call ``changed`` when the server is lost or found again."""
        self._board.listen(changed)

    @property
    def subscriptions(self) -> int:
        """How many topics this process follows."""
        return len(self._followers)

    async def publish(
        self, topic: Topic, payload: bytes, *, id: str, key: str | None, keep: Keep
    ) -> Stored:
        """Publish to the stream; the server stores it once for its id."""
        headers = {_ID: _encoded(f"{topic}\n{id}"), _NAME: _encoded(id)}
        if key is not None:
            headers[_KEY] = _encoded(key)
        subject = self._subject(topic)
        stream = await self._stream(topic.channel, keep)
        ack = await self._link.ask(
            lambda js: js.publish(subject, payload, headers=headers, stream=stream.name),
            gone=partial(self._forget_stream, topic.channel),
        )
        return Stored(Position(stream.epoch, ack.seq), duplicate=bool(ack.duplicate))

    @asynccontextmanager
    async def follow(
        self, topic: Topic, arrived: Callable[[Arrived], None]
    ) -> AsyncIterator[Position]:
        """Subscribe to what the stream republishes, once for all followers of a topic here."""
        try:
            async with self._lock:
                following = self._followers.get(topic)
                if following is None:
                    following = self._followers[topic] = _Following(self, topic)
                following.followers = (*following.followers, arrived)
                if following.subscription is None:
                    await following.begin()
            yield (await self.read(topic, None, 0)).head
        finally:
            with anyio.CancelScope(shield=True):
                async with self._lock:
                    await self._leave(topic, arrived)

    async def _leave(self, topic: Topic, arrived: Callable[[Arrived], None]) -> None:
        following = self._followers[topic]
        following.followers = tuple(one for one in following.followers if one is not arrived)
        if not following.followers:
            del self._followers[topic]
            await following.end()

    async def read(self, topic: Topic, after: Position | None, limit: int) -> Slice:
        """Read the topic's part of the stream.

        The stream keeps one message more than was asked for, so that who has seen the last one
        before them is known to miss nothing.
        """
        stream = await self._stream(topic.channel, None)
        subject, start = self._subject(topic), 0 if after is None else after.offset
        found = await self._link.ask(
            lambda js: fetch(js, stream.name, subject, start),
            gone=partial(self._forget_stream, topic.channel),
        )
        if found.epoch != stream.epoch:  # somebody made it anew
            stream = self._streams[topic.channel] = replace(stream, epoch=found.epoch)
        every = _messages(found)
        kept = _within(every, stream.keep, found.messages)
        offsets = [one.position.offset for one in every]
        head = Position(found.epoch, offsets[-1] if offsets else found.last)
        if after is None:
            return Slice(tuple(kept[-limit:] if limit else ()), head, complete=True)
        if after.epoch != head.epoch or after.offset > found.last:
            return Slice((), head, complete=False)
        beyond = [one for one in kept if one.position.offset > after.offset]
        if found.count and not offsets:
            head = after  # the topic's last message is older: nothing was said since
        stands = after.offset == head.offset or _unbroken(found, offsets, after, stream.keep)
        dropped = len(beyond) < sum(1 for offset in offsets if offset > after.offset)
        return Slice(tuple(beyond[:limit]), head, complete=stands and not dropped)

    async def touch(self, entries: Sequence[Present], ttl_s: float) -> None:
        """Store one message for each, on a subject of its own that keeps the last one."""
        await self._presence(ttl_s)
        for entry in entries:
            told = [entry.socket, entry.subject, entry.meta, entry.since]
            await self._tell(entry, json.dumps(told).encode())

    async def forget(self, entries: Sequence[Present]) -> None:
        """Say so by an empty message."""
        await self._presence(self._presence_ttl_s or 60.0)
        for entry in entries:
            await self._tell(entry, b"")

    async def present(self, topic: Topic) -> Sequence[Present]:
        """Return those whose message is still there."""
        await self._presence(self._presence_ttl_s or 60.0)
        subject = f"nxp.{self._namespace}.{_tail(topic)}.*"
        name = self._presence_name
        found = await self._link.ask(lambda js: fetch(js, name, subject, 0))
        here = [_present(topic, one.data) for one in found.messages if one.data]
        return sorted(here, key=lambda one: one.since)

    @property
    def _presence_name(self) -> str:
        return f"nxp-{self._namespace}"

    async def _tell(self, entry: Present, data: bytes) -> None:
        subject = f"nxp.{self._namespace}.{_tail(entry.topic)}.{token(entry.socket)}"
        await self._link.ask(
            lambda js: js.publish(subject, data, stream=self._presence_name),
            gone=lambda: setattr(self, "_presence_ttl_s", 0.0),
        )

    async def _presence(self, ttl_s: float) -> None:
        if self._presence_ttl_s == ttl_s:
            return
        from nats.js.api import StorageType, StreamConfig

        config = StreamConfig(
            name=self._presence_name,
            subjects=[f"nxp.{self._namespace}.>"],
            max_age=ttl_s,
            max_msgs_per_subject=1,
            storage=StorageType.MEMORY,
            allow_direct=True,
            duplicate_window=min(ttl_s, 120.0),
        )
        await self._link.ask(lambda js: made(js, config))
        self._presence_ttl_s = ttl_s

    def _subject(self, topic: Topic) -> str:
        return f"nx.{self._namespace}.{_tail(topic)}"

    def heard_subject(self, topic: Topic) -> str:
        """Where copies of a topic's messages are published."""
        return f"nxl.{self._namespace}.{_tail(topic)}"

    @property
    def link(self) -> NatsLink:
        """The connection, for what subscribes."""
        return self._link

    def stream_of(self, topic: Topic) -> _Stream | None:
        """What is known of the topic's stream."""
        return self._streams.get(topic.channel)

    async def _stream(self, channel: str, keep: Keep | None) -> _Stream:
        """Return the channel's stream, made or changed where it is not as ``keep`` says."""
        known = self._streams.get(channel)
        if known is not None and keep in (None, known.keep):
            return known
        from nats.js.api import RePublish, StorageType, StreamConfig

        part = token(channel)
        wanted = keep or _KEEP
        config = StreamConfig(
            name=f"nx-{self._namespace}-{part}",
            description=json.dumps([wanted.count, wanted.size, wanted.age_s]),
            subjects=[f"nx.{self._namespace}.{part}.>"],
            max_age=max(wanted.age_s, self._window_s),
            max_msgs_per_subject=wanted.count + 1,
            storage=StorageType.FILE,
            allow_direct=True,
            duplicate_window=self._window_s,
            republish=RePublish(
                src=f"nx.{self._namespace}.{part}.>", dest=f"nxl.{self._namespace}.{part}.>"
            ),
        )
        info = await self._link.ask(lambda js: made(js, config, change=keep is not None))
        count, size, age_s = json.loads(info.config.description)
        stream = _Stream(str(info.config.name), epoch_of(info), Keep(count, size, age_s))
        self._streams[channel] = stream
        return stream

    def _forget_stream(self, channel: str) -> None:
        self._streams.pop(channel, None)

    async def _moved(self, up: bool, reason: str) -> None:
        if up:
            await self._look_again()
        self._board.tell(LinkState.UP if up else LinkState.DEGRADED, reason)

    async def _look_again(self) -> None:
        """Ask for all streams: the server may have come back without what it stored."""
        self._presence_ttl_s = 0.0
        backoff = Backoff()
        for channel, known in tuple(self._streams.items()):
            del self._streams[channel]
            while channel not in self._streams:
                try:
                    await self._stream(channel, known.keep)
                except (Unavailable, OutcomeUnknown):
                    await backoff.wait()  # JetStream comes up after the port


class _Following:
    """One subscription for all followers of a topic on this process."""

    def __init__(self, backplane: NatsBackplane, topic: Topic) -> None:
        self.followers: tuple[Callable[[Arrived], None], ...] = ()
        self.subscription: Any = None
        self._backplane = backplane
        self._topic = topic

    async def begin(self) -> None:
        """Subscribe, and return when the server knows."""
        subject = self._backplane.heard_subject(self._topic)
        self.subscription = await self._backplane.link.subscribe(subject, self._heard)

    async def end(self) -> None:
        """Unsubscribe; a lost connection has done so already."""
        if self.subscription is not None:
            await self._backplane.link.unsubscribe(self.subscription)

    async def _heard(self, message: Any) -> None:
        headers = message.headers or {}
        stream = self._backplane.stream_of(self._topic)
        epoch = stream.epoch if stream is not None else ""
        offset = int(headers[_SEQUENCE])
        arrived = _message(epoch, offset, int(headers[_PREVIOUS]), headers, message.data)
        for follower in self.followers:
            follower(arrived)


def _messages(found: Found) -> list[Arrived]:
    offsets = [one.metadata.sequence.stream for one in found.messages]
    return [
        _message(found.epoch, offset, previous, one.headers or {}, one.data)
        for one, offset, previous in zip(found.messages, offsets, [0, *offsets], strict=False)
    ]


def _unbroken(found: Found, offsets: list[int], after: Position, keep: Keep) -> bool:
    """Whether nothing of the topic after a position was trimmed by the server.

    By number it trims only when there is one more than ``count``; by age what is older than the
    first message of the whole stream.
    """
    untrimmed = found.count <= keep.count and after.offset + 1 >= found.first
    return after.offset in offsets or untrimmed


def _within(messages: list[Arrived], keep: Keep, raw: list[Any]) -> list[Arrived]:
    """Return the last messages that number, size and age allow."""
    size, kept, oldest = 0, [], time.time() - keep.age_s
    for one, stored in list(zip(messages, raw, strict=True))[::-1][: keep.count]:
        size += len(one.payload)
        if size > keep.size or stored.metadata.timestamp.timestamp() < oldest:
            break
        kept.append(one)
    return kept[::-1]


def _message(
    epoch: str, offset: int, previous: int, headers: Mapping[str, str], data: bytes
) -> Arrived:
    key = headers.get(_KEY)
    return Arrived(
        Position(epoch, offset),
        previous,
        _decoded(headers[_NAME]),
        None if key is None else _decoded(key),
        data,
    )


def _tail(topic: Topic) -> str:
    group = "c" if topic.group is None else f"g.{token(topic.group)}"
    return f"{token(topic.channel)}.{group}"


def _present(topic: Topic, told: bytes) -> Present:
    socket, subject, meta, since = json.loads(told)
    return Present(topic, socket, subject, meta, since)


def _encoded(text: str) -> str:
    # A header's value is read to the end of its line and stripped of spaces.
    return base64.urlsafe_b64encode(text.encode()).decode()


def _decoded(text: str) -> str:
    return base64.urlsafe_b64decode(text).decode()
