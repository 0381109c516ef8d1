"""What groups may be named, and the topics of the sockets of one user."""

import re
from typing import Final

from nexios.application.backplane import Topic

GROUP_BYTES: Final = 200

_USERS: Final = ":user"
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")


def is_group_name(name: str) -> bool:
    """Return whether a group may have this name."""
    size = len(name.encode("utf-8", "surrogatepass"))
    return 0 < size <= GROUP_BYTES and _CONTROL.search(name) is None


def users_of(channel: str) -> str:
    """Return what holds the topics of a channel's users; no channel has such a name."""
    return channel + _USERS


def is_users(topic: Topic) -> bool:
    """Return whether a topic is one of a user's sockets."""
    return topic.channel.endswith(_USERS)


def user_topic(channel: str, subject: str | None) -> Topic | None:
    """Return the topic of one user's sockets; None for nobody, and for who cannot be named.

    It is of another channel: a group may be named as a user is.
    """
    if subject is None or not is_group_name(subject):
        return None
    return Topic(users_of(channel), subject)
