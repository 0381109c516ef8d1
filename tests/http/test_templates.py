"""Templates belong to the app: what they see, what is escaped, what is missing."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from nexios import MakeConfig, NexiosApp
from nexios.adapters.http.templates import (
    MissingTemplates,
    TemplateConfig,
    TemplateContextMiddleware,
    TemplateEngine,
    TemplateError,
    render,
    template_context,
)
from nexios.testing.client import AsyncTestClient


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "page.html").write_text("{{ site }}|{{ who }}|{{ name }}|{{ request.path }}")
    (tmp_path / "link.html").write_text("{{ url_for('user', user_id=3) }}|{{ csrf_token }}")
    (tmp_path / "mail.txt").write_text("{{ name|loud }}")
    (tmp_path / "outer.html").write_text("{% include 'gone.html' %}")
    return tmp_path


def app_of(folder: Path, site: str = "one") -> NexiosApp:
    config = MakeConfig(
        templating={
            "template_dir": folder,
            "custom_globals": {"site": site, "who": "app", "name": "app"},
            "custom_filters": {"loud": str.upper},
        }
    )
    app = NexiosApp(config=config)

    @app.get("/page")
    async def page(request, response):  # type: ignore[no-untyped-def]
        given = {"name": "<b>"}
        answer = await render("page.html", given, 201, {"x-a": "b"}, request=request)
        assert given == {"name": "<b>"}
        return answer

    @app.get("/users/{user_id:int}", name="user")
    async def user(request, response, user_id):  # type: ignore[no-untyped-def]
        request.state.csrf_token = f"token {user_id}"
        return await response.render("link.html")

    return app


@pytest.mark.asyncio
async def test_the_handler_wins_over_middleware_and_middleware_over_the_app(folder: Path) -> None:
    app = app_of(folder)

    async def processed(request: Any) -> Any:
        return {"who": f"caller of {request.path}"}

    app.add_middleware(template_context({"who": "default", "name": "middleware"}, processed))
    async with AsyncTestClient(app) as client:
        answer = await client.get("/page")
    assert answer.status_code == 201
    assert answer.headers["x-a"] == "b"
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.text == "one|caller of /page|&lt;b&gt;|/page"


@pytest.mark.asyncio
async def test_request_url_for_and_token_are_always_there(folder: Path) -> None:
    async with AsyncTestClient(app_of(folder)) as client:
        assert (await client.get("/users/7")).text == "/users/3|token 7"


@pytest.mark.asyncio
async def test_two_apps_keep_their_templates_apart(folder: Path) -> None:
    one, two = AsyncTestClient(app_of(folder)), AsyncTestClient(app_of(folder, "two"))
    async with one, two:
        assert (await two.get("/page")).text.startswith("two|")
        assert (await one.get("/page")).text.startswith("one|")


@pytest.mark.asyncio
async def test_an_engine_by_hand_and_a_sync_processor(folder: Path) -> None:
    engine = TemplateEngine()
    settings = TemplateConfig(template_dir=folder, enable_async=False)
    engine.setup_environment(settings)
    engine.env.filters["loud"] = str.upper
    assert await engine.render("mail.txt", {"name": "a"}, name="<b>") == "<B>"
    middleware = TemplateContextMiddleware(context_processor=lambda request: {"site": "own"})
    app = app_of(folder)
    app.templates = engine
    app.add_middleware(middleware)
    async with AsyncTestClient(app) as client:
        assert (await client.get("/page")).text == "own||&lt;b&gt;|/page"


@pytest.mark.asyncio
async def test_what_is_missing_is_named(folder: Path) -> None:
    engine = TemplateEngine(TemplateConfig(template_dir=folder))
    with pytest.raises(MissingTemplates, match=r"no template 'pag\.html'.*known: .*page\.html"):
        await engine.render("pag.html")
    nowhere = TemplateEngine(TemplateConfig(template_dir=str(folder / "none")))
    with pytest.raises(MissingTemplates, match=r"template_dir is .*none.* no such folder"):
        await nowhere.render("page.html")
    assert not (folder / "none").exists()
    with pytest.raises(TemplateError, match=r"request=request"):
        await render("page.html")
    with pytest.raises(Exception, match=r"gone\.html"):
        await engine.render("outer.html")


@pytest.mark.parametrize("name", ["../secret.txt", "/etc/passwd", "..%2fsecret.txt", "a\x00"])
@pytest.mark.asyncio
async def test_no_template_outside_the_folder(folder: Path, name: str) -> None:
    (folder.parent / "secret.txt").write_text("secret")
    engine = TemplateEngine(TemplateConfig(template_dir=folder))
    with pytest.raises((MissingTemplates, ValueError)):
        await engine.render(name)


def test_without_jinja2_the_extra_is_named() -> None:
    code = (
        "import sys; sys.modules['jinja2'] = None\n"
        "from nexios import NexiosApp\n"
        "app = NexiosApp(); app.check()\n"
        "try: app.templates.setup_environment()\n"
        "except RuntimeError as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "pip install 'nexios[templates]'" in done.stdout
