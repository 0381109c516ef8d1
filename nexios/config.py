"""Configuration: read once, checked as a whole, frozen."""

import json
import re
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from typing import Any, Final, Literal, NoReturn

from nexios.application.keyring import Keyring, Secret
from nexios.application.known import Known
from nexios.application.limits import Limits
from nexios.application.realtime import EventSettings, RealtimeSettings
from nexios.application.scrub import scrub
from nexios.application.sections.answers import (
    ErrorSettings,
    NotFoundSettings,
    OpenApiSettings,
    TemplateSettings,
)
from nexios.application.sections.browsers import CorsSettings, CsrfSettings, SecuritySettings
from nexios.application.sections.callers import AuthSettings, SessionSettings
from nexios.application.sections.section import Texts
from nexios.application.sections.serving import (
    HealthSettings,
    OutboxSettings,
    ServerSettings,
    SheddingSettings,
    TelemetrySettings,
)
from nexios.application.settings import (
    Fault,
    Tree,
    copied,
    frozen,
    gather,
    plain,
    readable,
    written,
)
from nexios.application.spelling import nearest, suggestion

# Old addresses such as `nexios.config.base` are found below this file (compat.py).
__path__: list[str] = []

_ORIGIN: Final = re.compile(r"(?i)[a-z][a-z0-9+.-]*://[^\s/?#@\\]+")


class ConfigWarning(UserWarning):
    """A setting is accepted but will not do what it seems to say."""


class ConfigError(ValueError):
    """The settings cannot be used; ``faults`` names every one of them."""

    def __init__(self, faults: tuple[Fault, ...]) -> None:
        self.faults = faults
        super().__init__(faults)

    def __str__(self) -> str:
        count = len(self.faults)
        head = "1 setting cannot be used" if count == 1 else f"{count} settings cannot be used"
        return head + "".join(f"\n  {fault}" for fault in self.faults)


_KNOWN: Final[Mapping[str, Any]] = {one.name: one.type for one in fields(Known)}
_SECTIONS: Final[Mapping[str, Mapping[str, Any]]] = {
    name: {one.name: one.type for one in fields(kind)}
    for name, kind in {**_KNOWN, "limits": Limits}.items()
    if isinstance(kind, type) and is_dataclass(kind)
}
_ALIASES: Final[Mapping[str, Mapping[str, str]]] = {
    "cors": {"allowed_origins": "allow_origins"},
    "csrf": {f"csrf_{one.name}": one.name for one in fields(CsrfSettings)},
    "session": {
        **{f"session_{one.name}": one.name for one in fields(SessionSettings)},
        "expiry": "expiration_time",
        "directory": "file_storage_path",
    },
}
_ORIGIN_LISTS: Final = (
    ("cors", "allow_origins"),
    ("csrf", "trusted_origins"),
    ("realtime", "allowed_origins"),
    ("security", "allowed_origins"),
)
_NEVER_SENT: Final = {
    "xss_protection": "X-XSS-Protection, which browsers have dropped",
    "expect_ct": "Expect-CT, which browsers have dropped",
}
_PROFILES: Final[Mapping[object, Mapping[str, object]]] = {
    "2.11": {
        "cors": {"preflight_status": 201},
        "errors": {"http_exception_body": "detail", "duplicate_routes": "first-wins"},
    }
}


