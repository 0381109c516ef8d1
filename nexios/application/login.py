"""The use case of a login with name and password."""

import hashlib
import logging
import unicodedata
from typing import Final, Protocol

from nexios.application.errors import RateLimited
from nexios.application.passwords import PasswordHasher, password_bytes
from nexios.application.rates import CounterStore, Hit, Rate, network_of
from nexios.application.security_events import (
    LoggedSecurityEvents,
    Outcome,
    SecurityEvent,
    SecurityEvents,
)
from nexios.application.tracking import tell
from nexios.domain.errors import InvalidValue
from nexios.records import dataclass

ACCOUNT_RATE: Final = Rate.of("1/20 seconds", burst=5)
ADDRESS_RATE: Final = Rate.of("20/minute")

_MAX_NAME_CHARS: Final = 320  # of an address of mail (RFC 5321, 4.5.3.1)
_LOGGER: Final = logging.getLogger("nexios.auth")


@dataclass(frozen=True, slots=True)
class Credential:
    """What an application knows of somebody who may log in.

    Attributes:
        actor: What names them from now on.
        stored_hash: Of their password; None for somebody who has none.
    """

    actor: str
    stored_hash: str | None


class Credentials(Protocol):
    """Finds who may log in; the application's own table, behind a port."""

    async def find(self, name: str) -> Credential | None:
        """Return whose name this is; None for nobody's."""
        ...

    async def replace(self, actor: str, stored_hash: str, *, instead_of: str) -> None:
        """Keep another hash of the same password.

        Args:
            actor: Whose.
            stored_hash: The new one.
            instead_of: The one it was made for. Where another is stored by now the password was
                changed meanwhile, and that one stays.
        """
        ...


@dataclass(frozen=True, slots=True)
class Account:
    """Who proved a password; a user for `SessionAuthBackend.login` and for guards."""

    identity: str


class PasswordLogin:
    """Checks names and passwords: as the ``check`` of `BasicAuthBackend`, or in a handler.

    An attempt is counted, for the account and for the address, before anything is looked up or
    hashed. Known and unknown names get the same answer for the same work under the same limits;
    accounts whose hash is of other parameters cost what those cost, until it is replaced.
    A counter store that is down lets nobody log in.

    With Basic each request is an attempt: a service that clients call so needs higher rates.

    Args:
        credentials: Who may log in.
        hasher: Compares passwords.
        counters: Shared by all processes that log in.
        events: Is told what became of each attempt, ``login`` allowed, denied (one too many) or
            failed, before the caller is; the log ``nexios.security`` where nobody else is. Names
            are told as digests: people type passwords there, too. An error of it is the
            login's: what has to be recorded and cannot be does not happen.
        account_rate: For each name, however it is spelled.
        address_rate: For each client; of IPv6 each network of 64 bits.
    """

    def __init__(
        self,
        credentials: Credentials,
        hasher: PasswordHasher,
        counters: CounterStore,
        events: SecurityEvents | None = None,
        *,
        account_rate: Rate = ACCOUNT_RATE,
        address_rate: Rate = ADDRESS_RATE,
    ) -> None:
        self._credentials = credentials
        self._hasher = hasher
        self._counters = counters
        self._events = events or LoggedSecurityEvents()
        self._account_rate = account_rate
        self._address_rate = address_rate

    async def __call__(
        self, username: str, password: str, address: str | None = None
    ) -> Account | None:
        """Return whose name and password these are; None when they are nobody's.

        Args:
            username: As it was typed.
            password: As it was typed.
            address: The client's; without it only the account is counted.

        Raises:
            InvalidValue: One of them is too long, too short or no text.
            RateLimited: One attempt too many.
            Overloaded: Too many log in at once.
            Unavailable: The counters do not answer.
        """
        account = _digest(_folded(username))
        await self._count(account, address)
        password_bytes(password)
        found = await self._credentials.find(username)
        stored = None if found is None else found.stored_hash
        told = await self._hasher.verify(password, stored)
        if found is None or stored is None or not told.ok:
            reason = "unknown name" if found is None else "wrong password"
            await self._record("failed", account, address, reason=reason)
            return None
        await self._record("allowed", account, address, actor=found.actor)
        if told.replacement is not None:
            await self._replace(found.actor, told.replacement, stored)
        return Account(found.actor)

    async def _count(self, account: str, address: str | None) -> None:
        hits = [Hit(f"login:account:{account}", self._account_rate)]
        if address:
            where = _digest(network_of(address))
            hits.append(Hit(f"login:address:{where}", self._address_rate))
        refused = [one for one in await self._counters.hit(hits) if not one.allowed]
        if refused:
            await self._record("denied", account, address, reason="one too many")
            raise RateLimited(retry_after_s=max(one.retry_after_s for one in refused))

    async def _record(
        self,
        outcome: Outcome,
        account: str,
        address: str | None,
        *,
        actor: str | None = None,
        reason: str = "",
    ) -> None:
        details = {"account": account, "address": address}
        await self._events.record(
            SecurityEvent("login", outcome, actor, reason=reason, details=details)
        )

    async def _replace(self, actor: str, made: str, old: str) -> None:
        try:
            await self._credentials.replace(actor, made, instead_of=old)
        except Exception as error:
            # The password is right all the same, and the next login tries again.
            text = "the password hash of %r could not be replaced"
            tell(_LOGGER, logging.ERROR, error, text, actor)


def _folded(name: str) -> str:
    """Return what spellings of one name have in common; more names in one do no harm here."""
    if not name or len(name) > _MAX_NAME_CHARS or "\0" in name:
        raise InvalidValue(f"a name has 1 to {_MAX_NAME_CHARS} characters")
    return " ".join(unicodedata.normalize("NFKC", name).casefold().split())


def _digest(text: str) -> str:
    """Return what stores and logs know of a name or an address."""
    try:
        return hashlib.sha256(text.encode()).hexdigest()
    except UnicodeEncodeError as error:  # half of a surrogate pair
        raise InvalidValue("a name is text") from error
