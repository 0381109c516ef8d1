"""Bad input is the client's fault and says so: problem+json, no 500, no inside shown."""

from typing import Any

import pytest

from examples.shop.tests.support.wire import Visitor

pytestmark = pytest.mark.asyncio

JSON = {"content-type": "application/json"}
NOBODY = "01890a5d-ac96-774b-bcce-b302099a8057"

MISUSE = [
    ("GET", "/products/spoon", {}, 404),
    ("GET", "/products/NOT-A-SKU", {}, 422),
    ("GET", "/products?limit=0", {}, 422),
    ("GET", "/products?limit=1e9", {}, 422),
    ("GET", "/products?after=%00", {}, 422),
    ("GET", "/products/%00", {}, 400),
    ("DELETE", "/products", {}, 405),
    ("POST", "/products/tea/deliveries", {"json": {"qty": 0}}, 422),
    ("POST", "/products/tea/deliveries", {"json": {"qty": 10**30}}, 409),
    ("POST", "/products/tea/deliveries", {"json": {"qty": 10**6}}, 409),
    ("GET", "/orders", {}, 422),
    ("GET", "/orders?customer=me", {}, 422),
    ("GET", f"/orders/{NOBODY}", {}, 404),
    ("GET", "/orders/not-an-id", {}, 404),
    ("GET", "/no/such/page", {}, 404),
    ("POST", "/orders", {"content": b"", "headers": JSON}, 422),
    ("POST", "/orders", {"content": b"{", "headers": JSON}, 400),
    ("POST", "/orders", {"content": b"\xff\xfe", "headers": JSON}, 400),
    ("POST", "/orders", {"content": b"[" * 100_000, "headers": JSON}, 400),
    ("POST", "/orders", {"content": b" " * (3 * 2**20), "headers": JSON}, 413),
    ("POST", "/orders", {"content": b"{}", "headers": {"content-type": "text/plain"}}, 415),
    ("POST", "/orders", {"json": []}, 422),
    ("POST", "/orders", {"json": {"customer": NOBODY, "number": "a\x00b"}}, 422),
    ("POST", "/orders", {"json": {"customer": NOBODY, "number": "ok", "admin": True}}, 422),
    ("POST", f"/orders/{NOBODY}/place", {}, 404),
    ("PUT", f"/orders/{NOBODY}/lines/tea", {"json": {"qty": 1}}, 404),
]


@pytest.mark.parametrize(("method", "path", "options", "status"), MISUSE)
async def test_bad_input(
    visitor: Visitor, method: str, path: str, options: dict[str, Any], status: int
) -> None:
    answer = await visitor.client.request(method, path, **options)

    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert problem["status"] == status
    for inside in ("Traceback", "sqlalchemy", "examples.shop", "SELECT", "Sql", "orders_"):
        assert inside not in answer.text


@pytest.mark.parametrize("qty", [0, -1, 1001, 10**30, "many", None, 1.5])
async def test_a_strange_quantity(visitor: Visitor, qty: object) -> None:
    order = await visitor.draft()
    path = f"/orders/{order}/lines/tea"
    answer = await visitor.client.put(path, json={"qty": qty})
    assert answer.status_code == 422, answer.text
    assert (await visitor.get(f"/orders/{order}"))["lines"] == []


async def test_a_taken_number_is_a_conflict(visitor: Visitor) -> None:
    body = {"customer": visitor.id, "number": "mine"}
    assert (await visitor.client.post("/orders", json=body)).status_code == 201
    answer = await visitor.client.post("/orders", json=body)
    assert answer.status_code == 409
    assert answer.json()["detail"] == "the order number is taken"


async def test_a_placed_order_does_not_change(visitor: Visitor) -> None:
    order = await visitor.draft(("tea", 1))
    assert await visitor.place(order) == "confirmed"
    again = await visitor.client.post(f"/orders/{order}/place")
    line = await visitor.client.put(f"/orders/{order}/lines/tea", json={"qty": 2})
    assert (again.status_code, line.status_code) == (409, 409)
    assert again.json()["type"] == "urn:nexios:problem:rule-violated"
    assert await visitor.on_hand("tea") == 39
