"""What a handler sees of the session of its client: a mapping that notes what happens to it."""

import json
from collections.abc import Iterator, Mapping, MutableMapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

MAX_BYTES: Final = 64 * 1024


class SessionReadOnly(TypeError):
    """A session was changed where it cannot be kept."""

    def __str__(self) -> str:
        return (
            "the session of a socket cannot be changed: its cookie was sent before\n"
            "  fix: change it in a request, before or beside the socket"
        )


class UnstorableSession(TypeError):
    """A session holds what has no JSON form, or too much of it."""

    def __init__(self, says: str) -> None:
        self.says = says
        super().__init__(says)

    def __str__(self) -> str:
        return f"the session cannot be kept: {self.says}"


class Session(MutableMapping[str, Any]):
    """JSON values that are kept for one client between its requests.

    Changes deep inside a value are noticed too: what counts is its JSON at the end.

    Attributes:
        id: What `Sessions` calls it, and a revocation one in a signed cookie; None before it is
            kept.
        actor: Who proved to be in it; None for nobody.
        accessed: Somebody asked for anything.
        deleted: It is to end with this request.
        renewed: It is to go on under a new id.
        ends_in_s: Seconds it has left, where somebody said so.
        server_side: Its content stays with us: the client has nothing but its id.
    """

    __slots__ = (
        "_broken",
        "_data",
        "_kept",
        "_read_only",
        "accessed",
        "actor",
        "deleted",
        "ends_in_s",
        "id",
        "renewed",
        "server_side",
    )

    def __init__(
        self,
        data: Mapping[str, Any] | None = None,
        *,
        id: str | None = None,
        actor: str | None = None,
        broken: Exception | None = None,
        read_only: bool = False,
    ) -> None:
        """Begin with what was kept.

        Args:
            data: JSON values, taken over as they are.
            id: See above.
            actor: See above.
            broken: What every use raises: the store did not answer.
            read_only: Refuse changes.
        """
        self._data: dict[str, Any] = dict(data or {})
        self._kept = json.dumps(self._data)
        self._broken = broken
        self._read_only = read_only
        self.id: str | None = id
        self.actor = actor
        self.accessed = False
        self.deleted = False
        self.renewed = False
        self.ends_in_s: float | None = None
        self.server_side = False

    def __getitem__(self, key: str) -> Any:
        return self._touched()[key]

    def __setitem__(self, key: str, value: Any) -> None:
        self._changing()[key] = value

    def __delitem__(self, key: str) -> None:
        del self._changing()[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._touched())

    def __len__(self) -> int:
        return len(self._touched())

    def __repr__(self) -> str:
        # Never its content: it may hold secrets.
        return f"<Session with {len(self._data)} keys>"

    @property
    def modified(self) -> bool:
        """Whether anything in it is not as it was kept."""
        return self.accessed and self.text() != self._kept

    @property
    def emptied(self) -> bool:
        """Whether it is to be ended: deleted, or nothing is left in it."""
        return self.deleted or (self.modified and not len(self))

    def text(self) -> str:
        """Return it as JSON.

        Raises:
            UnstorableSession: Something has no JSON form, or it is over 64 KiB.
        """
        try:
            text = json.dumps(self._data, allow_nan=False)
        except (TypeError, ValueError) as error:
            raise UnstorableSession(str(error)) from error
        if len(text) > MAX_BYTES:
            raise UnstorableSession(f"it is over {MAX_BYTES} bytes of JSON")
        return text

    def changes(self) -> dict[str, tuple[Any, Any]]:
        """Return for each key that differs what was kept and what is there; None for absent."""
        kept = json.loads(self._kept)
        now = json.loads(self.text())
        return {
            key: (kept.get(key), now.get(key))
            for key in kept.keys() | now.keys()
            if kept.get(key) != now.get(key) or (key in kept) != (key in now)
        }

    def peek(self, key: str) -> Any:
        """Return a value, or None; only one that is there makes the answer depend on it."""
        if self._broken is not None:
            raise self._broken
        return self[key] if key in self._data else None

    def regenerate_id(self) -> None:
        """Go on under a new id from this request on: whoever knew the old one is out."""
        self._changing()
        self.renewed = True

    def clear(self) -> None:
        """Take everything out of it."""
        self._changing().clear()

    def invalidate(self) -> None:
        """End it: nothing is left, here or in the store."""
        self._changing().clear()
        self.actor = None
        self.deleted = True

    # 2.11's names

    def get_session(self, key: str) -> Any:
        """Return a value, or None."""
        return self.get(key)

    def set_session(self, key: str, value: Any) -> None:
        """Set a value."""
        self[key] = value

    def delete_session(self, key: str) -> None:
        """Take a value out; an absent one is no error."""
        self.pop(key, None)

    def get_all(self) -> dict[str, Any]:
        """Return all of it, a copy."""
        return dict(self._touched())

    def is_empty(self) -> bool:
        """Whether there is nothing in it."""
        return not self._touched()

    def set_expiry(self, seconds: float) -> None:
        """Let it end in so many seconds."""
        self._changing()
        self.ends_in_s = seconds

    def set_expiration_time(self, moment: datetime) -> None:
        """Let it end at a moment; one without a zone is UTC."""
        at = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        self.set_expiry((at - datetime.now(UTC)) / timedelta(seconds=1))

    def has_expired(self) -> bool:
        """Whether it was told to end, and that is over."""
        return self.ends_in_s is not None and self.ends_in_s <= 0

    def _touched(self) -> dict[str, Any]:
        if self._broken is not None:
            raise self._broken
        self.accessed = True
        return self._data

    def _changing(self) -> dict[str, Any]:
        if self._read_only:
            raise SessionReadOnly
        return self._touched()
