"""What the HTTP side needs to know of the app's configuration."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from nexios.application.limits import Limits


@dataclass(frozen=True, slots=True)
class HttpSettings:
    """Settings of one gateway; frozen with the app's configuration.

    Attributes:
        debug: Show tracebacks for 500s, to developers only.
        trailing_slash: What ``/users/`` means where only ``/users`` is a route.
    """

    debug: bool = False
    limits: Limits = field(default_factory=Limits)
    trailing_slash: Literal["strict", "redirect", "ignore"] = "strict"
    socket_at: Callable[[str], bool] | None = None
