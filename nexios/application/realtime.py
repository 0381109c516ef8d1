"""The settings of channels between processes, and of events from other services."""

import re
from typing import Final

from nexios.application.sections.section import Section, Texts
from nexios.records import dataclass

_CARRIERS: Final = (
    "memory",
    "redis",
    "rediss",
    "redis+sentinel",
    "redis+cluster",
    "unix",
    "nats",
    "tls",
    "postgresql",
    "database",
)
_NAMESPACE: Final = re.compile(r"[A-Za-z0-9_-]{1,32}")


@dataclass(frozen=True, slots=True)
class RealtimeSettings(Section):
    """Sockets and channels (section ``realtime``).

    Attributes:
        allowed_origins: Which pages of other origins may open a socket.
        backplane: What carries channels between processes: ``redis://host``, or by way of
            sentinels ``redis+sentinel://host:26379,host:26379/mymaster``; a cluster by some of
            its nodes, ``redis+cluster://host:6379,host:6379``; ``nats://host``;
            ``database`` for the bound one of PostgreSQL; ``memory://`` is this process alone.
        namespace: Apps that share backplane and namespace share their channels.
        required: An app whose backplane is out of reach does not start; otherwise it starts
            degraded.
        deflate: Offer to compress messages over 512 bytes: fewer bytes for more CPU. What a
            channel says is compressed once for all its members.
    """

    allowed_origins: Texts = ()
    backplane: str = "memory://"
    namespace: str = "nexios"
    required: bool = True
    deflate: bool = False

    def __post_init__(self) -> None:
        Section.__post_init__(self)
        scheme = self.backplane.partition(":")[0]
        if scheme not in _CARRIERS:
            raise ValueError(
                f"backplane is one of {', '.join(_CARRIERS)} with its address, or database"
            )
        if _NAMESPACE.fullmatch(self.namespace) is None:
            raise ValueError("namespace is 1 to 32 of letters, digits, - and _")


@dataclass(frozen=True, slots=True)
class EventSettings(Section):
    """Events of other services (section ``events``).

    Attributes:
        consume: Servers receive them too; otherwise `nexios worker` alone does.
    """

    consume: bool = False
