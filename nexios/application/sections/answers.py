"""How answers look: documents, templates, errors, and what nobody serves."""

from collections.abc import Mapping
from dataclasses import field
from pathlib import Path
from typing import Any, Literal

from nexios.application.sections.section import Section
from nexios.records import dataclass


@dataclass(frozen=True, slots=True)
class OpenApiSettings(Section):
    """The documents of the interface and the pages that show them (section ``openapi``).

    Attributes:
        title: Where ``NexiosApp(title=...)`` does not say it; ``version`` and ``description`` too.
        license: Its name, or name, identifier and url.
        contact: Name, url and email.
        openapi_url: Where the document is; None serves nothing of all this.
        asyncapi_url: Where that of sockets, event streams and events is, its page at the same
            path without ``.json``; None serves neither.
        swagger_url: Where requests can be tried; None switches the page off.
        redoc_url: Where it is for reading; None switches the page off.
        enabled: False serves nothing of all this and proves nothing about it.
    """

    title: str | None = None
    version: str | None = None
    description: str | None = None
    license: str | Mapping[str, str] | None = None
    contact: Mapping[str, str] | None = None
    openapi_url: str | None = "/openapi.json"
    asyncapi_url: str | None = "/asyncapi.json"
    swagger_url: str | None = "/docs"
    redoc_url: str | None = "/redoc"
    enabled: bool = True

    def __post_init__(self) -> None:
        Section.__post_init__(self)
        for name in ("openapi_url", "asyncapi_url", "swagger_url", "redoc_url"):
            url = getattr(self, name)
            if url is not None and (len(url) < 2 or url[0] != "/" or set(url) & set("{}?#")):
                raise ValueError(f"{name} must be a path like /docs, or None")


@dataclass(frozen=True, slots=True)
class NotFoundSettings(Section):
    """What a path nobody serves is answered with (section ``not_found``).

    Attributes:
        return_json: Answer with a problem; with plain text if not.
        custom_message: To stand in the answer.
        use_html: Answer with a page to who likes HTML better than JSON, a 500 too.
        show_traceback: Under ``debug=True``, say of a 404 that a handler raised where that was.
    """

    return_json: bool = True
    custom_message: str | None = None
    use_html: bool = False
    show_traceback: bool = False


@dataclass(frozen=True, slots=True)
class TemplateSettings(Section):
    """Where templates are and how jinja2 reads them (section ``templating``).

    Attributes:
        template_dir: A folder, from the working directory unless absolute.
        cache_size: How many compiled templates are kept.
        auto_reload: Look for changes of a file each time it is used.
        custom_filters: Name to filter.
        custom_globals: Values every template sees; middleware and handlers win over them.
    """

    template_dir: str | Path = "templates"
    cache_size: int = 100
    auto_reload: bool = True
    encoding: str = "utf-8"
    enable_async: bool = True
    trim_blocks: bool = True
    lstrip_blocks: bool = True
    custom_filters: Mapping[str, Any] = field(default_factory=dict)
    custom_globals: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ErrorSettings(Section):
    """Shapes of errors that differ from 2.11's, and what reports of them tell.

    Attributes:
        report_locals: Local variables of the application's own code too, scrubbed.
    """

    http_exception_body: Literal["problem", "detail"] = "problem"
    duplicate_routes: Literal["refuse", "first-wins"] = "refuse"
    report_locals: bool = False
