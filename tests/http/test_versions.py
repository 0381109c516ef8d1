"""An aggregate's version over HTTP: the tag that is told, the one that is expected."""

import pytest

from nexios import NexiosApp
from nexios.adapters.http.versions import version_tag
from nexios.domain import Conflict
from nexios.http import ExpectedVersion, Response
from nexios.testing.client import AsyncTestClient

pytestmark = pytest.mark.asyncio


def app() -> NexiosApp:
    made = NexiosApp()

    @made.get("/thing")
    async def show(response: Response) -> dict[str, int]:
        response.etag(version_tag(7))
        return {"version": 7}

    @made.put("/thing")
    async def change(expected: ExpectedVersion) -> dict[str, int | None]:
        if expected not in (None, 7):
            raise Conflict("it was changed since it was read")
        return {"expected": expected}

    return made


async def change(*conditions: str) -> tuple[int, object]:
    async with AsyncTestClient(app()) as client:
        fields = [("If-Match", condition) for condition in conditions]
        answer = await client.put("/thing", headers=fields)
        return answer.status_code, answer.json().get("expected")


async def test_the_version_is_told_and_saves_the_body() -> None:
    async with AsyncTestClient(app()) as client:
        answer = await client.get("/thing")
        assert answer.headers["etag"] == '"v7"'
        again = await client.get("/thing", headers={"If-None-Match": '"v7"'})
        assert (again.status_code, again.content) == (304, b"")
        newer = await client.get("/thing", headers={"If-None-Match": '"v6"'})
        assert newer.status_code == 200


@pytest.mark.parametrize("condition", ['"v7"', 'W/"v7"', '"abc", "v7"', ' "v7" '])
async def test_the_version_that_was_read_is_expected(condition: str) -> None:
    assert await change(condition) == (200, 7)


async def test_fields_that_stand_twice_are_one_list() -> None:
    assert await change('"abc"', '"v7"') == (200, 7)


async def test_without_a_condition_and_with_any_nothing_is_expected() -> None:
    assert await change() == (200, None)
    assert await change("*") == (200, None)


@pytest.mark.parametrize("condition", ['"v6"', '"abc"', "v7", '"v07"', '"v-1"', '""', '"v7'])
async def test_another_version_and_what_is_none_fail_the_condition(condition: str) -> None:
    assert await change(condition) == (412, None)


async def test_two_versions_cannot_be_expected() -> None:
    assert (await change('"v6", "v7"'))[0] == 400
