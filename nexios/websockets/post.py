"""Letters between the processes of an app: to one socket, and about the sockets of one user.

All go by one topic, which a process follows while a socket of its own is in a channel. Nothing of
it is kept: a letter nobody is there for is lost.
"""

import logging
import secrets
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any, Final, Protocol

from pydantic_core import from_json, to_json

from nexios.adapters.asgi.types import Message
from nexios.adapters.websocket.closing import FAULT, leading_error, meaning_of
from nexios.application.backplane import Backplane, Keep, Position, Topic
from nexios.records import dataclass
from nexios.websockets.declared import Spec
from nexios.websockets.errors import UnknownSocket
from nexios.websockets.frames import direct_frame
from nexios.websockets.member import Member
from nexios.websockets.options import Overflow
from nexios.websockets.outgoing import Outgoing
from nexios.websockets.resume import AWAY
from nexios.websockets.topic import LiveTopic
from nexios.websockets.wire import BINARY, TEXT, Delivery, bare, pack

POST: Final = Topic("\x1fpost")  # no channel of a user has a control character
REPLACED: Final = 4409

_log: Final = logging.getLogger("nexios.websockets")

_NOTHING: Final = Keep(0, 0, 0.0)


@dataclass(frozen=True, slots=True)
class Letter:
    """A message to one socket.

    Attributes:
        to: Id of the socket.
        topic: What it is a message of.
        flags: What the body is, as in wire.py.
        body: JSON text, bytes, or text.
    """

    to: str
    topic: Topic
    flags: int
    body: bytes

    def frame(self, *, tagged: bool) -> Message:
        """Return it as the socket's client reads it."""
        binary = bool(self.flags & BINARY)
        if not tagged:
            return bare(self.body, binary=binary)
        body = to_json(self.body.decode("utf-8")) if self.flags & TEXT else self.body
        return direct_frame(self.topic, secrets.token_urlsafe(12), body, binary=binary)


class Office(Protocol):
    """What the post needs of the hub."""

    backplane: Backplane

    @property
    def sockets(self) -> Iterable[Outgoing]:
        """The sockets here that are in a topic."""
        ...

    def known(self, channel: str) -> Spec | None:
        """Return what a channel is declared to be, once it was used here."""
        ...

    def outgoing(self, socket: str) -> Outgoing | None:
        """Return the outgoing side of a member socket."""
        ...

    def members(self, topic: Topic) -> Sequence[Member]:
        """Return who is in a topic here."""
        ...

    def use_topic(self, topic: Topic, *, quiet: bool = False) -> LiveTopic:
        """Follow a topic until it is left as often as it was used."""
        ...

    def leave_topic(self, live: LiveTopic) -> None:
        """Use a topic once less."""
        ...

    def begin(self, work: Callable[[], Awaitable[None]]) -> None:
        """Run a task that ends with the hub."""
        ...

    def evict(self, outgoing: Outgoing, code: int, reason: str) -> None:
        """Close a socket, without waiting for it."""
        ...


