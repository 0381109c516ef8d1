"""Which pages of other origins may read answers (Fetch standard, 3.2)."""

import logging
import re
import warnings
from collections.abc import Sequence
from inspect import isawaitable
from typing import Any, ClassVar, Final

from nexios.adapters.asgi.headers import MutableHeaders, encode_name
from nexios.adapters.asgi.origins import OriginSet, parse_origin, suggest_origin
from nexios.adapters.asgi.stages import Stage
from nexios.adapters.http.builder import Response
from nexios.adapters.http.request import Request
from nexios.application.sections.browsers import CorsSettings
from nexios.application.tracking import tell
from nexios.config import ConfigWarning
from nexios.middleware.base import BaseMiddleware, CallNext
from nexios.middleware.keywords import section_of

_LOGGER: Final = logging.getLogger("nexios.cors")
_SAFELISTED: Final = frozenset({"accept", "accept-language", "content-language", "content-type"})
_MESSAGES: Final = {
    "missing_origin": "Origin header is required",
    "disallowed_origin": "Origin is not allowed",
    "disallowed_method": "Method is not allowed",
    "disallowed_header": "Header is not allowed",
}
_ASKED_NAMES: Final = 32
_ASKED_BYTES: Final = 1024
_TOKEN: Final = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_PREFLIGHT_VARY: Final = "Origin, Access-Control-Request-Method, Access-Control-Request-Headers"


class CORSMiddleware(BaseMiddleware):
    """Grants other origins to read answers, errors too, and answers preflights.

    Without keywords it takes the section ``cors`` of the app it is added to. With an empty
    section it does nothing. It protects answers, not state: a request of a foreign origin runs.

    Args:
        keys: As the section ``cors``; ``allowed_origins`` is ``allow_origins``.

    Raises:
        TypeError: An unknown key.
        ValueError: A value that cannot be.
    """

    stage: ClassVar[Stage] = Stage.PREFLIGHT

    def __init__(self, **keys: Any) -> None:
        self._policy: CorsPolicy | None = None
        self.written: Final = frozenset(keys)
        if keys:
            settings = section_of(CorsSettings, keys, {"allowed_origins": "allow_origins"})
            self._policy = CorsPolicy(settings)
            for entry in OriginSet(settings.allow_origins).malformed:
                warnings.warn(
                    f"allow_origins: {entry!r} is no origin and never matches; "
                    f"write {suggest_origin(entry) or 'https://example.org'!r}",
                    ConfigWarning,
                    stacklevel=2,
                )

    @classmethod
    def of(cls, settings: CorsSettings) -> "CORSMiddleware":
        """Return one with these settings, ready without an app."""
        made = cls()
        made._policy = CorsPolicy(settings)
        return made

    @property
    def settings(self) -> CorsSettings | None:
        """What it was told here; None before the app's section is taken."""
        return None if self._policy is None else self._policy.settings

    def bind(self, app: Any) -> None:
        """Take the app's settings, unless there are own ones.

        Raises:
            TwoCorsEngines: ``security.cors_enabled`` grants origins too.
            CredentialsForEverybody: Production, and ``"*"`` with credentials.
        """
        if any(getattr(one, "grants_origins", False) for one in app.http_middleware):
            raise TwoCorsEngines
        if self._policy is None:
            self._policy = CorsPolicy(app.config.cors)
        self.insist(app.config.env)

    def insist(self, env: str) -> None:
        """Refuse settings that contradict themselves, where users would meet them.

        Raises:
            CredentialsForEverybody: Production, with both written out.
        """
        policy = self._policy
        if env == "prod" and policy is not None and policy.contradicts_itself:
            raise CredentialsForEverybody

    async def __call__(self, request: Request, response: Response, call_next: CallNext) -> object:
        """Answer a preflight, or note on the answer what its reader may be."""
        policy = self._policy
        if policy is None or not policy.configured:
            return await call_next()
        origins = request.headers.getlist("origin")
        asked = request.headers.getlist("access-control-request-method")
        if request.method == "OPTIONS" and origins and asked:
            return await self._preflight(policy, request, response)
        await self.mark(request, response)
        if not origins and policy.settings.strict_origin_checking:
            return policy.refusal(response, "missing_origin")
        return await call_next()

    async def mark(self, request: Request, response: Response) -> None:
        """Note the grant on whatever is answered, refusals made further out included."""
        policy = self._policy
        if policy is None or not policy.configured:
            return
        origins = request.headers.getlist("origin")
        granted = len(origins) == 1 and await policy.allows(origins[0])
        response.on_send(policy.granting(origins[0]) if granted else _vary)

    async def _preflight(
        self, policy: "CorsPolicy", request: Request, response: Response
    ) -> Response:
        headers = request.headers
        response.add_vary(_PREFLIGHT_VARY)
        origins = headers.getlist("origin")
        methods = headers.getlist("access-control-request-method")
        asked = ",".join(headers.getlist("access-control-request-headers"))
        if len(origins) != 1 or not await policy.allows(origins[0]):
            return policy.refusal(response, "disallowed_origin")
        if len(methods) != 1 or not policy.allows_method(methods[0]):
            return policy.refusal(response, "disallowed_method")
        names = policy.allowed_names(asked)
        if names is None:
            return policy.refusal(response, "disallowed_header")
        return policy.grant_preflight(response, origins[0], methods[0], names)


