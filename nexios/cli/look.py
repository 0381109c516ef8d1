"""`nexios graph` and `nexios explain`: look at the wiring without starting it."""

from collections.abc import Iterable
from difflib import get_close_matches

import click

from nexios.cli.check import build, target_of
from nexios.container.binding import Origin
from nexios.container.container import Container
from nexios.container.graph import Node
from nexios.container.module import Module
from nexios.container.signature import display
from nexios.container.survey import path_to


class NotBuilt(click.ClickException):
    """The wiring is wrong, so there is nothing to look at."""

    def format_message(self) -> str:
        """Return the problems, each with its fix."""
        return f"the wiring is wrong\n{self.message}"


class KeyRefused(click.ClickException):
    """The name says no key, or more than one."""


@click.command()
@click.argument("target", metavar="TARGET")
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "mermaid", "dot", "json"]),
    default="text",
    show_default=True,
)
def graph(target: str, form: str) -> None:
    """Print who asks for whom in TARGET: modules, layers, objects, entries.

    The same wiring gives the same output every time. For a picture:
    nexios graph shop.main:app --format dot | dot -Tsvg > wiring.svg
    """
    drawn = _container(target, "graph").graph()
    forms = {"mermaid": drawn.mermaid, "dot": drawn.dot, "json": drawn.json}
    click.echo(forms.get(form, drawn.text)(), nl=False)


@click.command()
@click.argument("target", metavar="TARGET")
@click.argument("key", metavar="KEY")
@click.option("--module", "home", help="Name of the module whose binding is meant.")
def explain(target: str, key: str, home: str | None) -> None:
    """Say what answers for KEY in TARGET and why, who asks, how long it lives.

    KEY is a name as the errors and `nexios graph` print it (Orders, "Key(Cache, 'hot')"), the
    dotted path of a class, or the name of an adapter.
    """
    container = _container(target, "explain")
    node = _node(container, target, key, home)
    of_function = node.binding.origin is Origin.FUNCTION
    form = node.binding.source if of_function else node.binding.key
    seen = container.assembly.registry.find(container.assembly.registry.root, node.binding.key)
    module = None if seen.one is node.binding else node.module
    click.echo(str(container.explain(form, module=None if of_function else module)))


def _container(target: str, command: str) -> Container:
    container, problems = build(target_of(target, command))
    if container is None:
        raise NotBuilt("\n".join(f"{n}. {one}" for n, one in enumerate(problems, 1)))
    return container


def _node(container: Container, target: str, key: str, home: str | None) -> Node:
    nodes = [node for node in container.wiring.nodes if home is None or node.module.name == home]
    found = [node for node in nodes if key in _names(node)]
    found = found or [node for node in nodes if key == display(node.binding.source)]
    # A key of theirs goes before one of Nexios' own by the same name.
    found = [node for node in found if not node.module.where.ours] or found
    kept = list({_identity(node): node for node in found}.values())
    if len(kept) == 1:
        return kept[0]
    if not kept:
        raise KeyRefused(_unknown(nodes, target, key))
    registry = container.assembly.registry
    seen = [
        node for node in kept if registry.find(registry.root, node.binding.key).one is node.binding
    ]
    if len({node.binding.key for node in kept}) == 1 and len(seen) == 1:
        return seen[0]
    raise KeyRefused(_ambiguous(kept, target, key))


def _names(node: Node) -> tuple[str, ...]:
    """Return what people may call a node by."""
    if node.binding.origin is Origin.FUNCTION:
        return node.title, node.title.removesuffix("()"), path_to(node.binding.source)
    if node.binding.key.is_named:
        return (node.title,)
    return node.title, path_to(node.binding.key.form)


def _identity(node: Node) -> object:
    # A function dependency has a node for each entry that asks for it.
    of_function = node.binding.origin is Origin.FUNCTION
    return (node.module, node.binding.source) if of_function else (node.module, node.binding.key)


def _unknown(nodes: Iterable[Node], target: str, key: str) -> str:
    titles = {node.title for node in nodes}
    folded = {title.casefold(): title for title in sorted(titles)}
    exact = [key.casefold()] if key.casefold() in folded else []
    close = exact or get_close_matches(key.casefold(), list(folded), n=3, cutoff=0.6)
    if not close:
        return (
            f'nothing in {target} is called "{key}"\n  fix: nexios graph {target} lists the keys'
        )
    near = " or ".join(folded[one] for one in close)
    return f'nothing in {target} is called "{key}"; did you mean {near}?'


def _ambiguous(nodes: list[Node], target: str, key: str) -> str:
    lines = [f'"{key}" may be any of these']
    same = len({node.binding.key for node in nodes}) == 1
    for node in nodes:
        form = path_to(node.binding.key.form) or node.title
        lines.append(f'  {form}  in module "{node.module.name}"')
    first = nodes[0]
    said = f"--module {_quoted(first.module)} {key}" if same else path_to(first.binding.key.form)
    lines.append(f"  fix: nexios explain {target} {said}")
    return "\n".join(lines)


def _quoted(module: Module) -> str:
    return module.name if module.name.isidentifier() else f'"{module.name}"'
