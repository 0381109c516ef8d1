"""A customer of a running shop, over HTTP and WebSocket in this process."""

from contextlib import AbstractAsyncContextManager
from typing import Any
from uuid import uuid4

from nexios.testing.client import AsyncTestClient
from nexios.testing.sockets import SocketSession

DECIDED = frozenset({"confirmed", "rejected"})


class Visitor:
    """Somebody who orders."""

    def __init__(self, client: AsyncTestClient) -> None:
        self.client = client
        self.id = str(uuid4())
        self._opened = 0

    async def draft(self, *lines: tuple[str, int]) -> str:
        """Open an order with these lines; return its id."""
        self._opened += 1
        body = {"customer": self.id, "number": f"{self.id}/{self._opened}"[-40:]}
        answer = await self.client.post("/orders", json=body)
        assert answer.status_code == 201, answer.text
        order: str = answer.json()["id"]
        for sku, qty in lines:
            path = f"/orders/{order}/lines/{sku}"
            answer = await self.client.put(path, json={"qty": qty})
            assert answer.status_code == 200, answer.text
        return order

    async def get(self, path: str) -> Any:
        """Return the JSON of a page that has to be there."""
        answer = await self.client.get(path)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def on_hand(self, sku: str) -> int:
        """Return how many of a product there are."""
        return int((await self.get(f"/products/{sku}"))["on_hand"])

    def follow(self, order: str) -> AbstractAsyncContextManager[SocketSession]:
        """Connect to the news of an order."""
        return self.client.websocket_connect(f"/ws/orders/{order}")

    async def place(self, order: str) -> str:
        """Place an order and return what became of it: also ``refused``, at once."""
        async with self.follow(order) as socket:
            answer = await self.client.post(f"/orders/{order}/place")
            if answer.status_code == 409:
                return "refused"
            assert answer.status_code == 202, answer.text
            return (await told(socket))[-1]


async def told(socket: SocketSession) -> list[str]:
    """Return the statuses a socket tells up to the decision, repeats left out."""
    statuses: list[str] = []
    while not statuses or statuses[-1] not in DECIDED:
        status: str = (await socket.receive_json())["status"]
        if status not in statuses:
            statuses.append(status)
    return statuses
