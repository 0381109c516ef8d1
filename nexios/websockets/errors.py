"""What can go wrong with a channel, apart from the members."""

from collections.abc import Sequence


class ChannelError(Exception):
    """Root of the channels' errors."""


class NoRunningApp(ChannelError):
    """A channel was used where no app runs on this event loop."""

    def __init__(self, channel: str) -> None:
        self.channel = channel
        super().__init__(channel)

    def __str__(self) -> str:
        return (
            f"channel {self.channel!r} was used, and no app has been started on this event loop\n"
            f"  fix: use it while the app serves (in tests: inside `async with` of the client)"
        )


class AmbiguousApp(ChannelError):
    """Several apps run on this loop, so the channel does not say which one is meant."""

    def __init__(self, channel: str, count: int) -> None:
        self.channel = channel
        self.count = count
        super().__init__(channel, count)

    def __str__(self) -> str:
        return (
            f"channel {self.channel!r} was used, and {self.count} apps run on this event loop\n"
            f"  fix: say which one: channel.of(app).broadcast(...)"
        )


class ChannelClash(ChannelError):
    """Two channels of one app have one name and different options."""

    def __init__(self, channel: str, places: Sequence[str]) -> None:
        self.channel = channel
        self.places = tuple(places)
        super().__init__(channel, self.places)

    def __str__(self) -> str:
        lines = "".join(f"\n  declared  {place}" for place in self.places)
        return (
            f"two channels are named {self.channel!r} and differ in their options{lines}\n"
            f"  fix: import one of them instead of declaring it again"
        )


class BlockNeedsOneProcess(ChannelError):
    """A channel's broadcasts are to wait for members, and other processes have some."""

    def __init__(self, channel: str, carrier: str, place: str) -> None:
        self.channel = channel
        self.carrier = carrier
        self.place = place
        super().__init__(channel, carrier, place)

    def __str__(self) -> str:
        return (
            f"channel {self.channel!r} waits for its members (Overflow.block), and {self.carrier}"
            f" carries it to processes whose members nobody can wait for here\n"
            f"  declared  {self.place}\n"
            f"  fix: another overflow=, or realtime.backplane='memory://'"
        )


class PresenceOff(ChannelError):
    """Who is in a channel was asked, and nobody is told of it."""

    def __init__(self, channel: str) -> None:
        self.channel = channel
        super().__init__(channel)

    def __str__(self) -> str:
        return (
            f"channel {self.channel!r} tells other processes nothing of its members\n"
            f"  fix: Channel({self.channel!r}, presence=True)"
        )


class UsersOff(ChannelError):
    """The sockets of a user were asked for, and the channel does not keep them together."""

    def __init__(self, channel: str) -> None:
        self.channel = channel
        super().__init__(channel)

    def __str__(self) -> str:
        return (
            f"channel {self.channel!r} does not know the sockets of a user as one\n"
            f"  fix: Channel({self.channel!r}, users=True)"
        )


class MessageInvalid(ChannelError, ValueError):
    """What was broadcast does not fit the channel's ``message=``, or has no JSON form."""

    def __init__(self, channel: str, reason: str) -> None:
        self.channel = channel
        self.reason = reason
        super().__init__(channel, reason)

    def __str__(self) -> str:
        return f"channel {self.channel!r} cannot carry this message: {self.reason}"


class UnknownSocket(ChannelError, LookupError):
    """No socket with this id is a member of any topic here."""

    def __init__(self, socket: str) -> None:
        self.socket = socket
        super().__init__(socket)

    def __str__(self) -> str:
        return f"no socket {self.socket!r} is connected to a channel of this app"
