"""OAuth 2.1: the code flow with PKCE, as a client. Authlib's only door.

Its protocol client builds and sends the requests; what comes back is checked here. Its
framework integrations, which believe more than they should, are never used.
"""

import hashlib
import re
import secrets
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

from nexios.adapters.security.oauth_answers import (
    VISIBLE,
    check_depth,
    check_token_answer,
    code_in,
    tokens_in,
)
from nexios.adapters.security.outbound import Outbound, OutboundError
from nexios.application.identity_provider import (
    ExternalIdentity,
    LoginBegun,
    LoginFinished,
    LoginRefused,
    ProviderTokens,
    ProviderUnavailable,
)
from nexios.application.keyring import Secret
from nexios.application.single_flight import SingleFlight
from nexios.application.tokens import TokenError

_SECRET_BYTES: Final = 32
_USERINFO_BYTES: Final = 16 * 2**10  # it is kept in the session
_URL_CHARACTERS: Final = 2048
_REFRESHED_S: Final = 60.0
METHODS: Final = ("client_secret_basic", "client_secret_post")
_OURS: Final = frozenset(
    {"client_id", "code_challenge", "code_challenge_method", "nonce", "redirect_uri", "request"}
    | {"request_uri", "response_mode", "response_type", "scope", "state"}
)
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")


@dataclass(frozen=True, slots=True)
class Endpoints:
    """Where a provider is asked.

    Attributes:
        authorize: Where browsers go.
        token: Where codes become tokens.
        userinfo: Who the tokens are about.
        end_session: Where browsers log out.
        issuer: What ``iss`` of a callback has to be, where it comes.
        names_issuer: It always comes (RFC 9207, 3).
        auth_method: How the client proves itself.
    """

    authorize: str
    token: str
    userinfo: str | None = None
    end_session: str | None = None
    issuer: str = ""
    names_issuer: bool = False
    auth_method: str = "client_secret_basic"


