"""What is said in a room, and by whom."""

import re
from datetime import datetime
from typing import Final

from nexios.domain import InvalidValue, ValueObject

_ROOM: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,31}")
_LONGEST: Final = 500


class RoomName(ValueObject):
    """What a room is called, in addresses too."""

    value: str

    def __post_init__(self) -> None:
        if not _ROOM.fullmatch(self.value):
            raise InvalidValue("a room is 1 to 32 of a-z, 0-9 and '-'")

    def __str__(self) -> str:
        return self.value


class Nick(ValueObject):
    """What somebody wants to be called."""

    value: str

    def __post_init__(self) -> None:
        plain = self.value.isprintable() and self.value.strip() == self.value
        if not 1 <= len(self.value) <= 24 or not plain:
            raise InvalidValue("a name has 1 to 24 printable characters, no spaces around them")

    def __str__(self) -> str:
        return self.value


class Post(ValueObject):
    """One thing said."""

    nick: Nick
    text: str
    at: datetime

    def __post_init__(self) -> None:
        if not self.text.strip() or len(self.text) > _LONGEST:
            raise InvalidValue(f"a post has 1 to {_LONGEST} characters")
