"""The six examples keep their table in a file of their own while they are tested."""

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx2
import pytest

from nexios.adapters.asgi.types import ASGIApp
from tests.support.server import serving

# Set before the examples are imported: they read it when they make their database.
os.environ["SEED_PAGE_DATABASE"] = f"sqlite:///{Path(tempfile.mkdtemp()) / 'seed_page.db'}"

Serve = Callable[[ASGIApp], httpx2.Client]


@contextmanager
def served(app: ASGIApp) -> Iterator[httpx2.Client]:
    """Serve an application and hand out a client that follows no redirect."""
    with (
        serving(app) as address,
        httpx2.Client(base_url=f"http://{address}", follow_redirects=False) as client,
    ):
        yield client


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Start an application behind a real server and hand out a client for it."""
    with ExitStack() as stack:
        yield lambda app: stack.enter_context(served(app))
