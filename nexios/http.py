"""Requests, answers and what a handler reads, at the address people type."""

from nexios.adapters.asgi.annotations import Parsed
from nexios.adapters.asgi.headers import Headers, MutableHeaders
from nexios.adapters.asgi.multidict import FormData, ImmutableMultiDict, MultiDict, QueryParams
from nexios.adapters.asgi.params import Body, Cookie, File, Form, Header, Path, Query
from nexios.adapters.asgi.state import RouteParam, State
from nexios.adapters.asgi.url import URL, Address, URLPath
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
from nexios.adapters.http.uploads import UploadedFile
from nexios.adapters.http.views import APIHandler, APIView
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
    "File",
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
    "ProblemResponse",
    "Query",
    "QueryParams",
    "RedirectResponse",
    "Request",
    "Response",
    "RouteParam",
    "Secret",
    "State",
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
]
