"""Pages: what the query may ask for, where links lead, that a cursor means "after this item"."""

import base64
import json
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nexios.adapters.http.pagination import CursorPagination, LinkBuilder, PageNumberPagination
from nexios.adapters.http.paginator import (
    AsyncDataHandler,
    AsyncListDataHandler,
    PaginatedResponse,
    SyncDataHandler,
    SyncListDataHandler,
    SyncPaginator,
    strategy_of,
)
from nexios.adapters.http.router import Router
from nexios.domain.specs import Page
from tests.support.asgi import Served

ROWS = [{"id": number, "name": f"row {number}"} for number in range(1, 8)]


class Counted(AsyncDataHandler):
    """A source that is awaited and knows no cursors."""

    def __init__(self, rows: Any) -> None:
        self.rows = rows

    async def get_total_items(self) -> int:
        return len(self.rows)

    async def get_items(self, offset: int, limit: int) -> Any:
        return self.rows[offset : offset + limit]


def lists() -> Router:
    router = Router()

    @router.get("/pages")
    async def pages(request, response):  # type: ignore[no-untyped-def]
        return response.paginate(ROWS, page_size_param="size", default_page_size=3)

    @router.get("/offsets")
    async def offsets(request, response):  # type: ignore[no-untyped-def]
        return await response.apaginate(ROWS, "limit_offset", Counted, max_limit=4)

    @router.get("/cursors")
    async def cursors(request, response):  # type: ignore[no-untyped-def]
        return await response.apaginate(ROWS, CursorPagination(default_page_size=3))

    @router.get("/selected")
    async def selected(request, response):  # type: ignore[no-untyped-def]
        return response.paginate(Page(items=("a", "b"), next="b/+"))

    return router


def ids(answer: Any) -> list[int]:
    return [item["id"] for item in answer.json()["items"]]


@pytest.mark.asyncio
async def test_pages_by_number_keep_other_parameters_once() -> None:
    async with Served(lists()) as app:
        answer = await app.get("/pages?page=2&q=a%26b&tag=x&tag=y")
        assert ids(answer) == [4, 5, 6]
        told = answer.json()["pagination"]
        assert (told["total_items"], told["total_pages"]) == (7, 3)
        assert (told["page"], told["page_size"]) == (2, 3)
        assert set(told["links"]) == {"first", "prev", "next", "last"}
        url = urlsplit(told["links"]["next"])
        assert f"{url.scheme}://{url.netloc}{url.path}" == "http://testserver/pages"
        assert parse_qs(url.query) == {
            "page": ["3"],
            "size": ["3"],
            "q": ["a&b"],
            "tag": ["x", "y"],
        }
        last = await app.get(f"{url.path}?{url.query}")
        assert ids(last) == [7]
        assert "next" not in last.json()["pagination"]["links"]


@pytest.mark.parametrize(
    "query",
    [
        *("page=0", "page=-1", "page=x", "page=1.5", "page=%D9%A1", "page=4", "size=0"),
        *(f"page={'9' * 5000}", f"page={2**63}", f"page={2**62}&size=4", "page=1e3", "size=%00"),
    ],
)
@pytest.mark.asyncio
async def test_bad_numbers_are_400(query: str) -> None:
    async with Served(lists()) as app:
        answer = await app.get(f"/pages?{query}")
        # U+0000 in a query is refused before any page is.
        assert answer.status == (422 if "%00" in query else 400)
        if answer.status == 400:
            assert answer.json()["type"] == "urn:nexios:problem:page-invalid"


@pytest.mark.asyncio
async def test_offsets_are_cut_to_the_limit_and_lead_to_both_sides() -> None:
    async with Served(lists()) as app:
        first = await app.get("/offsets?limit=50")
        assert ids(first) == [1, 2, 3, 4]
        links = first.json()["pagination"]["links"]
        assert parse_qs(urlsplit(links["next"]).query) == {"limit": ["4"], "offset": ["4"]}
        assert links["last"] == links["next"]
        odd = (await app.get("/offsets?limit=2&offset=1")).json()["pagination"]
        assert parse_qs(urlsplit(odd["links"]["prev"]).query)["offset"] == ["0"]
        assert odd["current_page"] == 1
        for query in ("limit=0", "limit=-1", "offset=-1", "offset=7"):
            assert (await app.get(f"/offsets?{query}")).status == 400