class Post:
    """Takes letters to other processes and delivers what comes from them.

    Where no other process can be reached at all, it delivers here and follows nothing.
    """

    __slots__ = ("_expected", "_listening", "_live", "_office")

    def __init__(self, office: Office) -> None:
        self._office = office
        self._live: LiveTopic | None = None
        self._listening = False
        # Sockets whose own `replace` has not come back: no older one of others ends them.
        self._expected: set[tuple[Topic, str]] = set()

    def open(self) -> None:
        """Follow the topic; each time is ended by a ``close``."""
        if self._office.backplane.shared:
            live = self._office.use_topic(POST, quiet=True)
            if live is not self._live:
                self._live, self._listening = live, False

    def close(self) -> None:
        """Follow it for one less."""
        live = self._live
        if live is not None:
            self._office.leave_topic(live)
            if not live.users:
                self._live = None
                self._expected.clear()  # nothing comes back any more

    async def ready(self) -> None:
        """Return when letters arrive, or when they cannot."""
        live = self._live
        if live is not None:
            await live.ready()
            if live is self._live and not self._listening:
                self._listening = True
                live.listen(self)

    def deliver(self, letter: Letter) -> bool:
        """Give a letter to its socket; False when it is no member of anything here."""
        outgoing = self._office.outgoing(letter.to)
        if outgoing is None:
            return False
        known = self._office.known(letter.topic.channel)
        policy = Overflow.disconnect() if known is None else known.overflow
        frame = letter.frame(tagged=outgoing.tagged)
        outgoing.offer_frame(frame, len(letter.body), letter.topic, policy)
        return True

    async def send(self, letter: Letter) -> None:
        """Deliver a letter here, or have the process that holds the socket deliver it.

        Raises:
            UnknownSocket: It is not here, and there is no other process.
            Unavailable: It is not here, and no other process can be reached.
            OutcomeUnknown: The same; it may arrive all the same.
            ValueError: It is too large for the way.
        """
        if self.deliver(letter):
            return
        if not self._office.backplane.shared:
            raise UnknownSocket(letter.to)
        head = {"do": "send", "to": letter.to, "flags": letter.flags}
        await self._publish(head, letter.topic, letter.body)

    def expect(self, topic: Topic, socket: str) -> None:
        """Note that a socket is about to take the place of its user's others."""
        self._expected.add((topic, socket))

    def unexpect(self, topic: Topic, socket: str) -> None:
        """Note that it is not, after all."""
        self._expected.discard((topic, socket))

    async def replace(self, topic: Topic, subject: str, socket: str) -> None:
        """Close a user's other sockets in a topic, on all processes, with 4409.

        Of two that do so at once the later one in the topic's order stays.
        """
        try:
            if self._office.backplane.shared:
                head = {"do": "replace", "subject": subject, "socket": socket}
                await self._publish(head, topic, b"")
                return
        except AWAY:
            self._replace(topic, subject, socket)
            return
        self._replace(topic, subject, socket)

    async def recheck(self, channel: str, subject: str) -> None:
        """Ask ``joining`` again for a user's sockets in a channel, on all processes.

        Raises:
            Unavailable: Those of other processes cannot be reached; those here are asked.
            OutcomeUnknown: Perhaps they cannot.
        """
        try:
            if self._office.backplane.shared:
                await self._publish({"do": "recheck", "subject": subject}, Topic(channel), b"")
        except AWAY:
            self._recheck(channel, subject)
            raise
        if self._live is None:  # otherwise it comes back here too
            self._recheck(channel, subject)

    # Heard from the topic

    def heard(self, delivery: Delivery) -> None:
        """Do what another process, or this one, has asked for."""
        try:
            self._do(delivery.body)
        except (LookupError, TypeError, ValueError):
            # Of another version of us, as while a roll goes on.
            _log.warning("a letter of another process was not understood")

    def _do(self, letter: bytes) -> None:
        head, _, body = letter.partition(b"\n")
        told: dict[str, Any] = from_json(head)
        topic = Topic(*told["topic"])
        kind = told["do"]
        if kind == "send":
            self.deliver(Letter(told["to"], topic, told["flags"], body))
        elif kind == "replace":
            self._replace(topic, told["subject"], told["socket"])
        elif kind == "recheck":
            self._recheck(topic.channel, told["subject"])

    def lost(self, _head: Position, _reason: str, /) -> None:
        """Wait for nothing that may have been among what was lost."""
        self._expected.clear()

    # Inside

    async def _publish(self, head: Mapping[str, object], topic: Topic, body: bytes) -> None:
        told = to_json({**head, "topic": [topic.channel, topic.group]})
        payload = pack(0, told + b"\n" + body)
        name = secrets.token_urlsafe(12)
        await self._office.backplane.publish(POST, payload, id=name, key=None, keep=_NOTHING)

    def _replace(self, topic: Topic, subject: str, socket: str) -> None:
        self._expected.discard((topic, socket))
        for member in self._office.members(topic):
            if (
                member.subject == subject
                and member.socket != socket
                and (topic, member.socket) not in self._expected
            ):
                self._end(member, REPLACED, "replaced by a newer socket")

    def _recheck(self, channel: str, subject: str) -> None:
        spec = self._office.known(channel)
        if spec is None or spec.joining is None:
            return
        for outgoing in self._office.sockets:
            for member in outgoing.members.values():
                if member.topic.channel == channel and member.subject == subject:
                    self._office.begin(partial(self._ask, spec, member))

    async def _ask(self, spec: Spec, member: Member) -> None:
        """Ask whether a member may stay; whatever is raised ends its socket."""
        if spec.joining is None:
            return
        try:
            await spec.joining(member.websocket, member.topic.group)
        except Exception as raised:
            row = meaning_of(leading_error(raised))
            self._end(member, row.in_body, "not allowed here any more")
            if row is FAULT:
                raise

    def _end(self, member: Member, code: int, reason: str) -> None:
        outgoing = self._office.outgoing(member.socket)
        # It may have left meanwhile, and is in other topics.
        if outgoing is not None and outgoing.members.get(member.topic) is member:
            self._office.evict(outgoing, code, reason)
