"""A cluster of Redis or Valkey, 7 or newer: each topic on the node that has its slot."""

import asyncio
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, Final
from urllib.parse import urlsplit

from nexios.adapters.messaging.links import Backoff, LinkBoard, ended
from nexios.adapters.messaging.redis_ear import AWAY, RedisEar
from nexios.adapters.messaging.redis_link import LinkScript, Moved, RedisLink, place_of, slot_of
from nexios.application.backplane import Link, LinkState
from nexios.application.errors import OutcomeUnknown, Unavailable

SCHEME: Final = "redis+cluster"
_PORT: Final = 6379
_KEY_AT: Final = {"EVAL": 3, "EVALSHA": 3}
_MOVES: Final = 3


class RedisCluster:
    """Connections to the masters of a cluster; a command goes to the one that has its key.

    Args:
        url: ``redis+cluster://host:6379,host:6379``: some of its nodes, which name the others.
            Account and query hold for all nodes.
        needed_by: The class that asks, for the text of a missing library.

    Raises:
        ImportError: The extra ``redis`` is not installed.
        ValueError: The URL is none.
    """

    def __init__(self, url: str, *, needed_by: str) -> None:
        place, _, query = url.removeprefix(f"{SCHEME}://").partition("?")
        names, _, path = place.partition("/")
        account, at, hosts = names.rpartition("@")
        if not hosts or path not in ("", "0"):
            raise ValueError(
                "a URL of a cluster names some of its nodes, and no database:"
                " redis+cluster://host:6379,host:6379"
            )
        self._form = f"redis://{account}{at}{{}}/0?{query}"
        self._needed_by = needed_by
        parts = [urlsplit(f"//{host}") for host in hosts.split(",")]
        self._seeds = [place_of(part.hostname or "", part.port or _PORT) for part in parts]
        self._nodes: dict[str, RedisLink] = {}
        self._owners: list[tuple[int, int, str]] = []
        for seed in self._seeds:
            self.node(seed)

    @property
    def masters(self) -> frozenset[str]:
        """Who has slots, as far as is known."""
        return frozenset(owner for _, _, owner in self._owners)

    def node(self, address: str) -> RedisLink:
        """Return the connections to one node."""
        known = self._nodes.get(address)
        if known is None:
            url = self._form.format(address)
            known = self._nodes[address] = RedisLink(url, needed_by=self._needed_by)
        return known

    async def owner(self, name: str) -> str:
        """Return who has the slot of a key or channel.

        Raises:
            Unavailable: Nobody has it, or nobody can be asked.
        """
        if not self._owners:
            await self.learn()
        slot = slot_of(name)
        for first, last, address in self._owners:
            if first <= slot <= last:
                return address
        self._owners = []  # asked again with the next call
        raise Unavailable("no node of the message broker has this", retry_after_s=1.0)

    async def learn(self) -> None:
        """Ask the nodes, one after the other, who has which slots.

        Raises:
            Unavailable: None of them knows.
        """
        for address in dict.fromkeys([*self.masters, *self._nodes, *self._seeds]):
            try:
                told = await self.node(address).call("CLUSTER", "SLOTS")
            except (Unavailable, OutcomeUnknown):
                continue
            if told:
                asked = address.rpartition(":")[0]
                self._owners = [
                    (first, last, place_of(master[0].decode() or asked, master[1]))
                    for first, last, master, *_ in told
                ]
                return
        raise Unavailable(AWAY, retry_after_s=1.0)

    async def call(self, *command: object, wait_s: float = 0.0) -> Any:
        """Return the answer to a command of one key; as `RedisLink.call`.

        Raises:
            Unavailable: Nothing was done.
            OutcomeUnknown: The node was asked and did not answer.
        """
        key = str(command[_KEY_AT.get(str(command[0]), 1)])
        address, asking = await self.owner(key), False
        for _ in range(_MOVES):
            try:
                return await self.node(address).call(*command, wait_s=wait_s, asking=asking)
            except Moved as moved:  # it was not run
                address, asking = moved.address, moved.only_asked
                if not asking:
                    await self.learn()
            except (Unavailable, OutcomeUnknown):
                self._owners = []  # another may be master now: asked with the next call
                raise
        raise Unavailable("the message broker moves its slots", retry_after_s=1.0)

    def script(self, text: str) -> LinkScript:
        """Return Lua that runs on the node of its keys as one step."""
        return LinkScript(self, text)

    def ear(self, heard: Callable[[bytes, bytes], None], board: LinkBoard) -> "ClusterEar":
        """Return lines of their own, one to each master, that hear published messages."""
        return ClusterEar(self, heard, board)

    async def close(self) -> None:
        """Close all connections."""
        for node in self._nodes.values():
            await node.close()