class TwoCorsEngines(ValueError):
    """Two middleware grant origins, and the answers would carry both grants."""

    def __str__(self) -> str:
        return (
            "origins are granted by CORSMiddleware and by SecurityMiddleware"
            "\n  fix: take CORSMiddleware away, or security.cors_enabled"
        )


class CredentialsForEverybody(ValueError):
    """Every page is let in, and is to act as whoever has it open."""

    def __str__(self) -> str:
        return (
            "allow_origins holds '*', and allow_credentials is True: both cannot be granted"
            "\n  fix: name the origins, or take allow_credentials away"
        )


class CorsPolicy:
    """The settings, made ready to be asked."""

    def __init__(self, settings: CorsSettings) -> None:
        """Compile the settings.

        Raises:
            ValueError: The regex cannot be compiled, or a header to expose is none.
        """
        self.settings = settings
        self._origins = OriginSet(settings.allow_origins)
        self._refused = OriginSet(settings.blacklist_origins)
        self._regex = _compiled(settings.allow_origin_regex)
        self._validator = settings.dynamic_origin_validator
        self.configured = bool(settings.allow_origins or self._regex or self._validator)
        self._methods = frozenset(settings.allow_methods)
        self._names = _SAFELISTED | {name.lower() for name in settings.allow_headers}
        self._refused_names = frozenset(name.lower() for name in settings.blacklist_headers)
        # Whoever is let in by "*" was not chosen, so the browser must not send who it is.
        self.credentials = settings.allow_credentials is not False and not self._origins.any
        for name in settings.expose_headers:
            if name != "*":
                encode_name(name)
        self._exposed = ", ".join(settings.expose_headers)

    @property
    def contradicts_itself(self) -> bool:
        """Whether credentials are written out beside ``"*"``."""
        return self._origins.any and self.settings.allow_credentials is True

    async def allows(self, origin: str) -> bool:
        """Return whether pages of this origin may read answers."""
        allowed = await self._decide(origin)
        if self.settings.debug:
            _LOGGER.info("origin %r is %s", origin, "allowed" if allowed else "not allowed")
        return allowed

    async def _decide(self, origin: str) -> bool:
        if self._refused.allows(origin):
            return False
        if self._origins.allows(origin):
            return True
        # "null" is any sandboxed page, and only a list can mean it.
        if parse_origin(origin) is None:
            return False
        if self._regex is not None and self._regex.fullmatch(origin):
            return True
        return self._validator is not None and await self._validated(origin)

    async def _validated(self, origin: str) -> bool:
        validator = self._validator
        assert validator is not None  # noqa: S101  # asked by the only caller
        try:
            answer = validator(origin)
            return (await answer if isawaitable(answer) else answer) is True
        except Exception as error:
            text = "dynamic_origin_validator failed; the origin is not allowed"
            tell(_LOGGER, logging.ERROR, error, text)
            return False

    def allows_method(self, method: str) -> bool:
        """Return whether a preflight may ask for this method; case counts."""
        return _TOKEN.fullmatch(method) is not None and (
            method in self._methods or "*" in self._methods
        )

    def allowed_names(self, asked: str) -> list[str] | None:
        """Return the asked-for header names in lower case; None when one is not allowed."""
        names = [name for part in asked.lower().split(",") if (name := part.strip())]
        if len(asked) > _ASKED_BYTES or len(names) > _ASKED_NAMES:
            return None
        for name in names:
            if _TOKEN.fullmatch(name) is None or name in self._refused_names:
                return None
            if name not in self._names and "*" not in self._names:
                return None
        return names

    def granting(self, origin: str) -> "Grant":
        """Return what puts the grant for ``origin`` on an answer."""
        return Grant(origin, credentials=self.credentials, exposed=self._exposed)

    def grant_preflight(
        self, response: Response, origin: str, method: str, names: Sequence[str]
    ) -> Response:
        """Answer a preflight in which everything is allowed."""
        self.granting(origin)(response.headers)
        del response.headers["access-control-expose-headers"]
        response.set_header("access-control-allow-methods", method)
        if names:
            response.set_header("access-control-allow-headers", ", ".join(names))
        response.set_header("access-control-max-age", str(self.settings.max_age))
        status = self.settings.preflight_status
        return response.empty(status) if status == 204 else response.json("OK", status)

    def refusal(self, response: Response, reason: str) -> Response:
        """Answer with the custom status and message."""
        message = self.settings.custom_error_messages.get(reason, _MESSAGES[reason])
        return response.json(message, self.settings.custom_error_status)


class Grant:
    """Puts the grant for one origin on whatever answer is sent."""

    __slots__ = ("_credentials", "_exposed", "_origin")

    def __init__(self, origin: str, *, credentials: bool, exposed: str) -> None:
        self._origin = origin
        self._credentials = credentials
        self._exposed = exposed

    def __call__(self, headers: MutableHeaders) -> None:
        """Set the headers; what the handler said about other origins is replaced."""
        headers["access-control-allow-origin"] = self._origin
        if self._credentials:
            headers["access-control-allow-credentials"] = "true"
        else:
            del headers["access-control-allow-credentials"]
        if self._exposed:
            headers["access-control-expose-headers"] = self._exposed
        _vary(headers)


def _vary(headers: MutableHeaders) -> None:
    # A kept answer must not reach another origin's page, so this is said on refusals too.
    headers.add_vary("Origin")


def _compiled(pattern: str | None) -> re.Pattern[str] | None:
    if pattern is None:
        return None
    try:
        return re.compile(pattern)
    except re.error as error:
        raise ValueError(f"allow_origin_regex: {pattern!r} is no regex: {error}") from None
