"""`examples.shop.check`, as `dev.py demo --check` runs it: over a real server."""

from pathlib import Path

import pytest

from examples.shop import check
from examples.shop.main import shop
from nexios import MakeConfig
from nexios.http import Response
from tests.support.server import serving

pytestmark = pytest.mark.asyncio


async def test_the_check_passes_again_and_again(
    url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with serving(shop(MakeConfig(database_url=url))) as address:
        for _ in range(2):
            assert await check.check(f"http://{address}") == 0
    assert capsys.readouterr().out.count("ok  ") == 2 * len(check.STEPS)


async def test_a_wrong_answer_fails_the_check(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    app = shop(MakeConfig(database_url=f"sqlite:///{tmp_path / 'shop.db'}"))

    @app.middleware
    async def teapot(request: object, response: Response, call_next: object) -> object:
        return response.text("no", status_code=418)

    with serving(app) as address:
        assert await check.check(f"http://{address}") == 1
    said = capsys.readouterr().err
    assert "FAILED  products" in said
    assert "418" in said


async def test_a_server_that_is_not_there_fails_the_check(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert await check.check("http://127.0.0.1:1") == 1
    assert "FAILED" in capsys.readouterr().err