@pytest.mark.asyncio
async def test_a_cursor_means_after_this_item() -> None:
    async with Served(lists()) as app:
        seen, target = [], "/cursors"
        while target:
            answer = await app.get(target)
            seen.append(ids(answer))
            url = urlsplit(answer.json()["pagination"]["links"].get("next", ""))
            target = f"{url.path}?{url.query}" if url.path else ""
    assert seen == [[1, 2, 3], [4, 5, 6], [7]]


@pytest.mark.parametrize(
    "cursor",
    [
        *("x", "%", "é", base64.b64encode(b"[1]").decode(), base64.b64encode(b"{}").decode()),
        base64.b64encode(b'{"id": {"a": 1}}').decode(),
        base64.b64encode(b'{"id": true}').decode(),
        base64.b64encode(json.dumps({"id": "text"}).encode()).decode(),
        base64.b64encode(b"[" * 100_000).decode()[:4000],
    ],
)
@pytest.mark.asyncio
async def test_a_cursor_that_is_none_is_400(cursor: str) -> None:
    from urllib.parse import quote

    async with Served(lists()) as app:
        assert (await app.get(f"/cursors?cursor={quote(cursor)}")).status == 400


def test_a_cursor_outlives_its_item() -> None:
    handler = SyncListDataHandler([row for row in ROWS if row["id"] != 3])
    assert [row["id"] for row in handler.get_items_after("id", 3, 2)] == [4, 5]
    down = SyncListDataHandler(ROWS[::-1])
    assert [row["id"] for row in down.get_items_after("id", 3, 9)] == [2, 1]


@pytest.mark.asyncio
async def test_a_domain_page_is_told_with_its_own_cursor() -> None:
    async with Served(lists()) as app:
        told = (await app.get("/selected?q=1")).json()
    assert told["items"] == ["a", "b"]
    link = urlsplit(told["pagination"]["links"]["next"]).query
    assert parse_qs(link) == {"q": ["1"], "cursor": ["b/+"]}


@pytest.mark.asyncio
async def test_a_source_without_cursors_says_what_to_write() -> None:
    class Plain(SyncDataHandler):
        def get_total_items(self) -> int:
            return 1

        def get_items(self, offset: int, limit: int) -> Any:
            return []

    cursor = CursorPagination().encode_cursor(1)
    paginator = SyncPaginator(Plain(), CursorPagination(), "http://x/", {"cursor": cursor})
    with pytest.raises(NotImplementedError, match="def get_items_after"):
        paginator.paginate()
    with pytest.raises(NotImplementedError, match="async def get_items_after"):
        await Counted([]).get_items_after("id", 1, 1)
    assert await AsyncListDataHandler(ROWS).get_items_after("id", 6, 9) == [ROWS[6]]


def test_an_empty_list_has_one_page_and_no_neighbours() -> None:
    told = SyncPaginator(SyncListDataHandler([]), PageNumberPagination(), "/x", {}).paginate()
    assert told["items"] == []
    assert told["pagination"]["total_pages"] == 0
    assert set(told["pagination"]["links"]) == {"first", "last"}
    assert PaginatedResponse(told).to_dict() == {"data": [], "pagination": told["pagination"]}


def test_strategies_by_name() -> None:
    assert isinstance(strategy_of("page_number"), PageNumberPagination)
    with pytest.raises(ValueError, match="did you mean 'cursor'"):
        strategy_of("cursr")
    with pytest.raises(ValueError, match="known: page_number, limit_offset, cursor"):
        strategy_of("zzz")
    with pytest.raises(TypeError, match="page_param belong to the constructor"):
        strategy_of(PageNumberPagination(), page_param="p")
    assert LinkBuilder("/a?x=1", {"x": "2"}, ()).build_link({"p": 1}) == "/a?x=2&p=1"


@given(total=st.integers(0, 60), size=st.integers(1, 20))
def test_following_next_visits_every_item_once(total: int, size: int) -> None:
    rows, seen, params = list(range(total)), [], {"page_size": str(size)}
    while params:
        paginator = SyncPaginator(SyncListDataHandler(rows), PageNumberPagination(), "/x", params)
        told = paginator.paginate()
        seen += told["items"]
        query = parse_qs(urlsplit(told["pagination"]["links"].get("next", "")).query)
        params = {name: values[0] for name, values in query.items()}
    assert seen == rows
