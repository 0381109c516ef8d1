"""What is unfit for production about an application: pure rules over what is known of it."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import combinations
from typing import Final, Literal

from nexios.application.deploy_facts import DeployFacts, EntranceFacts
from nexios.records import dataclass

Level = Literal["error", "warning"]

_SECRET_BYTES: Final = 32
_DIFFERENT_BYTES: Final = 8
_EXAMPLE: Final = re.compile(
    r"change.?me|your.?(?:own.?)?secret|example|secret.?key|long.enough|placeholder|password"
    r"|django-insecure|hunter2|0123456789|abcdefgh",
    re.IGNORECASE,
)
_EVERYBODY: Final = frozenset(("0.0.0.0/0", "::/0"))
_A_DAY_S: Final = 86_400.0
_KEPT: Final = 10
_LOGIN: Final = re.compile(
    r"log.?in|sign.?in|sign.?up|register|token|password|reset|verify|otp", re.IGNORECASE
)
_CHANGING: Final = frozenset(("POST", "PUT", "PATCH", "*"))
FLOORS: Final[Mapping[str, str]] = {
    "pyjwt": "2.13",
    "python-multipart": "0.0.31",
    "h11": "0.16",
    "authlib": "1.9",
}
"""Below these versions there are known holes that Nexios' own checks do not cover."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is unfit.

    Attributes:
        code: ``NX601`` and up.
        level: An error also refuses the start with ``env="prod"``.
        says: What is wrong.
        fix: The line that mends it.
        places: Where, where there are several.
    """

    code: str
    level: Level
    says: str
    fix: str
    places: tuple[str, ...] = ()

    def __str__(self) -> str:
        lines = [f"{self.code} {self.level}: {self.says}", *(f"  {one}" for one in self.places)]
        return "\n".join([*lines, f"  fix: {self.fix}"])


def findings(facts: DeployFacts) -> list[Finding]:
    """Return everything that is unfit, by code."""
    return [one for rule in _RULES for one in rule(facts)]


def errors(facts: DeployFacts) -> list[Finding]:
    """Return what refuses the start with ``env="prod"``."""
    return [one for one in findings(facts) if one.level == "error"]


class UnfitForProduction(Exception):
    """The application has ``env="prod"``, and rules of `nexios check --deploy` refuse it."""

    def __init__(self, found: Sequence[Finding]) -> None:
        self.found = tuple(found)
        super().__init__(self.found)

    def __str__(self) -> str:
        count = len(self.found)
        head = f"{count} thing{'s' if count > 1 else ''} unfit for production"
        return "\n".join([head, *map(str, self.found)])


def _debug(facts: DeployFacts) -> Iterator[Finding]:
    if facts.debug:
        says = "debug=True shows source, settings and locals to whoever causes an error"
        yield Finding("NX601", "error", says, "debug=False, or leave it out")


def _secrets(facts: DeployFacts) -> Iterator[Finding]:
    fix = 'secret_key from the environment: python -c "import secrets; print(secrets.token_hex())"'

    def weak(says: str) -> Finding:
        return Finding("NX602", "error", says, fix)

    if facts.secret_needed_by and not any(name == "secret_key" for name, _ in facts.secrets):
        yield weak(f"there is no secret_key, and {', '.join(facts.secret_needed_by)} needs one")
    for name, secret in facts.secrets:
        raw = secret.reveal().encode()
        if len(raw) < _SECRET_BYTES:
            yield weak(f"{name} has {len(raw)} bytes; {_SECRET_BYTES} are the least")
        elif len(set(raw)) < _DIFFERENT_BYTES:
            yield weak(f"{name} has fewer than {_DIFFERENT_BYTES} different bytes")
        elif _EXAMPLE.search(secret.reveal()):
            yield weak(f"{name} reads like an example, which others know too")
    for (name, one), (other, same) in combinations(facts.secrets, 2):
        if one == same:
            yield weak(f"{name} and {other} are the same secret")


def _hosts(facts: DeployFacts) -> Iterator[Finding]:
    if facts.allowed_hosts is None or "*" in facts.allowed_hosts:
        says = "every Host header is believed: links, caches and resets can be poisoned"
        yield Finding("NX603", "error", says, 'allowed_hosts=["shop.example"]')


def _origins(facts: DeployFacts) -> Iterator[Finding]:
    for one in facts.cors:
        if "*" in one.origins and one.credentials_written:
            says = f"{one.where} grants every origin the answers to credentials"
            yield Finding("NX604", "error", says, "name the origins, or allow_credentials=False")
        strange = (*one.malformed, *(name for name in one.origins if name.startswith("http:")))
        if strange:
            says = f"{one.where} names origins that are malformed or of http"
            fix = "https://host, without path"
            yield Finding("NX605", "warning", says, fix, tuple(dict.fromkeys(strange)))


def _cookies(facts: DeployFacts) -> Iterator[Finding]:
    for one in facts.cookies:
        if one.secure is False:
            says = f"the cookie of {one.where} goes over http too"
        elif one.samesite == "none" and one.secure is not True:
            says = f"the cookie of {one.where} is SameSite=None without Secure"
        else:
            continue
        yield Finding("NX606", "error", says, "cookie_secure=True")


def _stores(facts: DeployFacts) -> Iterator[Finding]:
    if facts.workers > 1 and facts.memory_stores:
        says = f"each of {facts.workers} workers has its own"
        fix = "bind stores that are shared (PostgreSQL, Redis), or run one worker"
        yield Finding("NX607", "error", says, fix, tuple(facts.memory_stores))


def _pools(facts: DeployFacts) -> Iterator[Finding]:
    for one in facts.databases:
        wanted = facts.workers * one.pool_size
        if one.server_limit is not None and wanted > one.server_limit - _KEPT:
            says = (
                f"{facts.workers} workers may take {wanted} connections of {one.name}, which has "
                f"{one.server_limit}, {_KEPT} of them for others"
            )
            least = max(1, (one.server_limit - _KEPT) // facts.workers)
            yield Finding("NX608", "error", says, f"pool_size={least}, or fewer workers")
        if not one.statement_timeout_s:
            says = f"a statement of {one.name} may run for ever"
            yield Finding("NX609", "error", says, "statement_timeout_s=5")


def _proxies(facts: DeployFacts) -> Iterator[Finding]:
    fix = 'trusted_proxies=["10.0.0.5"]: the addresses of the balancers, [] for none'
    if _EVERYBODY.intersection(facts.trusted_proxies):
        says = "trusted_proxies trusts everybody: each client names its own address"
        yield Finding("NX610", "error", says, fix)
    elif not facts.trusted_written:
        says = "trusted_proxies is not written out: every private network is believed"
        yield Finding("NX610", "warning", says, fix)


def _https(facts: DeployFacts) -> Iterator[Finding]:
    if facts.https and not facts.ssl_redirect and not facts.hsts:
        says = "it is reached by https, and neither redirects to it nor sends HSTS"
        fix = "app.add_middleware(SecurityMiddleware())"
        yield Finding("NX611", "warning", says, fix)
    if facts.hsts_preload and not facts.hsts_subdomains:
        says = "HSTS asks for preload without subdomains, and no list takes it"
        yield Finding("NX611", "warning", says, "hsts_include_subdomains=True")


def _doors(facts: DeployFacts) -> Iterator[Finding]:
    metrics = [one for one in facts.entrances if one.path.endswith("/metrics") and one.open]
    if metrics:
        says = "metrics are served on the public port"
        fix = 'server={"management": "127.0.0.1:9090"}, or a guard'
        yield Finding("NX612", "error", says, fix, _listed(metrics))
    silent = [one for one in facts.entrances if one.open and not one.public]
    silent = [one for one in silent if one not in metrics]
    if silent:
        says = f"{len(silent)} ways in have neither a guard nor the mark public"
        fix = "@auth() or the like, or @public; auth.deny_by_default=True insists"
        yield Finding("NX612", "warning", says, fix, _listed(silent))
    if facts.docs:
        says = "the documentation of the interface is open to everybody"
        fix = "openapi.enabled=False, or leave it where the interface is public"
        yield Finding("NX612", "warning", says, fix, tuple(facts.docs))


def _sessions(facts: DeployFacts) -> Iterator[Finding]:
    if facts.signed_sessions:
        says = "logins live in signed cookies, and ending one is known to this process alone"
        fix = "bind a SessionStore, or Revocations that are shared"
        yield Finding("NX613", "warning", says, fix)


def _tokens(facts: DeployFacts) -> Iterator[Finding]:
    if facts.foreign_hmac:
        says = "tokens of another issuer are verified with a shared key, which can sign too"
        fix = "the issuer's published keys: JWTAuthBackend(issuer=..., audience=...)"
        yield Finding("NX614", "warning", says, fix, tuple(facts.foreign_hmac))
    if facts.access_s > _A_DAY_S:
        says = f"an access token lives for {facts.access_s / 3600:g} hours"
        yield Finding("NX614", "warning", says, "auth.access_s=600 and refresh tokens")


def _engines(facts: DeployFacts) -> Iterator[Finding]:
    if len(facts.cors) > 1:
        says = "origins are granted twice"
        fix = "take CORSMiddleware away, or security.cors_enabled"
        yield Finding("NX615", "error", says, fix, tuple(one.where for one in facts.cors))


def _rates(facts: DeployFacts) -> Iterator[Finding]:
    bare = [
        one
        for one in facts.entrances
        if not one.rated and _CHANGING.intersection(one.methods) and _LOGIN.search(one.path)
    ]
    if bare:
        says = "passwords and tokens can be guessed as fast as one likes"
        yield Finding("NX616", "warning", says, '@rate_limit("5/minute")', _listed(bare))


def _load(facts: DeployFacts) -> Iterator[Finding]:
    if not facts.sheds:
        says = "nothing refuses work while there is too much of it"
        yield Finding("NX617", "warning", says, "app.add_middleware(LoadSheddingMiddleware())")
    if not facts.deadline:
        says = "no request has a deadline"
        yield Finding("NX617", "warning", says, "limits.request_s=30, or TimeoutMiddleware(30)")


def _audits(facts: DeployFacts) -> Iterator[Finding]:
    for one in facts.databases:
        if one.superuser:
            says = f"the login of {one.name} is a superuser: nothing holds for it"
        elif one.owned:
            says = f"the login of {one.name} owns the audit, and can drop what protects it"
        else:
            says = ""
        if says:
            fix = "migrate as the owner, serve as a role with INSERT and SELECT there"
            yield Finding("NX618", "warning", says, fix, tuple(one.owned))
        if one.unsealed:
            says = f"{one.name} has {one.unsealed} changes and no seal that would show a rewrite"
            fix = "bind AuditTrail, and run nexios audit seal from time to time"
            yield Finding("NX618", "warning", says, fix)


def _libraries(facts: DeployFacts) -> Iterator[Finding]:
    for name, floor in FLOORS.items():
        version = facts.versions.get(name)
        if version is not None and _numbers(version) < _numbers(floor):
            says = f"{name} {version} has known holes"
            yield Finding("NX619", "warning", says, f"pip install '{name}>={floor}'")


def _server(facts: DeployFacts) -> Iterator[Finding]:
    if facts.lacking:
        says = f"{facts.server} lacks what nexios run does"
        fix = "nexios run, or a proxy before it"
        yield Finding("NX620", "warning", says, fix, tuple(facts.lacking))
    if facts.starves:
        says = f"{facts.server} on uvloop accepts one connection a turn: under load probes starve"
        yield Finding("NX620", "warning", says, "nexios run, or its option for asyncio's loop")


def _plain(facts: DeployFacts) -> Iterator[Finding]:
    if facts.plain_secrets:
        says = "settings that are named like secrets are plain text, which prints itself"
        fix = "Secret(...), or hand them over otherwise"
        yield Finding("NX621", "warning", says, fix, tuple(facts.plain_secrets))


def _providers(facts: DeployFacts) -> Iterator[Finding]:
    for one in facts.providers:
        if one.issuer.lower().startswith("http:") or one.allow_private:
            how = "may be in a private network" if one.allow_private else "is asked over http"
            says = f"the provider {one.name!r} {how}: whoever stands between logs in as anybody"
            yield Finding("NX622", "error", says, "https, and allow_private=False")


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version.partition("+")[0])[:4])


def _listed(entrances: Iterable[EntranceFacts]) -> tuple[str, ...]:
    return tuple(f"{one.label}  {one.where}".rstrip() for one in entrances)


_RULES: Final[Sequence[Callable[[DeployFacts], Iterable[Finding]]]] = (
    *(_debug, _secrets, _hosts, _origins, _cookies, _stores, _pools, _proxies, _https, _doors),
    *(_sessions, _tokens, _engines, _rates, _load, _audits, _libraries, _server),
    *(_plain, _providers),
)
