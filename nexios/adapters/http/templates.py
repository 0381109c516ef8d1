"""Templates: the door of jinja2, which is loaded when the first one is rendered."""

import inspect
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from nexios.adapters.asgi.connection import Connection
from nexios.adapters.http.response import HTMLResponse
from nexios.application.sections.answers import TemplateSettings

TemplateConfig = TemplateSettings
"""Under this name in 2.11; section ``templating`` of the configuration."""

CONTEXT: Final = "template_context"
"""Name in ``request.state`` of what middleware adds for templates."""


Processor = Callable[[Any], Any]
"""Takes the request and returns values for templates, or an awaitable of them."""


class TemplateError(RuntimeError):
    """Templates cannot be rendered as they are set up; the text says what to do."""


class MissingTemplates(TemplateError):
    """There is no folder, or no template of that name in it."""


class TemplateEngine:
    """Renders the templates of one application; ``app.templates`` is its own.

    The environment is made at the first use, so an application without templates needs no
    jinja2. Text is escaped in ``.html`` and ``.xml`` templates.
    """

    def __init__(self, config: TemplateSettings | None = None) -> None:
        """Note the settings; nothing is read yet."""
        self.config = config or TemplateSettings()
        self._env: Any = None  # the library is optional

    @property
    def env(self) -> Any:
        """The jinja2 environment, for filters, tests and extensions of one's own.

        Raises:
            TemplateError: jinja2 is not installed.
            MissingTemplates: There is no such folder.
        """
        if self._env is None:
            self._env = _environment(self.config)
        return self._env

    def setup_environment(self, config: TemplateSettings | None = None) -> None:
        """Make the environment now, with these settings.

        Raises:
            TemplateError: As of `env`.
        """
        if config is not None:
            self.config = config
        self._env = _environment(self.config)

    async def render(
        self, template_name: str, context: Mapping[str, Any] | None = None, **values: Any
    ) -> str:
        """Return a template rendered with these values; neither mapping is changed.

        Raises:
            MissingTemplates: There is no such template.
        """
        template = self._template(template_name)
        given = {**(context or {}), **values}
        if self.config.enable_async:
            return str(await template.render_async(given))
        return str(template.render(given))

    async def render_for(
        self,
        connection: Connection,
        template_name: str,
        context: Mapping[str, Any] | None = None,
        **values: Any,
    ) -> str:
        """Render for one request: what the handler gives wins over what middleware gave.

        ``request``, ``url_for`` and ``csrf_token`` are always there.
        """
        own = {
            "request": connection,
            "url_for": getattr(connection, "url_for", None) or connection.app.url_for,
            "csrf_token": connection.state.csrf_token,
        }
        shared = connection.state.get(CONTEXT) or {}
        return await self.render(template_name, {**own, **shared, **(context or {}), **values})

    def _template(self, name: str) -> Any:
        env = self.env
        try:
            return env.get_template(name)
        except LookupError as missing:  # jinja2's TemplateNotFound is one
            folder = self.config.template_dir
            known = ", ".join(sorted(env.list_templates())[:10]) or "none"
            raise MissingTemplates(
                f"there is no template {name!r} in {str(folder)!r}; known: {known}"
            ) from missing


def engine_of(connection: Connection) -> TemplateEngine:
    """Return the engine of the app that serves a connection.

    Raises:
        TemplateError: No app serves it.
    """
    found = getattr(connection.app, "templates", None)
    if not isinstance(found, TemplateEngine):
        raise TemplateError(
            "there is no application to find templates by"
            "\n  fix: render(name, ..., request=request), or await engine.render(name, ...)"
        )
    return found


class TemplateContextMiddleware:
    """Gives templates values of every request; what the handler gives wins over them."""

    def __init__(
        self,
        default_context: Mapping[str, Any] | None = None,
        context_processor: Processor | None = None,
    ) -> None:
        """Note the values.

        Args:
            default_context: The same for every request.
            context_processor: Asked for more of them, sync or async; they win over the default.
        """
        self.default_context = dict(default_context or {})
        self.context_processor = context_processor

    async def __call__(
        self, request: Connection, _response: object, call_next: Callable[..., Any]
    ) -> Any:
        """Put the values into ``request.state.template_context`` and pass on."""
        values = dict(request.state.get(CONTEXT) or {}) | self.default_context
        if self.context_processor is not None:
            more = self.context_processor(request)
            values |= await more if inspect.isawaitable(more) else more
        setattr(request.state, CONTEXT, values)
        return await call_next()


def template_context(
    default_context: Mapping[str, Any] | None = None, context_processor: Processor | None = None
) -> TemplateContextMiddleware:
    """Return the middleware: ``app.add_middleware(template_context({"site": "Nexios"}))``."""
    return TemplateContextMiddleware(default_context, context_processor)


async def render(
    template_name: str,
    context: Mapping[str, Any] | None = None,
    status_code: int = 200,
    headers: Mapping[str, str] | None = None,
    request: Connection | None = None,
    **values: Any,
) -> HTMLResponse:
    """Return a page made of a template of the app that serves ``request``.

    Args:
        context: Values for the template, and ``values`` more of them; neither is changed.
        request: Says which app; required, since several may run in one process.

    Raises:
        TemplateError: No request was given.
        MissingTemplates: There is no such template.
    """
    connection = request if request is not None else Connection({})
    engine = engine_of(connection)
    content = await engine.render_for(connection, template_name, context, **values)
    return HTMLResponse(content, status_code, headers)


def _environment(config: TemplateSettings) -> Any:
    try:
        import jinja2
    except ImportError as missing:
        raise TemplateError(
            "templates need jinja2\n  fix: pip install 'nexios[templates]'"
        ) from missing
    folder = Path(config.template_dir)
    if not folder.is_dir():
        raise MissingTemplates(
            f"templating.template_dir is {str(folder)!r}, and there is no such folder"
        )
    env = jinja2.Environment(
        loader=jinja2.FileSystemLoader(folder, encoding=config.encoding),
        autoescape=jinja2.select_autoescape(["html", "xml"]),
        cache_size=config.cache_size,
        auto_reload=config.auto_reload,
        enable_async=config.enable_async,
        trim_blocks=config.trim_blocks,
        lstrip_blocks=config.lstrip_blocks,
    )
    env.filters.update(config.custom_filters)
    env.globals.update(config.custom_globals)
    return env
