"""Writes the layer rules of one application as contracts of import-linter."""

import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

from nexios.layers.imports import contexts_of, import_graph
from nexios.layers.rules import Layer, layer_of_path, may_ask

_HEAD: Final = """\
# The rules of `nexios check` as contracts of import-linter. Not expressible there: NX105 and
# NX107 apart from the border itself, NX106 (look-ups at run time), NX108 (waivers), and that a
# domain imports nothing of nexios but nexios.domain.
[tool.importlinter]
root_package = {root}
include_external_packages = true
exclude_type_checking_imports = false
"""


def contracts(package: str, *, domain_allows: Iterable[str] = ()) -> str:
    """Return TOML to be put into ``pyproject.toml``.

    Args:
        package: Importable top package of the application.
        domain_allows: Third-party packages its domain may import.

    Raises:
        MissingGrimp: grimp is not installed.
    """
    graph = import_graph(package)
    modules: list[str] = sorted(
        name for name in graph.modules if name == package or name.startswith(f"{package}.")
    )
    contexts = contexts_of(modules)
    written = [
        *_inward(contexts),
        *_siblings(contexts, modules),
        *_third_party(graph, package, contexts, frozenset(domain_allows)),
        *_borders(contexts, modules),
    ]
    return "\n".join([_HEAD.format(root=json.dumps(package)), *written])


def _inward(contexts: Sequence[str]) -> Iterator[str]:
    if contexts:
        yield _contract(
            "NX101, NX102: imports run inward",
            "layers",
            layers=["(adapters)", "(application)", "domain"],
            containers=contexts,
        )


def _siblings(contexts: Sequence[str], modules: Sequence[str]) -> Iterator[str]:
    for context in contexts:
        head = f"{context}.adapters."
        packages = [
            name for name in modules if name.startswith(head) and "." not in name[len(head) :]
        ]
        for layer in Layer:
            own = [name for name in packages if layer_of_path(name) is layer]
            others = [name for name in packages if not may_ask(layer, layer_of_path(name))]
            if own and others:
                yield _contract(
                    f"NX103: {context}, {layer.value} adapters know no sibling",
                    "forbidden",
                    source_modules=own,
                    forbidden_modules=others,
                )


def _third_party(
    graph: Any, package: str, contexts: Sequence[str], allowed: frozenset[str]
) -> Iterator[str]:
    own = (package, "nexios")
    foreign = sorted(
        name
        for name in graph.modules
        if "." not in name and name not in (*own, *allowed, *sys.stdlib_module_names)
    )
    if contexts and foreign:
        yield _contract(
            "NX104: the domain imports no third-party code",
            "forbidden",
            source_modules=[f"{context}.domain" for context in contexts],
            forbidden_modules=foreign,
            allow_indirect_imports=True,
        )


def _borders(contexts: Sequence[str], modules: Sequence[str]) -> Iterator[str]:
    if len(contexts) < 2:
        return
    inside = tuple(f"{context}." for context in contexts)
    composing = [
        name
        for name in modules
        if name not in contexts
        and not any(other.startswith(f"{name}.") for other in modules)
        and (not name.startswith(inside) or layer_of_path(name) is Layer.COMPOSITION)
    ]
    for context in contexts:
        protected = [
            name
            for name in modules
            if name.startswith(f"{context}.")
            and "." not in name[len(context) + 1 :]
            and name != f"{context}.api"
        ]
        yield _contract(
            f"NX105: {context} is reached through its api and its events",
            "protected",
            protected_modules=protected,
            allowed_importers=[context, *composing],
            ignore_imports=[
                f"** -> {context}.domain.events",
                f"** -> {context}.domain.events.**",
            ],
            unmatched_ignore_imports_alerting="none",
        )


def _contract(name: str, kind: str, **options: object) -> str:
    lines = ["[[tool.importlinter.contracts]]", f"name = {json.dumps(name)}"]
    lines.append(f"type = {json.dumps(kind)}")
    for option, value in options.items():
        if isinstance(value, list) and value:
            lines += [f"{option} = [", *(f"    {json.dumps(item)}," for item in value), "]"]
        else:
            lines.append(f"{option} = {json.dumps(value)}")
    return "\n".join(lines) + "\n"
