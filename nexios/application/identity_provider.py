"""The port behind which somebody else says who a user is: OAuth 2.1 and OpenID Connect."""

from collections.abc import Mapping
from dataclasses import field
from typing import Any, Protocol, Self

from nexios.application.errors import ApplicationError
from nexios.records import dataclass


class ProviderUnavailable(ApplicationError):
    """The identity provider did not answer, or not as it has to: 502. Nobody was logged in.

    Attributes:
        why: For the log; never sent to a client.
    """

    def __init__(self, why: str = "") -> None:
        self.why = why
        message = "the identity provider did not answer as it should"
        super().__init__(message, code="identity-provider")


class LoginRefused(ApplicationError):
    """What came back from a login proves nothing: 400. Nobody was logged in.

    Attributes:
        why: For the log; never sent to a client, whom it could only help to forge.
    """

    def __init__(self, why: str = "", *, error: str | None = None) -> None:
        """Refuse; ``error`` is the provider's own code, which the client may see."""
        self.why = why
        details: dict[str, object] = {} if error is None else {"error": error}
        super().__init__("this login was refused; begin it again", code=None, **details)


@dataclass(frozen=True, slots=True)
class ExternalIdentity:
    """Who somebody is at an identity provider.

    Attributes:
        provider: The provider's name in this application.
        issuer: Who vouches; "" for a provider without OpenID Connect.
        subject: What the provider calls the user: unique there and never given to another.
        claims: Those of the ID token; empty without OpenID Connect.
        userinfo: What the userinfo endpoint told besides.
    """

    provider: str
    issuer: str
    subject: str
    claims: Mapping[str, Any] = field(default_factory=dict)
    userinfo: Mapping[str, Any] = field(default_factory=dict)

    def get(self, name: str, default: Any = None) -> Any:
        """Return a claim; where the ID token has none of the name, that of the userinfo."""
        return self.claims.get(name, self.userinfo.get(name, default))


@dataclass(frozen=True, slots=True)
class ProviderTokens:
    """What a provider gave for use at its own services. They stay on the server.

    Attributes:
        access_token: For ``Authorization: Bearer`` there.
        expires_at: Seconds since the epoch; None when the provider did not say.
        refresh_token: Gets new ones.
        id_token: Says at logout whose session it is.
        scope: What they are good for, as the provider wrote it.
        subject: Whose they are.
    """

    access_token: str = field(repr=False)
    expires_at: float | None = None
    refresh_token: str | None = field(default=None, repr=False)
    id_token: str | None = field(default=None, repr=False)
    scope: str | None = None
    subject: str = ""

    def dump(self) -> dict[str, Any]:
        """Return them as JSON values."""
        return {name: getattr(self, name) for name in self.__slots__}

    @classmethod
    def load(cls, kept: Mapping[str, Any]) -> Self:
        """Return what `dump` gave."""
        return cls(**kept)


@dataclass(frozen=True, slots=True)
class LoginBegun:
    """A login on its way.

    Attributes:
        url: Where the browser goes.
        state: With what it comes back; good once.
        record: What `IdentityProvider.finish` needs then; JSON values, secret, for the server.
    """

    url: str = field(repr=False)
    state: str = field(repr=False)
    record: Mapping[str, Any] = field(repr=False)


@dataclass(frozen=True, slots=True)
class LoginFinished:
    """A login that proved somebody."""

    identity: ExternalIdentity
    tokens: ProviderTokens


class IdentityProvider(Protocol):
    """Sends users to log in elsewhere and reads what they bring back.

    Each adapter owes: an identity is given only for an answer that this provider gave to the
    very login that was begun; nothing is kept of it. Whoever calls sees to it that a state is
    used once, within ten minutes, and by the browser that began.
    """

    @property
    def name(self) -> str:
        """What routes and identities call it."""
        ...

    async def begin(self, redirect_uri: str) -> LoginBegun:
        """Return where to send a browser that is to come back to ``redirect_uri``.

        Raises:
            ProviderUnavailable: The provider cannot be asked how.
        """
        ...

    async def finish(self, answer: Mapping[str, str], record: Mapping[str, Any]) -> LoginFinished:
        """Return who logged in.

        Args:
            answer: The fields of the query the browser came back with.
            record: That of the login which its state names.

        Raises:
            LoginRefused: The answer proves nobody.
            ProviderUnavailable: The provider did not answer, or not as it has to.
        """
        ...

    async def refresh(self, tokens: ProviderTokens) -> ProviderTokens:
        """Return new tokens; of several who ask with the same ones, one asks the provider.

        Raises:
            LoginRefused: The provider gives none any more.
            ProviderUnavailable: The provider did not answer, or not as it has to.
        """
        ...

    async def end(self, tokens: ProviderTokens | None, return_to: str) -> str | None:
        """Return where to send a browser to end the provider's session too; None for nowhere.

        Args:
            tokens: Of the session that ends.
            return_to: Where the browser is to go then.

        Raises:
            ProviderUnavailable: The provider cannot be asked how.
        """
        ...
