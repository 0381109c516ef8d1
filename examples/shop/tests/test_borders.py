"""Who imports whom: layers inward, contexts through `api` and events only."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

SHOP = Path(__file__).resolve().parents[1]
HOME = "examples.shop"
CONTEXTS = ("catalog", "orders")


def modules(context: str) -> Iterator[tuple[str, ast.Module]]:
    """Give each file of a context: its dotted name below the context, and its code."""
    for path in sorted((SHOP / context).rglob("*.py")):
        name = ".".join(path.relative_to(SHOP / context).with_suffix("").parts)
        yield name, ast.parse(path.read_text())


def imports(code: ast.Module) -> Iterator[str]:
    """Give every module that is imported, also inside functions."""
    for node in ast.walk(code):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            yield node.module or ""
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


@pytest.mark.parametrize("context", CONTEXTS)
def test_another_context_is_reached_through_its_api_and_its_events_only(context: str) -> None:
    (other,) = set(CONTEXTS) - {context}
    inside = f"{HOME}.{other}"
    reached = {
        imported
        for _, code in modules(context)
        for imported in imports(code)
        if imported.startswith(inside)
    }
    assert reached <= {f"{inside}.api", f"{inside}.domain.events"}
    assert reached, "the contexts do talk to each other"


@pytest.mark.parametrize("context", CONTEXTS)
@pytest.mark.parametrize(
    ("layer", "allowed"),
    [
        ("domain", ("domain",)),
        ("application", ("domain", "application")),
        ("adapters.http", ("domain", "application", "adapters.http")),
        ("adapters.websocket", ("domain", "application", "adapters.websocket")),
        ("adapters.persistence", ("domain", "application", "adapters.persistence")),
        ("adapters.catalog", ("domain", "application", "adapters.catalog")),
    ],
)
def test_imports_run_inward(context: str, layer: str, allowed: tuple[str, ...]) -> None:
    own = f"{HOME}.{context}."
    for name, code in modules(context):
        if not name.startswith(layer + "."):
            continue
        for imported in imports(code):
            if imported.startswith(own):
                assert imported.removeprefix(own).startswith(allowed), f"{name}: {imported}"


@pytest.mark.parametrize("context", CONTEXTS)
def test_the_inside_knows_no_technology(context: str) -> None:
    for name, code in modules(context):
        found = {one for one in imports(code) if one.startswith("nexios")}
        if name.startswith("domain."):
            assert found <= {"nexios.domain"}, name
        if name.startswith("application."):
            assert found <= {"nexios.domain", "nexios.application"}, name
