"""Rooms over sockets: one group of a channel each."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

from examples.chat.application.rooms import Rooms
from examples.chat.domain.post import Nick, Post, RoomName
from nexios import Depend, Query, Response, WebSocket, WebSocketController, on
from nexios.websockets import Channel, History


class Said(BaseModel):
    """What everybody in the room gets."""

    nick: str
    text: str
    at: datetime


class What(BaseModel):
    """What is to be said."""

    text: Annotated[str, Field(max_length=2000)]


class Say(BaseModel):
    """What a client sends, in the form of ``nexios.v1``."""

    type: Literal["message"]
    id: Annotated[str, Field(min_length=1, max_length=64)]
    data: What


class Heard(BaseModel):
    """The answer to it, in the form of ``nexios.v1``."""

    type: Literal["reply"] = "reply"
    ref: str
    data: None = None


chat: Channel[Said] = Channel(
    "chat", message=Said, presence=True, history=History(count=200, age_s=24 * 3600)
)


class ChannelFeed:
    """Tells a room by its group."""

    async def tell(self, room: RoomName, post: Post, *, id: str) -> None:
        """Broadcast."""
        said = Said(nick=str(post.nick), text=post.text, at=post.at)
        await chat.group(str(room)).broadcast(said, id=id)


class RoomSocket(WebSocketController, path="/ws/rooms/{room}", sends=chat):
    """One who is in a room, from joining to leaving."""

    async def on_connect(
        self, websocket: WebSocket, room: str, nick: Annotated[str, Query()]
    ) -> None:
        """Join: what was missed comes first, or the last fifty posts."""
        name = RoomName(room)
        meta = {"nick": str(Nick(nick))}
        await chat.group(str(name)).join(websocket, recent=50, meta=meta)

    @on(Say)
    async def say(
        self, message: Say, room: str, nick: Annotated[str, Query()], rooms: Rooms = Depend()
    ) -> Heard:
        """Say something, and tell the one who said it that it was heard."""
        await rooms.say(RoomName(room), Nick(nick), message.data.text, id=message.id)
        return Heard(ref=message.id)


async def who(request: object, response: object, room: str) -> list[dict[str, Any]]:
    """Return who is in a room now, on all processes."""
    present = await chat.group(str(RoomName(room))).presence()
    return [{"socket": one.socket, "meta": one.meta} for one in present]


async def door(
    request: object, response: Response, room: str, nick: Annotated[str, Query()]
) -> Any:
    """Say why a socket would be refused: a browser hides that from its page."""
    RoomName(room), Nick(nick)
    return response.empty()
