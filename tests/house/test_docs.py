"""What the guides under ``docs/`` show is what runs."""

import re
import shlex
from dataclasses import fields
from pathlib import Path
from typing import Any

import anyio
import click
import pytest

from nexios.adapters.observability.prometheus import Metrics
from nexios.application import signals
from nexios.application.sections.serving import ServerSettings
from nexios.cli.main import main

DOCS = Path(__file__).parents[2] / "docs"
GUIDES = ("container.md", "auth.md", "production.md", "realtime.md", "monitoring.md")
_BLOCK = re.compile(r"```python\n(.*?)```", re.DOTALL)


def blocks() -> list[Any]:
    """Return every Python block with its page and number."""
    return [
        pytest.param(text, id=f"{page.stem}-{number}")
        for page in (DOCS / name for name in GUIDES)
        for number, text in enumerate(
            re.findall(r"```python\n(.*?)```", page.read_text(), re.DOTALL)
        )
    ]


@pytest.mark.parametrize("text", blocks())
def test_each_block_runs_by_itself(text: str) -> None:
    names: dict[str, Any] = {"__name__": "docs_page"}
    exec(compile(text, "<docs>", "exec", dont_inherit=True), names)
    for name in ("app", "jobs", "container"):
        found = names.get(name)
        if hasattr(found, "check"):
            found.check()
        elif hasattr(found, "validate"):
            found.validate()
    if "main" in names:
        anyio.run(names["main"])


def commands() -> list[Any]:
    """Return every command line of ``nexios`` in the guides."""
    return [
        pytest.param(line, id=line)
        for name in GUIDES
        for text in re.findall(r"```console\n(.*?)```", (DOCS / name).read_text(), re.DOTALL)
        for line in text.splitlines()
        if line.startswith("nexios ")
    ]


@pytest.mark.parametrize("line", commands())
def test_each_command_is_understood(line: str) -> None:
    _, name, *arguments = shlex.split(line)
    command = main.get_command(click.Context(main), name)
    assert command is not None
    command.make_context(name, arguments)  # raises for what it does not know


def test_the_page_on_production_tells_every_key_of_the_server() -> None:
    page = (DOCS / "production.md").read_text()
    rows = "".join(line.partition(" | ")[0] for line in page.splitlines() if line[:1] == "|")
    told = set(re.findall(r"`(\w+)`", rows))
    assert {one.name for one in fields(ServerSettings)} <= told
    for path in re.findall(r"python (benchmarks/\S+\.py)", page):
        assert (DOCS.parent / path).is_file()


def test_the_page_on_monitoring_tells_every_event_and_metric() -> None:
    page = (DOCS / "monitoring.md").read_text()
    told = set(re.findall(r"`(\w+)`", page))
    events = {name for name, one in vars(signals).items() if hasattr(one, "_fields")}
    assert events <= told
    metrics = Metrics()
    made = {
        one.name + ("_total" if one.type == "counter" else "")
        for one in metrics.registry.collect()
        if one.name.startswith("nexios_")
    }
    assert {name for name in told if name.startswith("nexios_")} == made