class MakeConfig:
    """The settings of one application.

    A value is taken from the code, then from ``NEXIOS_*`` variables (``NEXIOS_CORS__MAX_AGE``),
    then from ``.env`` in the working directory, then from ``defaults``, then from Nexios.
    Top-level keys Nexios does not know are the application's own and are kept, frozen.

    Args:
        mapping: The settings given in code; ``keys`` are a shorter way to write them.
        defaults: Values that count where nobody else says anything.
        validate: By key (``"db.port"``), a check that returns False or raises ValueError.
        immutable: Kept from 2.11; a configuration is always frozen.
        strict: Refuse every top-level key Nexios does not know.

    Raises:
        ConfigError: With every fault at once, each with its source.
    """

    debug: bool
    env: Literal["dev", "test", "staging", "prod"]
    secret_key: Secret | None
    keyring: Keyring | None
    jwt_algorithms: Texts
    trusted_proxies: Texts
    allowed_hosts: Texts | None
    trailing_slash: Literal["strict", "redirect", "ignore"]
    compat: Literal["2.11"] | None
    database_url: str | None
    container: Literal["compiled", "interpreted"]
    cors: CorsSettings
    security: SecuritySettings
    session: SessionSettings
    csrf: CsrfSettings
    auth: AuthSettings
    openapi: OpenApiSettings
    not_found: NotFoundSettings
    templating: TemplateSettings
    errors: ErrorSettings
    limits: Limits
    server: ServerSettings
    health: HealthSettings
    shedding: SheddingSettings
    outbox: OutboxSettings
    events: EventSettings
    realtime: RealtimeSettings
    telemetry: TelemetrySettings

    def __init__(
        self,
        mapping: Mapping[str, object] | None = None,
        *,
        defaults: Mapping[str, object] | None = None,
        validate: Mapping[str, Callable[[Any], object]] | None = None,
        immutable: bool = True,
        strict: bool = False,
        **keys: object,
    ) -> None:
        given = {**(mapping or {}), **keys}
        faults = [
            Fault(key, "is given in the mapping and as a keyword", "code")
            for key in (mapping or {})
            if key in keys
        ]
        settings = gather(given, defaults or {}, _ALIASES, _PROFILES, faults)
        self.__dict__["_written"] = frozenset(written(settings))
        own = _own(settings, strict=strict, faults=faults)
        known = _known(settings, faults)
        for key, value in known.items():
            self.__dict__[key] = value
        self.__dict__.update({key: frozen(value) for key, value in own.items()})
        self.__dict__["_own"] = frozenset(own)
        self.__dict__["_given"] = copied(given)
        if not faults:
            faults.extend(self._refusals(validate or {}, settings))
        if faults:
            raise ConfigError(tuple(faults))
        if not immutable:
            _warn("immutable=False has no effect: a configuration is always frozen")
        for key, header in _NEVER_SENT.items():
            if getattr(self.security, key):
                _warn(f"security.{key} has no effect: Nexios does not send {header}")
        for path in _ORIGIN_LISTS:
            for entry in self[".".join(path)] or ():
                correction = _corrected(entry)
                if correction is not None:
                    _warn(
                        f"{'.'.join(path)}: {entry!r} is no origin and never matches; "
                        f"write {correction!r}   (from {settings.source_of(path)})"
                    )

    def _refusals(
        self, checks: Mapping[str, Callable[[Any], object]], settings: Tree
    ) -> Iterator[Fault]:
        for key, check in checks.items():
            says = "is refused by its check in validate="
            try:
                if check(self[key]) is not False:
                    continue
            except (ValueError, TypeError) as error:
                says = f"{says} ({error})"
            yield Fault(key, says, settings.source_of(key.split(".")))

    def __getitem__(self, key: str) -> Any:  # own settings may be anything
        """Return the setting under a dotted name, or None when there is none."""
        node: object = self
        for part in key.split("."):
            if part.startswith("_"):
                return None
            if isinstance(node, Mapping):
                node = node.get(part)
            elif node is self:
                node = self.__dict__.get(part)
            else:
                node = getattr(node, part, None) if is_dataclass(node) else None
        return node

    def __getattr__(self, name: str) -> Any:  # reached for what is not set; own keys are dynamic
        near = None if name.startswith("_") else suggestion(name, self.__dict__)
        hint = f"; did you mean {near!r}?" if near else ""
        raise AttributeError(f"no setting {name!r}{hint}")

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(f"the configuration is frozen: {name} cannot be set")

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError(f"the configuration is frozen: {name} cannot be removed")

    def is_written(self, path: str) -> bool:
        """Return whether somebody gave the setting under a dotted name, wherever."""
        return path in self._written

    def to_dict(self, effective: bool = False) -> dict[str, Any]:
        """Return what the code gave, as it was given.

        Args:
            effective: Return every setting as it counts instead, with secrets masked.
        """
        if not effective:
            return dict(copied(self._given))  # type: ignore[call-overload,no-any-return]
        names = [*(name for name in _KNOWN), *sorted(self._own)]
        return {name: scrub(self.__dict__[name], name) for name in names}

    def to_json(self) -> str:
        """Return what the code gave as JSON, with secrets masked."""
        return json.dumps(scrub(self._given), default=repr)

    def __repr__(self) -> str:
        given = scrub(self._given)
        shown = given.items() if isinstance(given, dict) else ()
        return f"MakeConfig({', '.join(f'{key}={value!r}' for key, value in shown)})"


def _warn(text: str) -> None:
    # 1 is here, 2 the constructor, 3 the line that wrote MakeConfig(...).
    warnings.warn(text, ConfigWarning, stacklevel=3)


def _own(settings: Tree, *, strict: bool, faults: list[Fault]) -> dict[str, object]:
    """Take the settings Nexios does not know out of the tree and return them."""
    own: dict[str, object] = {}
    for key in [key for key in settings.branches if key not in _KNOWN]:
        node = settings.branches.pop(key)
        near = nearest(key, _KNOWN)
        if near or strict:
            hint = f"; did you mean {near!r}?" if near else ""
            faults.append(Fault(key, f"unknown key{hint}", node.source))
        elif not key.isidentifier() or key.startswith("_") or hasattr(MakeConfig, key):
            faults.append(Fault(key, "cannot be used as a name of a setting", node.source))
        else:
            own[key] = plain(node)
    return own


