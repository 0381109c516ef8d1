"""What an application tells those who watch it: one plain value for each thing that happened.

What events have in common:

* ``method``: one of HTTP's own, or ``OTHER_METHOD``.
* ``route``: the template, ``/users/{id:int}``; None where nothing serves. Never the path, which
  clients choose.
* ``scheme``: as the server says, ``http``, ``https``, ``ws``, ``wss``; of a security event, how
  the caller was proven.
* ``about``: the ASGI scope, the same mapping for all that is told of one request or socket.
* ``consumer``, ``event``: the names of who handles a domain event, and of that.
* ``duration_s``: how long it took. ``failure``: the class of the error, None without one.
"""

from collections.abc import MutableMapping
from typing import Any, Final, NamedTuple

OTHER_METHOD: Final = "_OTHER"
"""Stands for every method that is none of HTTP's own (OpenTelemetry, http.request.method)."""


class RequestStarted(NamedTuple):
    """A request has come."""

    method: str
    route: str | None
    scheme: str
    about: MutableMapping[str, Any]


class RequestFinished(NamedTuple):
    """An answer went out, or broke off.

    Attributes:
        status: As it was sent; 500 where an error left before a head was.
        duration_s: From the call to its return, the body sent.
        whole: The body came to its end; otherwise the server cuts the connection.
    """

    method: str
    route: str | None
    scheme: str
    status: int
    duration_s: float
    whole: bool
    about: MutableMapping[str, Any]


class RequestCancelled(NamedTuple):
    """Nobody waits for the answer any more: the client left, or the server stopped.

    Attributes:
        status: 499, whatever was sent.
    """

    method: str
    route: str | None
    scheme: str
    status: int
    duration_s: float
    about: MutableMapping[str, Any]


class RequestFailed(NamedTuple):
    """A request or a socket met an error nobody expected; how it ends is told besides.

    Attributes:
        error: What was raised.
        error_id: What the client is told.
    """

    error: BaseException
    error_id: str
    route: str | None
    about: MutableMapping[str, Any]


class RequestLimited(NamedTuple):
    """A request or a socket was refused by a rate.

    Attributes:
        rule: The name of the rate.
    """

    rule: str
    about: MutableMapping[str, Any]


class RequestShed(NamedTuple):
    """A request or a socket was refused because the application would not finish it in time.

    Attributes:
        priority: ``normal`` or ``sheddable``; what is critical is never refused.
    """

    priority: str
    about: MutableMapping[str, Any]


class AccessDenied(NamedTuple):
    """A guard or policy refused somebody.

    Attributes:
        action: What the security event is called.
        scheme: How the caller was proven, if at all.
        reason: For those who guard.
    """

    action: str
    scheme: str | None
    reason: str


class LoginSucceeded(NamedTuple):
    """Somebody is proven who was not before."""

    scheme: str | None


class LoginFailed(NamedTuple):
    """Somebody could not prove who they are, or tried too often.

    Attributes:
        scheme: How they tried.
        reason: For those who guard.
    """

    scheme: str | None
    reason: str


class TokenReused(NamedTuple):
    """A refresh token came a second time; its family has ended."""

    scheme: str | None


class TokenRotated(NamedTuple):
    """A refresh token was exchanged for the next one."""

    scheme: str | None


class CredentialMalformed(NamedTuple):
    """What came as a credential could not be one, and proves nothing.

    Attributes:
        scheme: Whose it would have been.
        reason: For those who guard.
    """

    scheme: str | None
    reason: str


class SessionStarted(NamedTuple):
    """A session is kept for the first time, and its client is given a cookie.

    Attributes:
        proven: Somebody is logged in in it.
    """

    proven: bool
    about: MutableMapping[str, Any]


class SessionEnded(NamedTuple):
    """A request ended the session it came with; one that runs out is not told."""

    about: MutableMapping[str, Any]


class SocketOpened(NamedTuple):
    """A socket was accepted."""

    route: str | None
    scheme: str
    about: MutableMapping[str, Any]


class SocketClosed(NamedTuple):
    """A socket that was open is over.

    Attributes:
        code: Of the close (RFC 6455, 7.4); 1006 where the line broke.
        duration_s: Since it was accepted.
    """

    route: str | None
    scheme: str
    code: int
    duration_s: float
    about: MutableMapping[str, Any]


