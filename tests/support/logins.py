"""Who may log in, in a dict, and what stands around a login in tests."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from nexios.adapters.security.memory_counters import MemoryCounters
from nexios.application.login import Credential, PasswordLogin
from nexios.application.rates import CounterStore, Decision, Hit
from nexios.testing.passwords import FastPasswords
from nexios.testing.security import KeptSecurityEvents

GOOD = "correct horse"


class Accounts:
    """The port ``Credentials``, by name; the actor is ``user-<name>``."""

    def __init__(self, **hashes: str | None) -> None:
        self.hashes = hashes
        self.asked: list[str] = []

    async def find(self, name: str) -> Credential | None:
        self.asked.append(name)
        if name not in self.hashes:
            return None
        return Credential(f"user-{name}", self.hashes[name])

    async def replace(self, actor: str, stored_hash: str, *, instead_of: str) -> None:
        name = actor.removeprefix("user-")
        if self.hashes[name] == instead_of:
            self.hashes[name] = stored_hash


class Asked:
    """A store of rates that takes down what it was asked."""

    def __init__(self) -> None:
        self.calls: list[Sequence[Hit]] = []
        self._memory = MemoryCounters(clock=lambda: self.now)
        self.now = 0.0

    async def hit(self, hits: Sequence[Hit]) -> Sequence[Decision]:
        self.calls.append(hits)
        return await self._memory.hit(hits)


@dataclass
class Door:
    """A login with everything around it."""

    accounts: Accounts
    hasher: FastPasswords = field(default_factory=FastPasswords)
    counters: Asked = field(default_factory=Asked)
    events: KeptSecurityEvents = field(default_factory=KeptSecurityEvents)

    def login(self, counters: CounterStore | None = None) -> PasswordLogin:
        store = self.counters if counters is None else counters
        return PasswordLogin(self.accounts, self.hasher, store, self.events)


async def door() -> Door:
    """Return the door of Ada, who has a password, and Bob, who has none."""
    hasher = FastPasswords()
    made = Door(Accounts(ada=await hasher.hash(GOOD), bob=None), hasher)
    hasher.hashed = 0
    return made
