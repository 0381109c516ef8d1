"""Shows what is known of an error as a page, as JSON or as text. Loads nothing, runs nothing."""

import base64
import hashlib
from collections.abc import Iterable, Mapping
from html import escape
from pathlib import Path
from typing import Any, Final

from nexios.adapters.asgi.types import Scope
from nexios.adapters.http.accept import preferred
from nexios.adapters.http.debug import facts_of
from nexios.adapters.http.problems import internal_error
from nexios.adapters.http.response import BaseResponse, HTMLResponse, PlainTextResponse

_OFFERED: Final = ("application/problem+json", "text/html", "text/plain")
_HOUSE: Final = str(Path(__file__).parents[2])
_STYLE: Final = (
    "body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:70rem;padding:0 1rem}"
    "h1{font-size:1.4rem}h2{font-size:1.1rem;margin-top:2rem}"
    "pre,code,td,th{font:13px/1.5 ui-monospace,monospace}"
    "pre{background:#8881;overflow-x:auto;padding:.6rem;white-space:pre-wrap}"
    "table{border-collapse:collapse;width:100%}td,th{border-top:1px solid #8884;padding:.2rem "
    ".6rem .2rem 0;text-align:left;vertical-align:top;word-break:break-word}"
    "mark{background:#fa03;color:inherit;display:block}.fix{border-left:4px solid #2a4}"
    ":root{color-scheme:light dark}"
)
_HASH: Final = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
# Whatever slipped through the escaping could neither load nor run anything.
_CSP: Final = (
    f"default-src 'none'; style-src 'sha256-{_HASH}'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)

Facts = Mapping[str, Any]  # as debug.py makes them


def debug_answer(
    error: BaseException, scope: Scope, error_id: str, *, route: str | None = None
) -> BaseResponse:
    """Return the 500 with what is known about it, in the form the client likes best.

    Args:
        error: What nobody answered.
        scope: Of the request; its ``Accept`` decides between HTML, problem+json and text.
        error_id: Under which the error was logged.
        route: The template that matched; None on a miss.
    """
    facts = facts_of(error, scope, route=route)
    told = [
        value.decode("latin-1") for name, value in scope.get("headers", ()) if name == b"accept"
    ]
    kind = preferred(told, _OFFERED)
    answer: BaseResponse
    if kind == "text/html":
        answer = HTMLResponse(_page(facts, error_id), 500)
        answer.set_header("content-security-policy", _CSP)
    elif kind == "text/plain":
        answer = PlainTextResponse(_plain(facts, error_id), 500)
    else:
        answer = internal_error(scope, error_id, facts)
    answer.headers.add_vary("Accept")
    answer.set_header("cache-control", "no-store")
    answer.set_header("x-content-type-options", "nosniff")
    return answer


def _page(facts: Facts, error_id: str) -> str:
    request = facts["request"]
    title = escape(facts["error"]["class"])
    parts = [
        (
            "<!doctype html><html lang=en><head><meta charset=utf-8>"
            f"<title>{title}</title><style>{_STYLE}</style></head><body>"
        ),
        f"<h1>{title}</h1>",
        *_error(facts["error"]),
        (
            f"<p>{escape(str(request['method']))} <code>{escape(request['path'])}</code>"
            f", route <code>{escape(str(facts['route']))}</code>"
            f", error_id <code>{escape(error_id)}</code></p>"
        ),
    ]
    for heading, errors in (("In the group", facts["leaves"]), ("Led to by", facts["causes"])):
        for one in errors:
            parts.append(f"<h2>{heading}: {escape(one['class'])}</h2>")
            parts += [*_error(one), *map(_frame, one.get("frames", ()))]
    parts.append("<h2>Frames, the innermost first</h2>")
    parts += [_frame(one) for one in reversed(facts["frames"])]
    parts += ["<h2>Request</h2>", _table(request["headers"])]
    if request["query"]:
        parts += ["<h2>Query</h2>", _table(request["query"])]
    parts += ["<h2>Scope</h2>", _table(facts["scope"].items()), "</body></html>"]
    return "".join(parts)


def _error(about: Facts) -> Iterable[str]:
    yield f"<pre>{escape(about['message'])}</pre>"
    for note in about["notes"]:
        yield f"<pre>{escape(note)}</pre>"
    if "asked_by" in about:
        yield "<p>Dependency path</p><pre>" + escape("\n".join(about["asked_by"])) + "</pre>"
    for fix in about.get("fix", ()):
        yield f'<pre class="fix">fix: {escape(fix)}</pre>'


def _frame(frame: Facts) -> str:
    lines = "".join(
        f"<mark>{number:>5} {escape(text)}</mark>"
        if number == frame["line"]
        else f"{number:>5} {escape(text)}\n"
        for number, text in frame["around"]
    )
    place = f"{frame['file']}:{frame['line']}"
    opened = "" if _is_foreign(frame["file"]) else " open"
    return (
        f"<details{opened}><summary><code>{escape(frame['function'])}</code> "
        f"{escape(place)}</summary><pre>{lines}</pre>{_table(frame['locals'].items())}</details>"
    )


def _is_foreign(file: str) -> bool:
    return file.startswith((_HOUSE, "<")) or "site-packages" in file


def _table(pairs: Iterable[tuple[str, str]]) -> str:
    rows = "".join(
        f"<tr><th>{escape(str(name))}</th><td>{escape(str(value))}</td></tr>"
        for name, value in pairs
    )
    return f"<table>{rows}</table>"


def _plain(facts: Facts, error_id: str) -> str:
    request = facts["request"]
    lines = [
        f"{request['method']} {request['path']}   route {facts['route']}   error_id {error_id}",
        "",
    ]
    for one in facts["frames"]:
        lines += [f"{one['file']}:{one['line']} in {one['function']}", f"    {one['source']}"]
    for heading, errors in (
        ("", [facts["error"]]),
        ("in the group: ", facts["leaves"]),
        ("led to by: ", facts["causes"]),
    ):
        for one in errors:
            lines += ["", f"{heading}{one['class']}: {one['message']}", *one["notes"]]
    return "\n".join([*lines, ""])