class MessageIn(NamedTuple):
    """The application took a message from a socket.

    Attributes:
        size: Characters of a text, bytes of anything else.
    """

    route: str | None
    size: int
    about: MutableMapping[str, Any]


class MessageOut(NamedTuple):
    """The application gave a message to a socket; otherwise like `MessageIn`."""

    route: str | None
    size: int
    about: MutableMapping[str, Any]


class ChannelPublished(NamedTuple):
    """A message was broadcast on a channel, or could not be.

    Attributes:
        channel: Its name; a group's name is the clients' affair.
        size: Of the message as it is handed on, in bytes.
        duration_s: Until it was stored, where a backplane stores, and told to members here.
        failure: The class of the error; None when it went well.
    """

    channel: str
    size: int
    duration_s: float
    failure: str | None


class PoolWaited(NamedTuple):
    """Somebody waited for a connection of a pool.

    Attributes:
        pool: The kind of the store, ``postgresql``.
        duration_s: How long.
        given: One came free; otherwise the wait was given up.
    """

    pool: str
    duration_s: float
    given: bool


class StatementRan(NamedTuple):
    """A statement was carried out, or failed.

    Attributes:
        store: The kind of the store, ``postgresql``.
        text: With placeholders, never with values.
        duration_s: Of the statement alone, its connection given.
        failure: The class of the error; None when it went well.
    """

    store: str
    text: str
    duration_s: float
    failure: str | None


class DependencyMade(NamedTuple):
    """The container has made an object that is opened or awaited, or that took a millisecond.

    Told where tracing is on, or somebody listened before the application was built.

    Attributes:
        name: What it was asked by.
        scope: How long it lives: ``singleton``, ``connection``, ``request`` or ``transient``.
        duration_s: Without what it is made of.
        failure: The class of the error; None when it went well.
    """

    name: str
    scope: str
    duration_s: float
    failure: str | None


class UseCaseStarted(NamedTuple):
    """A use case begins: its transaction, with all its tries."""

    name: str


class UseCaseFinished(NamedTuple):
    """A use case has committed, or failed."""

    name: str
    duration_s: float
    failure: str | None


class DeliveryStarted(NamedTuple):
    """The worker calls a consumer.

    Attributes:
        consumer: Its name.
        event: The name of the event.
        attempt: 1 for the first.
    """

    consumer: str
    event: str
    attempt: int


class DeliveryDone(NamedTuple):
    """A consumer has handled an event.

    Attributes:
        duration_s: What the consumer took.
    """

    consumer: str
    event: str
    duration_s: float


class DeliveryFailed(NamedTuple):
    """A consumer raised; it is tried again unless `DeliveryDead` follows.

    Attributes:
        failure: The class of the error.
    """

    consumer: str
    event: str
    duration_s: float
    failure: str


class DeliveryDead(NamedTuple):
    """The last attempt has failed: nobody tries again by itself."""

    consumer: str
    event: str


class DependencyDown(NamedTuple):
    """A health check has failed.

    Attributes:
        check: Its name.
        says: What the failure said, secrets masked.
    """

    check: str
    says: str


class DependencyUp(NamedTuple):
    """A health check that was down works again.

    Attributes:
        check: Its name.
    """

    check: str


class HealthChanged(NamedTuple):
    """The application as a whole stands otherwise than at the last look, once in 5 s at least.

    Attributes:
        health: ``up``, ``degraded``, ``down`` or ``draining``.
        before: The same; ``starting`` at first.
        ready: Whether requests should be sent here.
    """

    health: str
    before: str
    ready: bool


class ErrorRecorded(NamedTuple):
    """An error was logged with its traceback, and reported where a tracker is bound.

    Of one fingerprint that is at most one a second.

    Attributes:
        error_id: What the client was told.
        fingerprint: The same for errors of one cause.
        kind: What was going on: ``request``, ``socket``, ``work``, ``delivery``.
        failure: The class of the error.
        repeated: How many others of this fingerprint came since the last one that was told.
    """

    error_id: str
    fingerprint: str
    kind: str
    failure: str
    repeated: int


class AuditSealed(NamedTuple):
    """Rows of the audit trail were sealed.

    Attributes:
        number: Of the seal.
        rows: How many it covers.
    """

    number: int
    rows: int


class LoopBlocked(NamedTuple):
    """The event loop stood still.

    Attributes:
        lag_s: How late a look at it was.
    """

    lag_s: float


class DrainStarted(NamedTuple):
    """The application takes its leave: it is not ready any more."""
