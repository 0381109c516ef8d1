"""Calls a running shop over HTTP and WebSocket and compares the answers.

    python -m examples.shop.check http://127.0.0.1:8000

One line for each step; exit code 1 and the difference at the first wrong answer. It may run
again and again on one database: it restocks what it takes.
"""

import asyncio
import json
import sys
from collections.abc import Callable
from typing import Any, Final
from uuid import uuid4

import httpx2
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidStatus, WebSocketException

DEADLINE_S: Final = 15.0
PROBLEM: Final = "application/problem+json"
SKU: Final = "last-mug"


class Mismatch(Exception):
    """The shop answered something else than it should."""


class Shop:
    """The running shop, as a customer sees it."""

    def __init__(self, base: str, http: httpx2.AsyncClient) -> None:
        self.base = base.rstrip("/")
        self.http = http
        self.customer = str(uuid4())

    async def call(self, expected: int, method: str, path: str, **options: Any) -> Any:
        """Send a request and return the JSON of the answer, which must have this status."""
        answer = await self.http.request(method, self.base + path, **options)
        said = f"{method} {path}: {answer.text[:300]}"
        same(said, expected, answer.status_code)
        if expected >= 400:
            kind = answer.headers.get("content-type", "").partition(";")[0]
            same(f"content type of {said}", PROBLEM, kind)
            same(f"status in the body of {said}", expected, answer.json()["status"])
        return answer.json()

    async def draft(self, *lines: tuple[str, int]) -> str:
        """Open an order with these lines and return its id."""
        number = f"check-{uuid4().hex[:12]}"
        body = {"customer": self.customer, "number": number}
        order: str = (await self.call(201, "POST", "/orders", json=body))["id"]
        for sku, qty in lines:
            await self.call(200, "PUT", f"/orders/{order}/lines/{sku}", json={"qty": qty})
        return order

    async def on_hand(self, sku: str) -> int:
        """Return how many of a product there are now."""
        product = await self.call(200, "GET", f"/products/{sku}")
        return int(product["on_hand"])

    def follow(self, order: str) -> connect:
        """Return the socket that tells about an order, not yet open."""
        return connect(f"ws{self.base.removeprefix('http')}/ws/orders/{order}")


def same(what: str, expected: object, got: object) -> None:
    """Refuse to go on when ``got`` is not what was expected."""
    if expected != got:
        raise Mismatch(f"{what}\n  expected {expected!r}\n  got      {got!r}")


async def told(socket: ClientConnection, *, until: Callable[[str], bool]) -> list[str]:
    """Return the statuses that the socket tells, each once, up to the one waited for."""
    statuses: list[str] = []
    while not statuses or not until(statuses[-1]):
        try:
            status = json.loads(await asyncio.wait_for(socket.recv(), DEADLINE_S))["status"]
        except TimeoutError:
            raise Mismatch(f"no news within {DEADLINE_S:.0f} s, after {statuses}") from None
        if status not in statuses:
            statuses.append(status)
    return statuses


def decided(status: str) -> bool:
    """Return whether an order with this status moves no more."""
    return status in {"confirmed", "rejected"}


async def browse(shop: Shop) -> None:
    seen: list[str] = []
    after: str | None = None
    while True:
        params = {"limit": "2"} if after is None else {"limit": "2", "after": after}
        page = await shop.call(200, "GET", "/products", params=params)
        seen += [product["sku"] for product in page["items"]]
        after = page["next"]
        if after is None:
            break
    same("each product once", len(seen), len(set(seen)))
    same("seeded products", True, {"tea", "coffee", "pot", "mug", SKU} <= set(seen))
    same("tea", "7.9", (await shop.call(200, "GET", "/products/tea"))["price"]["amount"][:3])
    problem = await shop.call(404, "GET", "/products/no-such-thing")
    same("type", "urn:nexios:problem:not-found", problem["type"])


async def misuse(shop: Shop) -> None:
    order = await shop.draft()
    text = {"content-type": "text/plain"}
    kind = {"content-type": "application/json"}
    await shop.call(400, "POST", "/orders", content=b'{"number": ', headers=kind)
    await shop.call(415, "POST", "/orders", content=b"{}", headers=text)
    await shop.call(405, "DELETE", f"/orders/{order}")
    await shop.call(404, "GET", f"/orders/{uuid4()}")
    await shop.call(404, "GET", "/orders/not-an-id")
    await shop.call(409, "POST", f"/orders/{order}/place")
    await shop.call(404, "PUT", f"/orders/{order}/lines/no-such-thing", json={"qty": 1})
    await shop.call(422, "PUT", f"/orders/{order}/lines/tea", json={"qty": 0})
    await shop.call(422, "GET", "/orders", params={"customer": "nobody"})
    await shop.call(422, "GET", "/products", params={"after": "not a cursor"})
    problem = await shop.call(422, "POST", "/orders", json={"customer": 7, "extra": 1})
    same("fields", {"customer", "number", "extra"}, {e["name"] for e in problem["errors"]})
    number = (await shop.call(200, "GET", f"/orders/{order}"))["number"]
    again = {"customer": shop.customer, "number": number}
    await shop.call(409, "POST", "/orders", json=again)