class CodeFlowProvider(ABC):
    """What every provider of the code flow does; a child says where, and who came back."""

    def __init__(
        self,
        name: str,
        *,
        client_id: str,
        client_secret: str | Secret | None,
        scopes: Sequence[str],
        auth_method: str | None,
        authorize_params: Mapping[str, str] | None,
        allow_private: bool,
        outbound: Outbound | None,
        clock: Callable[[], float],
    ) -> None:
        if _NAME.fullmatch(name) is None:
            raise ValueError(f"a provider's name is a segment of a path, not {name!r}")
        if auth_method not in (None, *METHODS):
            raise ValueError(f"auth_method is one of {', '.join(METHODS)}, not {auth_method!r}")
        taken = _OURS.intersection(authorize_params or {})
        if taken:
            raise ValueError(f"authorize_params cannot hold {', '.join(sorted(taken))}")
        _library()
        self._name = name
        self._client_id = client_id
        self._secret = (
            client_secret if isinstance(client_secret, Secret | None) else Secret(client_secret)
        )
        self._scope = " ".join(scopes)
        self._auth_method = auth_method
        self._authorize_params = dict(authorize_params or {})
        self.allow_private: Final = allow_private
        self._outbound = outbound or Outbound(allow_private=allow_private)
        self._clock = clock
        # An old refresh token may still be in a session that is saved a moment later.
        self._refreshing = SingleFlight[ProviderTokens](keep_s=_REFRESHED_S)

    @property
    def name(self) -> str:
        """What routes and identities call it."""
        return self._name

    async def begin(self, redirect_uri: str) -> LoginBegun:
        """Return where to send a browser."""
        endpoints = await self._endpoints()
        state, verifier, nonce = (secrets.token_urlsafe(_SECRET_BYTES) for _ in range(3))
        told = {**self._authorize_params, **self._asked_besides(nonce)}
        async with self._client(endpoints) as client:
            url, _ = client.create_authorization_url(
                endpoints.authorize,
                state=state,
                code_verifier=verifier,
                redirect_uri=redirect_uri,
                scope=self._scope,
                **told,
            )
        record = {"verifier": verifier, "nonce": nonce, "redirect_uri": redirect_uri}
        return LoginBegun(url, state, record)

    async def finish(self, answer: Mapping[str, str], record: Mapping[str, Any]) -> LoginFinished:
        """Return who logged in."""
        endpoints = await self._endpoints()
        code = code_in(answer, endpoints.issuer, names_issuer=endpoints.names_issuer)
        async with self._client(endpoints) as client:
            told = await _asked(
                client.fetch_token(
                    endpoints.token,
                    grant_type="authorization_code",
                    code=code,
                    code_verifier=record["verifier"],
                    redirect_uri=record["redirect_uri"],
                )
            )
        tokens = tokens_in(told, self._clock())
        identity = await self._identify(endpoints, tokens, record["nonce"])
        return LoginFinished(identity, _about(tokens, identity.subject))

    async def refresh(self, tokens: ProviderTokens) -> ProviderTokens:
        """Return new tokens; who comes a moment later with the old ones gets them too."""
        old = tokens.refresh_token
        if old is None:
            raise LoginRefused("there is no refresh token")
        key = hashlib.sha256(old.encode()).digest()
        return await self._refreshing.do(key, lambda: self._refreshed(tokens, old))

    async def end(self, tokens: ProviderTokens | None, return_to: str) -> str | None:  # noqa: ARG002
        """Return where to send a browser: nowhere."""
        return None

    async def _refreshed(self, tokens: ProviderTokens, old: str) -> ProviderTokens:
        endpoints = await self._endpoints()
        async with self._client(endpoints) as client:
            told = await _asked(client.refresh_token(endpoints.token, refresh_token=old))
        fresh = tokens_in(told, self._clock())
        return ProviderTokens(
            fresh.access_token,
            fresh.expires_at,
            fresh.refresh_token or old,
            fresh.id_token or tokens.id_token,
            fresh.scope or tokens.scope,
            tokens.subject,
        )

    @abstractmethod
    async def _endpoints(self) -> Endpoints:
        """Return where the provider is asked."""

    @abstractmethod
    async def _identify(
        self, endpoints: Endpoints, tokens: ProviderTokens, nonce: str
    ) -> ExternalIdentity:
        """Return whom the tokens are about."""

    @abstractmethod
    def _asked_besides(self, nonce: str) -> Mapping[str, str]:
        """Return what else the browser takes to the provider."""

    async def _userinfo(self, url: str, access_token: str) -> dict[str, Any]:
        bearer = {"authorization": f"Bearer {access_token}"}
        try:
            told = await self._outbound.get_json(url, headers=bearer, max_bytes=_USERINFO_BYTES)
            check_depth(told)
        except (OutboundError, TokenError) as error:
            raise ProviderUnavailable(f"userinfo: {error}") from error
        return told

    def _client(self, endpoints: Endpoints) -> Any:
        client = _library()(
            client_id=self._client_id,
            client_secret=None if self._secret is None else self._secret.reveal(),
            token_endpoint_auth_method="none" if self._secret is None else endpoints.auth_method,
            code_challenge_method="S256",
            transport=self._outbound.transport(),
            trust_env=False,
            follow_redirects=False,
        )
        client.register_compliance_hook("access_token_response", _readable)
        client.register_compliance_hook("refresh_token_response", _readable)
        return client

    def _checked_url(self, what: str, url: object) -> str:
        """Return an endpoint's address.

        Raises:
            ValueError: It is none that may be used.
        """
        if not isinstance(url, str) or len(url) > _URL_CHARACTERS or not VISIBLE.fullmatch(url):
            raise ValueError(f"{what} is no address")
        parts = urlsplit(url)
        schemes = ("https", "http") if self.allow_private else ("https",)
        if parts.scheme not in schemes:
            raise ValueError(f"{what} is not https")
        if not parts.hostname or "@" in parts.netloc or "\\" in url or parts.fragment:
            raise ValueError(f"{what} is no plain address")
        return url


