"""What documents may know of a channel: what it carries, and the frames of ``nexios.v1``."""

from typing import Any, Final, Generic, Literal, NotRequired, TypeVar

from typing_extensions import TypedDict

from nexios.adapters.websocket.description import ChannelDescription
from nexios.container.keys import MISSING
from nexios.websockets.declared import Spec
from nexios.websockets.frames import SUBPROTOCOL

T = TypeVar("T")


class JoinedFrame(TypedDict):
    """Where a member stands; without a place the broker is away."""

    type: Literal["joined"]
    topic: str
    at: NotRequired[str]
    recovered: bool
    replayed: int


class MessageFrame(TypedDict, Generic[T]):
    """One message of a topic; without a place this process, or this socket alone, was told."""

    type: Literal["message"]
    topic: str
    id: str
    at: NotRequired[str]
    degraded: NotRequired[Literal[True]]
    encoding: NotRequired[Literal["base64"]]
    data: T


class ResetFrame(TypedDict):
    """Something was lost: reload the state, go on from ``at``."""

    type: Literal["reset"]
    topic: str
    at: str
    reason: Literal["trimmed", "epoch", "ahead", "rewound", "overflow"]


class DroppedFrame(TypedDict):
    """How many messages gave way."""

    type: Literal["dropped"]
    topic: str
    count: int


class LinkFrame(TypedDict):
    """Whether other processes can be reached."""

    type: Literal["link"]
    topic: str
    state: Literal["up", "degraded"]


class PresenceMember(TypedDict):
    """One socket in a topic, since a Unix time."""

    socket: str
    subject: str | None
    meta: dict[str, Any]
    since: float


class PresenceFrame(TypedDict):
    """Who joined and left."""

    type: Literal["presence"]
    topic: str
    joined: list[PresenceMember]
    left: list[PresenceMember]


_ALWAYS: Final = (JoinedFrame, ResetFrame, DroppedFrame, LinkFrame)


def description_of(spec: Spec) -> ChannelDescription:
    """Return what a channel says of itself to documents."""
    carried: Any = Any if spec.message is None else spec.message
    message: Any = MessageFrame
    presence = (PresenceFrame,) if spec.presence else ()
    return ChannelDescription(
        name=spec.name,
        message=MISSING if spec.message is None else spec.message,
        frames=(message[carried], *_ALWAYS, *presence),
        subprotocol=SUBPROTOCOL,
    )