async def place(shop: Shop) -> None:
    await shop.call(201, "POST", "/products/tea/deliveries", json={"qty": 3})
    order = await shop.draft(("tea", 2), ("tea", 3))
    before = await shop.on_hand("tea")
    async with shop.follow(order) as socket:
        same("first news", ["draft"], await told(socket, until=lambda status: status == "draft"))
        placed = await shop.call(202, "POST", f"/orders/{order}/place")
        same("status", "placed", placed["status"])
        same("news", ["placed", "confirmed"], await told(socket, until=decided))
    same("tea on hand", before - 3, await shop.on_hand("tea"))
    same("order", "confirmed", (await shop.call(200, "GET", f"/orders/{order}"))["status"])
    await shop.call(409, "POST", f"/orders/{order}/place")
    await shop.call(409, "PUT", f"/orders/{order}/lines/tea", json={"qty": 1})


async def race(shop: Shop) -> None:
    if not (left := await shop.on_hand(SKU)):
        await shop.call(201, "POST", f"/products/{SKU}/deliveries", json={"qty": 1})
        left = 1
    orders = [await shop.draft((SKU, left)), await shop.draft((SKU, left))]
    async with shop.follow(orders[0]) as first, shop.follow(orders[1]) as second:

        async def ask(order: str, socket: ClientConnection) -> str:
            answer = await shop.http.post(f"{shop.base}/orders/{order}/place")
            if answer.status_code == 409:
                return "refused"
            same(f"placing: {answer.text[:300]}", 202, answer.status_code)
            return (await told(socket, until=decided))[-1]

        ends = await asyncio.gather(ask(orders[0], first), ask(orders[1], second))
    same("one has it", 1, ends.count("confirmed"))
    same("the other has not", 1, ends.count("rejected") + ends.count("refused"))
    same("left", 0, await shop.on_hand(SKU))
    await shop.call(201, "POST", f"/products/{SKU}/deliveries", json={"qty": left})


async def mine(shop: Shop) -> None:
    first = await shop.call(
        200, "GET", "/orders", params={"customer": shop.customer, "limit": "2"}
    )
    same("orders on the page", 2, len(first["items"]))
    params = {"customer": shop.customer, "limit": "100", "after": first["next"]}
    rest = await shop.call(200, "GET", "/orders", params=params)
    orders = [*first["items"], *rest["items"]]
    same("orders", 4, len({order["id"] for order in orders}))
    same("customers", {shop.customer}, {order["customer"] for order in orders})
    nobody = await shop.call(200, "GET", "/orders", params={"customer": str(uuid4())})
    same("a stranger's orders", [], nobody["items"])


async def strangers(shop: Shop) -> None:
    try:
        async with shop.follow(str(uuid4())):
            raise Mismatch("a socket for an unknown order was accepted")
    except InvalidStatus as refusal:
        same("handshake", 404, refusal.response.status_code)


STEPS: Final = (
    ("products: pages of the catalog, one product, 404 for one we do not sell", browse),
    ("bad input: 400, 404, 405, 409, 415, 422, all as problem+json", misuse),
    ("an order: draft, placed, confirmed over the socket; the stock is lowered", place),
    ("two orders for all that is left: one confirmed, the other rejected or refused", race),
    ("a customer's orders, page by page, nobody else's", mine),
    ("the socket of an order that is not there is refused with 404", strangers),
)


async def check(base: str) -> int:
    """Run all steps and return the exit code."""
    async with httpx2.AsyncClient(timeout=DEADLINE_S) as http:
        shop = Shop(base, http)
        for title, step in STEPS:
            try:
                await step(shop)
            except Mismatch as mismatch:
                print(f"FAILED  {title}\n{mismatch}", file=sys.stderr)
                return 1
            except (httpx2.HTTPError, WebSocketException, OSError) as error:
                print(f"FAILED  {title}\n{base}: {error!r}", file=sys.stderr)
                return 1
            print(f"ok  {title}", flush=True)
    return 0


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python -m examples.shop.check BASE_URL")
    sys.exit(asyncio.run(check(sys.argv[1])))