class OAuth2Provider(CodeFlowProvider):
    """A provider that speaks OAuth 2 and no OpenID Connect: its userinfo says who came.

    Args:
        name: In routes and identities; a segment of a path.
        authorize_url: Where browsers go.
        token_url: Where codes become tokens.
        userinfo_url: Answers an access token with a JSON object about its user.
        client_id: Ours, there.
        client_secret: None for a public client.
        scopes: What to ask for.
        subject: The member of the userinfo that names the user for ever; a text or an integer.
        issuer: Where the provider names itself in callbacks (RFC 9207): they must then name it.
        auth_method: ``client_secret_basic`` or ``client_secret_post``.
        authorize_params: What else browsers take there.
        allow_private: The provider may be in a private network, and on loopback without TLS.
        outbound: Asks the provider instead of one made for this.
        clock: Seconds since the epoch.

    Raises:
        ImportError: The extra ``oauth`` is not installed.
        ValueError: A name or an address cannot be used.
    """

    def __init__(
        self,
        name: str,
        *,
        authorize_url: str,
        token_url: str,
        userinfo_url: str,
        client_id: str,
        client_secret: str | Secret | None = None,
        scopes: Sequence[str] = (),
        subject: str = "sub",
        issuer: str | None = None,
        auth_method: str | None = None,
        authorize_params: Mapping[str, str] | None = None,
        allow_private: bool = False,
        outbound: Outbound | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        super().__init__(
            name,
            client_id=client_id,
            client_secret=client_secret,
            scopes=scopes,
            auth_method=auth_method,
            authorize_params=authorize_params,
            allow_private=allow_private,
            outbound=outbound,
            clock=clock,
        )
        self._subject = subject
        self._fixed = Endpoints(
            authorize=self._checked_url("authorize_url", authorize_url),
            token=self._checked_url("token_url", token_url),
            userinfo=self._checked_url("userinfo_url", userinfo_url),
            issuer=issuer or "",
            names_issuer=issuer is not None,
            auth_method=auth_method or METHODS[0],
        )

    async def _endpoints(self) -> Endpoints:
        return self._fixed

    def _asked_besides(self, nonce: str) -> Mapping[str, str]:  # noqa: ARG002
        return {}

    async def _identify(
        self,
        endpoints: Endpoints,
        tokens: ProviderTokens,
        nonce: str,  # noqa: ARG002
    ) -> ExternalIdentity:
        told = await self._userinfo(endpoints.userinfo or "", tokens.access_token)
        subject = told.get(self._subject)
        if isinstance(subject, int) and not isinstance(subject, bool):
            subject = str(subject)
        if not isinstance(subject, str) or not 0 < len(subject) <= 255:
            raise LoginRefused(f"its userinfo names nobody in {self._subject!r}")
        return ExternalIdentity(self.name, endpoints.issuer, subject, {}, told)


def _library() -> Any:
    """Return Authlib's client class."""
    try:
        from authlib.integrations.httpx_client.oauth2_client import AsyncOAuth2Client
    except ImportError as missing:
        raise ImportError(
            "logging in by a provider needs authlib; fix: pip install 'nexios[oauth]'"
        ) from missing
    return AsyncOAuth2Client


async def _asked(work: Any) -> dict[str, Any]:
    """Await a request to the token endpoint."""
    try:
        return dict(await work)
    except OutboundError as error:
        raise ProviderUnavailable(f"token endpoint: {error}") from error
    except (ValueError, TypeError, OverflowError) as error:
        # What Authlib says to a number or an error it cannot read.
        raise ProviderUnavailable("token endpoint: its answer is not readable") from error


def _readable(response: Any) -> Any:
    """Let Authlib read an answer of the token endpoint that is good, and no other."""
    check_token_answer(response.status_code, response.content)
    return response


def _about(tokens: ProviderTokens, subject: str) -> ProviderTokens:
    return ProviderTokens.load({**tokens.dump(), "subject": subject})
