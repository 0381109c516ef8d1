"""From the shelf to the decision, as a customer sees it."""

import anyio
import pytest

from examples.shop.main import shop
from examples.shop.orders.application.announcing import OrderFeed
from examples.shop.orders.application.stock import Stock
from examples.shop.seeding import GOODS
from examples.shop.tests.support.memory import HeardFeed
from examples.shop.tests.support.wire import Visitor, told
from nexios import MakeConfig, NexiosApp
from nexios.testing.client import AsyncTestClient
from nexios.testing.sockets import SocketDenied

pytestmark = pytest.mark.asyncio


async def test_the_seeded_goods_page_by_page(visitor: Visitor) -> None:
    seen: list[str] = []
    after = ""
    while True:
        page = await visitor.get(f"/products?limit=2{after}")
        seen += [product["sku"] for product in page["items"]]
        if page["next"] is None:
            break
        after = f"&after={page['next']}"
    assert sorted(seen) == sorted(goods.sku for goods in GOODS)
    assert await visitor.get("/products/tea") == {
        "sku": "tea",
        "name": "Assam tea, 100 g",
        "price": {"amount": "7.9000", "currency": "EUR"},
        "on_hand": 40,
    }


async def test_an_order_is_followed_to_its_end(visitor: Visitor) -> None:
    order = await visitor.draft(("tea", 2), ("mug", 1))
    async with visitor.follow(order) as socket:
        assert await socket.receive_json() == {"order": order, "status": "draft", "reason": ""}

        answer = await visitor.client.post(f"/orders/{order}/place")

        assert (answer.status_code, answer.json()["status"]) == (202, "placed")
        assert await told(socket) == ["placed", "confirmed"]
    # Whoever heard "confirmed" sees the lowered stock: both were committed together.
    assert (await visitor.on_hand("tea"), await visitor.on_hand("mug")) == (38, 7)
    found = await visitor.get(f"/orders/{order}")
    assert found["status"] == "confirmed"
    assert found["total"] == {"amount": "29.8000", "currency": "EUR"}
    assert [line["sku"] for line in found["lines"]] == ["tea", "mug"]


async def test_who_comes_late_is_told_where_it_stands(visitor: Visitor) -> None:
    order = await visitor.draft(("tea", 1))
    await visitor.place(order)
    async with visitor.follow(order) as socket:
        assert (await socket.receive_json())["status"] == "confirmed"


async def test_all_who_watch_an_order_hear_of_it_and_nobody_else(visitor: Visitor) -> None:
    order, other = await visitor.draft(("tea", 1)), await visitor.draft(("tea", 1))
    async with (
        visitor.follow(order) as one,
        visitor.follow(order) as two,
        visitor.follow(other) as elsewhere,
    ):
        for socket in (one, two, elsewhere):  # who is told late begins with a later status
            assert (await socket.receive_json())["status"] == "draft"
        await visitor.client.post(f"/orders/{order}/place")
        assert await told(one) == ["placed", "confirmed"]
        assert await told(two) == ["placed", "confirmed"]
        await visitor.client.post(f"/orders/{other}/place")
        assert await told(elsewhere) == ["placed", "confirmed"]
        assert elsewhere.buffered == 0


async def test_eight_orders_at_once_for_five_pots(visitor: Visitor) -> None:
    orders = [await visitor.draft(("pot", 1), ("tea", 1)) for _ in range(8)]
    ends: list[str] = []

    async def place(order: str) -> None:
        ends.append(await visitor.place(order))

    async with anyio.create_task_group() as tasks:
        for order in orders:
            tasks.start_soon(place, order)

    assert ends.count("confirmed") == 5
    assert ends.count("rejected") + ends.count("refused") == 3
    # A rejected order took nothing, not even the tea that was there.
    assert (await visitor.on_hand("pot"), await visitor.on_hand("tea")) == (0, 35)


async def test_a_customer_sees_their_orders_only(visitor: Visitor) -> None:
    mine = sorted([await visitor.draft() for _ in range(3)])
    await Visitor(visitor.client).draft()
    first = await visitor.get(f"/orders?customer={visitor.id}&limit=2")
    rest = await visitor.get(f"/orders?customer={visitor.id}&after={first['next']}")
    assert [order["id"] for order in first["items"] + rest["items"]] == mine
    assert rest["next"] is None


async def test_a_new_order_says_where_it_is(visitor: Visitor) -> None:
    body = {"customer": visitor.id, "number": "n-1"}
    answer = await visitor.client.post("/orders", json=body)
    assert answer.headers["location"] == f"/orders/{answer.json()['id']}"
    assert (await visitor.get(answer.headers["location"]))["number"] == "n-1"


async def test_the_socket_of_an_unknown_order_is_refused(visitor: Visitor) -> None:
    for order, status in (("01890a5d-ac96-774b-bcce-b302099a8057", 404), ("nonsense", 404)):
        with pytest.raises(SocketDenied) as refusal:
            async with visitor.follow(order):
                pass
        assert refusal.value.status == status
        assert refusal.value.headers["content-type"] == "application/problem+json"


