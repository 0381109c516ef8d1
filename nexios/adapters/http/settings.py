"""What the HTTP side needs to know of the app's configuration."""

from collections.abc import Callable
from dataclasses import field
from typing import Literal

from nexios.adapters.http.codec import JsonWriter
from nexios.application.limits import Limits
from nexios.application.sections.answers import ErrorSettings, NotFoundSettings
from nexios.records import dataclass


@dataclass(frozen=True, slots=True)
class HttpSettings:
    """Settings of one gateway; frozen with the app's configuration.

    Attributes:
        debug: Show tracebacks for 500s, to developers only.
        trailing_slash: What ``/users/`` means where only ``/users`` is a route.
        socket_at: Tells whether a socket is served at a path.
        not_found: What a path without a route is answered with.
        errors: Shapes of errors that differ from 2.11's.
        write_json: Writes JSON answers, where the app has a codec of its own.
    """

    debug: bool = False
    limits: Limits = field(default_factory=Limits)
    trailing_slash: Literal["strict", "redirect", "ignore"] = "strict"
    socket_at: Callable[[str], bool] | None = None
    not_found: NotFoundSettings = field(default_factory=NotFoundSettings)
    errors: ErrorSettings = field(default_factory=ErrorSettings)
    write_json: JsonWriter | None = None