class ClusterEar:
    """A line to each master. UP is told when all of them hear, and hear what is wanted of them.

    Args:
        cluster: Says who has a channel.
        heard: Called with channel and message, on the loop, one at a time.
        board: Told of the state.
    """

    def __init__(
        self, cluster: RedisCluster, heard: Callable[[bytes, bytes], None], board: LinkBoard
    ) -> None:
        self._cluster = cluster
        self._heard = heard
        self._board = board
        self._ears: dict[str, tuple[RedisEar, LinkBoard]] = {}
        self._homes: dict[str, str] = {}
        self._ill = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    @property
    def subscriptions(self) -> int:
        """How many channels are followed."""
        return len(self._homes)

    async def start(self) -> None:
        """Connect to each master for the first time; from then on the lines are kept up.

        Raises:
            Unavailable: One of them cannot be reached.
        """
        await self._cluster.learn()
        try:
            await self._meet(self._cluster.masters)
        except Unavailable:
            await self._end(tuple(self._ears))
            raise
        self._task = asyncio.create_task(self._keep(), name="nexios redis cluster")
        self._board.tell(LinkState.UP)

    async def close(self) -> None:
        """End it."""
        await ended(self._task)
        self._task = None
        await self._end(tuple(self._ears))
        self._board.up = False

    async def subscribe(self, channel: str) -> None:
        """Hear a channel from now on.

        Raises:
            Unavailable: Its line is down; it will hear it when it is up again.
        """
        self._homes[channel] = ""
        home = await self._cluster.owner(channel)
        self._homes[channel] = home
        ear = self._ears.get(home)
        if ear is None:
            self._fall(home, "a node that is new")
            raise Unavailable(AWAY, retry_after_s=1.0)
        await ear[0].subscribe(channel)

    async def unsubscribe(self, channel: str) -> None:
        """Hear a channel no more."""
        ear = self._ears.get(self._homes.pop(channel, ""))
        if ear is not None:
            await ear[0].unsubscribe(channel)

    async def _meet(self, masters: Iterable[str]) -> None:
        for address in masters:
            if address not in self._ears:
                board = LinkBoard()
                ear = self._cluster.node(address).ear(self._heard, board, sharded=True)
                await ear.start()
                self._ears[address] = (ear, board)
                board.listen(partial(self._changed, address))

    async def _end(self, addresses: Iterable[str]) -> None:
        for address in addresses:
            ear, _ = self._ears.pop(address)
            await ear.close()

    def _changed(self, address: str, link: Link) -> None:
        if link.state is LinkState.UP:
            self._ill.set()
        elif address in self._ears:
            self._fall(address, link.reason)

    def _fall(self, address: str, reason: str) -> None:
        self._board.tell(LinkState.DEGRADED, f"{address}: {reason}")
        self._ill.set()

    async def _keep(self) -> None:
        """Bring each channel to the line of who has it, whenever one was lost."""
        while True:
            await self._ill.wait()
            backoff = Backoff()
            while not await self._is_well():
                await backoff.wait()
            self._board.tell(LinkState.UP)

    async def _is_well(self) -> bool:
        self._ill.clear()
        try:
            await self._cluster.learn()
            masters = self._cluster.masters
            await self._end([address for address in self._ears if address not in masters])
            await self._meet(masters)
            for channel, home in tuple(self._homes.items()):
                await self._move(channel, home)
        except (Unavailable, OutcomeUnknown):
            return False
        return all(board.up for _, board in self._ears.values())

    async def _move(self, channel: str, home: str) -> None:
        owner = await self._cluster.owner(channel)
        if channel not in self._homes:
            return
        if owner == home and self._ears[owner][0].wants(channel):
            return
        if home in self._ears:
            self._ears[home][0].forget(channel)
        self._homes[channel] = owner
        try:
            await self._ears[owner][0].subscribe(channel)
        except Unavailable:
            self._homes[channel] = ""
            raise