def _known(settings: Tree, faults: list[Fault]) -> dict[str, object]:
    """Return every setting Nexios knows, converted; what is wrong goes to ``faults``."""
    raw: dict[str, object] = {}
    for key, node in settings.branches.items():
        keys = _SECTIONS.get(key)
        if keys is None:
            # A secret may hold commas.
            raw[key] = plain(node) if key == "secret_key" else readable(node, _KNOWN[key])
        elif isinstance(node, Tree):
            for name in [name for name in node.branches if name not in keys]:
                near = suggestion(name, keys)
                hint = f"; did you mean {near!r}?" if near else f"; known: {', '.join(keys)}"
                source = node.branches.pop(name).source
                faults.append(Fault(f"{key}.{name}", f"unknown key{hint}", source))
            raw[key] = {name: readable(below, keys[name]) for name, below in node.branches.items()}
        else:
            raw[key] = node.value
    known = Known()
    if raw:
        # The defaults need no proof, and what builds schemas is a fifth of a start.
        from pydantic_core import ValidationError

        from nexios.setting_types import checked

        try:
            known = checked(raw)
        except ValidationError as error:
            faults.extend(_fault(one, settings) for one in error.errors(include_url=False))
    values: dict[str, object] = {name: getattr(known, name) for name in _KNOWN}
    values["keyring"] = Keyring(known.secret_key) if known.secret_key else None
    values["secret_key"] = known.secret_key[0] if known.secret_key else None
    return values


def _fault(error: Mapping[str, Any], settings: Tree) -> Fault:
    """Return the fault that one error of pydantic tells, an ``ErrorDetails``."""
    location, says = error["loc"], error["msg"].removeprefix("Value error, ")
    if error["type"] in {"tuple_type", "mapping_type", "dataclass_type"}:
        says = "must be a list" if error["type"] == "tuple_type" else "must be a mapping"
    name, blank, rest = says.partition(" ")
    if blank and name in _SECTIONS.get(str(location[0]), {}):
        # A section checks its own numbers and names the key in front of its text.
        location, says = (*location, name), rest
    says = says.replace("Input should be", "must be", 1)
    return Fault(".".join(map(str, location)), says, settings.source_of(location))


def _corrected(entry: str) -> str | None:
    """Return the origin that was meant; None when the entry is one, ``*`` or ``null``."""
    if entry in {"*", "null"} or _ORIGIN.fullmatch(entry):
        return None
    found = re.match(r"(?i)\s*(?:(https?|wss?)?:?/+)?([^\s/?#@\\]*)", entry)
    scheme, host = (found[1], found[2]) if found else (None, "")
    return f"{(scheme or 'https').lower()}://{host or 'example.org'}"


_default: MakeConfig | None = None


def set_config(config: MakeConfig | None = None, **keys: object) -> None:
    """Set what applications built without ``config=`` use. Deprecated: hand it to the app."""
    global _default  # noqa: PLW0603  # 2.11's process-wide default, kept for its users
    message = "set_config() is deprecated: write NexiosApp(config=MakeConfig(...))"
    warnings.warn(message, DeprecationWarning, stacklevel=2)
    _default = MakeConfig(**keys) if config is None else config  # type: ignore[arg-type]  # ibid.


def get_config() -> MakeConfig:
    """Return what `set_config` was given.

    Raises:
        RuntimeError: `set_config` was not called.
    """
    if _default is None:
        raise RuntimeError("no configuration is set: hand one to NexiosApp(config=...)")
    return _default


def configuration_of(given: Sequence[object], config: MakeConfig | None) -> MakeConfig:
    """Return the configuration an application was given; for its constructor.

    Raises:
        TypeError: It was given two, or something that is none.
    """
    told: object = config
    if told is not None and not isinstance(told, MakeConfig):
        raise TypeError(
            f"config= takes a MakeConfig, not a {type(told).__name__}"
            "\n  fix: NexiosApp(..., config=MakeConfig(...)), which takes keywords or a mapping"
        )
    found = [one for one in (*given, config) if isinstance(one, MakeConfig)]
    if len(found) > 1:
        raise TypeError("NexiosApp was given two configurations; keep one")
    if found or _default is None:
        return found[0] if found else MakeConfig()
    message = "NexiosApp() takes what set_config() was given; hand it over with config="
    warnings.warn(message, DeprecationWarning, stacklevel=3)
    return _default


def default_config() -> MakeConfig | None:
    """Return what `set_config` was given, or None."""
    return _default
