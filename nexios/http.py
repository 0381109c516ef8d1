"""Requests, answers and what a handler reads, at the address people type."""

from nexios.adapters.asgi.annotations import Parsed
from nexios.adapters.asgi.headers import Headers, MutableHeaders
from nexios.adapters.asgi.multidict import FormData, ImmutableMultiDict, MultiDict, QueryParams
from nexios.adapters.asgi.params import Body, Cookie, File, Form, Header, Path, Query
from nexios.adapters.asgi.state import RouteParam, State
from nexios.adapters.asgi.url import URL, Address, URLPath
from nexios.adapters.http.background import Tasks
from nexios.adapters.http.builder import Response
from nexios.adapters.http.context import Context
from nexios.adapters.http.controller import (
    Controller,
    delete,
    get,
    head,
    options,
    patch,
    post,
    put,
    route,
)
from nexios.adapters.http.files import FileResponse
from nexios.adapters.http.request import Request
from nexios.adapters.http.response import (
    Accepted,
    BaseResponse,
    Created,
    HTMLResponse,
    JSONResponse,
    NoContent,
    PlainTextResponse,
    ProblemResponse,
    RedirectResponse,
    TextResponse,
)
from nexios.adapters.http.sse import EventStream, ServerSentEvent
from nexios.adapters.http.static import StaticFiles
from nexios.adapters.http.stream import StreamingResponse
from nexios.adapters.http.uploads import UploadedFile
from nexios.adapters.http.versions import ExpectedVersion, version_tag
from nexios.adapters.http.views import APIHandler, APIView
from nexios.adapters.openapi.words import Problem
from nexios.application.keyring import Secret

# `nexios.http.request` and other modules of 2.11 are found by compat.py, which needs a package.
__path__: list[str] = []

__all__ = [
    "URL",
    "APIHandler",
    "APIView",
    "Accepted",
    "Address",
    "BaseResponse",
    "Body",
    "Context",
    "Controller",
    "Cookie",
    "Created",
    "EventStream",
    "ExpectedVersion",
    "File",
    "FileResponse",
    "Form",
    "FormData",
    "HTMLResponse",
    "Header",
    "Headers",
    "ImmutableMultiDict",
    "JSONResponse",
    "MultiDict",
    "MutableHeaders",
    "NoContent",
    "Parsed",
    "Path",
    "PlainTextResponse",
    "Problem",
    "ProblemResponse",
    "Query",
    "QueryParams",
    "RedirectResponse",
    "Request",
    "Response",
    "RouteParam",
    "Secret",
    "ServerSentEvent",
    "State",
    "StaticFiles",
    "StreamingResponse",
    "Tasks",
    "TextResponse",
    "URLPath",
    "UploadedFile",
    "delete",
    "get",
    "head",
    "options",
    "patch",
    "post",
    "put",
    "route",
    "version_tag",
]