async def test_what_was_placed_before_a_restart_is_decided_after_it(url: str) -> None:
    silent = shop(MakeConfig(database_url=url, outbox={"in_process": False}))
    async with AsyncTestClient(silent) as client:
        visitor = Visitor(client)
        order = await visitor.draft(("mug", 3))
        assert (await client.post(f"/orders/{order}/place")).status_code == 202
        assert await visitor.on_hand("mug") == 8
        assert (await visitor.get(f"/orders/{order}"))["status"] == "placed"

    async with AsyncTestClient(shop(MakeConfig(database_url=url))) as client:
        visitor = Visitor(client)
        async with visitor.follow(order) as socket:
            assert (await told(socket))[-1] == "confirmed"
        assert await visitor.on_hand("mug") == 5
        # Seeded again at the second start: nothing twice, nothing refilled.
        assert len((await visitor.get("/products"))["items"]) == len(GOODS)


async def test_a_port_is_replaced_for_a_test(client: AsyncTestClient, visitor: Visitor) -> None:
    app = client.app
    assert isinstance(app, NexiosApp)

    class EmptyShelf(Stock):
        async def offers(self, skus: object) -> dict[str, object]:
            return {}

    order = await visitor.draft(("tea", 1))
    with app.override(Stock).value(EmptyShelf()):
        answer = await client.post(f"/orders/{order}/place")
    assert answer.status_code == 409
    assert answer.json()["type"] == "urn:nexios:problem:out-of-stock"
    assert answer.json()["details"] == {"skus": ["tea"]}
    assert await visitor.place(order) == "confirmed"


async def test_a_feed_that_fails_once_is_told_again(
    client: AsyncTestClient, visitor: Visitor
) -> None:
    app = client.app
    assert isinstance(app, NexiosApp)
    heard = HeardFeed()
    decided = anyio.Event()

    class Flaky(OrderFeed):
        calls = 0

        async def moved(self, order, status, reason, *, key) -> None:
            self.calls += 1
            if self.calls == 1:
                raise ConnectionError("the feed is away")
            await heard.moved(order, status, reason, key=key)
            if status.value == "confirmed":
                decided.set()

    order = await visitor.draft(("tea", 1))
    with app.override(OrderFeed).value(Flaky()), anyio.fail_after(15):
        await client.post(f"/orders/{order}/place")
        await decided.wait()
    assert [status.value for _, status, _, _ in heard.told] == ["placed", "confirmed"]
    assert await visitor.on_hand("tea") == 39


async def test_an_order_sent_twice_under_one_key_is_one_order(visitor: Visitor) -> None:
    body = {"customer": visitor.id, "number": "twice-1"}
    field = {"Idempotency-Key": '"7f3c-1"'}

    first = await visitor.client.post("/orders", json=body, headers=field)
    again = await visitor.client.post("/orders", json=body, headers=field)

    assert (first.status_code, again.status_code) == (201, 201)
    assert again.json() == first.json()
    assert again.headers["location"] == first.headers["location"]
    page = await visitor.get(f"/orders?customer={visitor.id}")
    assert len(page["items"]) == 1

    other = await visitor.client.post("/orders", json=body | {"number": "n2"}, headers=field)
    assert other.status_code == 422
    assert other.json()["type"] == "urn:nexios:problem:key-reused"


async def test_who_read_an_old_version_changes_nothing(visitor: Visitor) -> None:
    client = visitor.client
    order = await visitor.draft(("tea", 1))
    read = await client.get(f"/orders/{order}")
    tag = read.headers["etag"]
    assert tag == f'"v{read.json()["version"]}"'
    unchanged = await client.get(f"/orders/{order}", headers={"If-None-Match": tag})
    assert unchanged.status_code == 304

    path = f"/orders/{order}/lines/mug"
    first = await client.put(path, json={"qty": 1}, headers={"If-Match": tag})
    assert first.status_code == 200
    assert first.headers["etag"] != tag
    second = await client.put(path, json={"qty": 2}, headers={"If-Match": tag})
    assert second.status_code == 412
    assert second.json()["type"] == "urn:nexios:problem:conflict"
    assert second.json()["details"] == {"expected": 2, "current": 3}
    for condition in (first.headers["etag"], f"W/{first.headers['etag']}"):
        again = await client.put(path, json={"qty": 3}, headers={"If-Match": condition})
        assert again.status_code == (200 if condition == first.headers["etag"] else 412)
    anyhow = await client.put(path, json={"qty": 4}, headers={"If-Match": "*"})
    assert anyhow.status_code == 200
    odd = await client.put(path, json={"qty": 5}, headers={"If-Match": '"abc"'})
    assert odd.status_code == 412
    found = await visitor.get(f"/orders/{order}")
    assert [line["qty"] for line in found["lines"] if line["sku"] == "mug"] == [4]
