"""Reads an application's imports and says where they break the layers; imports no user code."""

import ast
import importlib
import importlib.util
import io
import itertools
import re
import sys
import tokenize
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from nexios.layers.rules import Finding, Layer, LayerMap, may_ask

_WAIVER: Final = re.compile(r"#\s*nexios:\s*allow\s+(NX\d{3})\b(?:\s+because\s+(\S.*))?")
_INNER: Final = (Layer.DOMAIN, Layer.APPLICATION)
_DYNAMIC: Final = frozenset({"import_module", "__import__"})
# What the face of Nexios hands on from its container.
CONTAINER_NAMES: Final = frozenset(
    {
        "Container", "Depend", "Key", "Lazy", "Module", "Provider", "Scope", "ScopeContext",
        "Scopes", "profile",
    }
)  # fmt: skip


class MissingGrimp(ImportError):
    """The library that reads the import graph is not installed."""

    def __str__(self) -> str:
        return 'reading imports needs grimp\n  fix: pip install "nexios[check]"'


@dataclass(slots=True)
class Waiver:
    """One ``# nexios: allow NX104 because ...`` comment.

    Attributes:
        file: Where it stands.
        line: On or above the line it is about.
        code: What it allows there.
        reason: After ``because``; empty when it gives none.
        used: Something was found there.
    """

    file: str
    line: int
    code: str
    reason: str
    used: bool = False


@dataclass(frozen=True, slots=True)
class Report:
    """What reading the imports of one package brought to light."""

    findings: tuple[Finding, ...]
    waivers: tuple[Waiver, ...]


def check_imports(
    package: str, *, domain_allows: Iterable[str] = (), layers: LayerMap | None = None
) -> list[Finding]:
    """Return every import of ``package`` that breaks a layer rule, sorted by place."""
    return list(report_imports(package, domain_allows=domain_allows, layers=layers).findings)


def report_imports(
    package: str, *, domain_allows: Iterable[str] = (), layers: LayerMap | None = None
) -> Report:
    """Return what breaks a layer rule, and every waiver, used or not.

    Args:
        package: Importable top package of the application.
        domain_allows: Third-party packages its domain may import.
        layers: What is declared beside what the places of modules say.

    Raises:
        MissingGrimp: grimp is not installed.
        ValueError: ``package`` is no top package, or there is none of that name.
    """
    check = _Check(import_graph(package), package, frozenset(domain_allows), layers or LayerMap())
    return Report(tuple(check.findings()), tuple(check.waivers))


def import_graph(package: str) -> Any:
    """Return grimp's graph of a package and of what it imports.

    Raises:
        MissingGrimp: grimp is not installed.
        ValueError: ``package`` is no top package, or there is none of that name.
    """
    top, _, rest = package.partition(".")
    if rest:
        raise ValueError(f"{package} is inside of {top}; imports are read of a top package: {top}")
    try:
        # As text: grimp is optional, and typed as nothing.
        grimp: Any = importlib.import_module("grimp")
    except ImportError as error:
        raise MissingGrimp from error
    return grimp.build_graph(package, include_external_packages=True)


def contexts_of(modules: Iterable[str]) -> list[str]:
    """Return the packages with a domain in them, sorted: each is a context."""
    return sorted(
        module.rpartition(".")[0]
        for module in modules
        if module.endswith(".domain") and "." in module
    )


class _Check:
    def __init__(
        self, graph: Any, package: str, domain_allows: frozenset[str], layers: LayerMap
    ) -> None:
        self._package = package
        self._layer = layers.of_module
        self._allows = domain_allows
        self._graph = graph
        self._modules: list[str] = sorted(
            module
            for module in self._graph.modules
            if module == package or module.startswith(f"{package}.")
        )
        self._files = {module: _file_of(module) for module in self._modules}
        self.waivers = [
            waiver for module in self._modules for waiver in _waivers(self._files[module])
        ]
        self._contexts = contexts_of(self._modules)

    def findings(self) -> list[Finding]:
        found = [
            *self._outward(),
            *self._third_party(),
            *self._contexts_apart(),
            *self._context_cycles(),
            *self._dynamic(),
        ]
        kept = [finding for finding in found if not self._waived(finding)]
        kept += self._odd_waivers()
        return sorted(kept, key=lambda one: (one.file, one.line, one.code, one.says))

    def _outward(self) -> Iterator[Finding]:
        for module in self._modules:
            layer = self._layer(module)
            if layer is None or layer is Layer.COMPOSITION:
                continue
            for chain in self._chains(module):
                code = _broken_rule(layer, self._layer(chain[-1]), module, chain[-1])
                if code is not None:
                    yield self._outward_finding(code, chain)

    def _chains(self, module: str) -> Iterator[tuple[str, ...]]:
        # Through modules without a layer only: those with one answer for themselves.
        seen = {module}
        ahead: list[tuple[str, ...]] = [(module,)]
        while ahead:
            chain = ahead.pop(0)
            for imported in sorted(self._graph.find_modules_directly_imported_by(chain[-1])):
                if imported in seen or imported not in self._files:
                    continue
                seen.add(imported)
                longer = (*chain, imported)
                if self._layer(imported) is None:
                    ahead.append(longer)
                else:
                    yield longer

    def _outward_finding(self, code: str, chain: tuple[str, ...]) -> Finding:
        asker, asked = chain[0], chain[-1]
        home = asker.rpartition(".")[0]
        fixes = {
            "NX101": f"declare a port in {home}, let the adapter implement it",
            "NX102": "ask for the port that it implements",
            "NX103": "go through the application service, or move what both need inward",
        }
        layer = self._layer(asked)
        named = f" ({layer.value})" if layer is not None else ""
        return self._finding(code, f"{asker} imports {asked}{named}", chain, fixes[code])

    def _third_party(self) -> Iterator[Finding]:
        for module in self._modules:
            if self._layer(module) is not Layer.DOMAIN:
                continue
            for imported in sorted(self._graph.find_modules_directly_imported_by(module)):
                top = imported.partition(".")[0]
                known = top in sys.stdlib_module_names or top in (self._package, "nexios")
                if known or top in self._allows:
                    continue
                yield self._foreign(module, imported, *self._place(module, imported))
            if self._package == "nexios":
                continue
            # The graph knows other packages by their top name only; the text says which module.
            for name, line in _imports(self._files[module]):
                if name.partition(".")[0] == "nexios" and not _within(name, "nexios.domain"):
                    yield self._foreign(module, name, str(self._files[module]), line)

    def _foreign(self, module: str, imported: str, file: str, line: int) -> Finding:
        top = imported.partition(".")[0]
        return Finding(
            "NX104",
            f"{module} imports {imported}: domain may import the standard library and "
            "nexios.domain",
            file,
            line,
            f'a port, or domain_allows = ["{top}"] in [tool.nexios]',
        )

    def _contexts_apart(self) -> Iterator[Finding]:
        for module, imported in self._between_contexts():
            other = self._context_of(imported)
            if _within(imported, f"{other}.api"):
                continue
            mine = self._context_of(module)
            part = ".".join(module.split(".")[: len(mine.split(".")) + 1])
            yield self._finding(
                "NX105",
                f"{part} reaches into {imported}",
                (module, imported),
                f"import from {other}.api, or handle its event",
            )

    def _between_contexts(self) -> Iterator[tuple[str, str]]:
        for module in self._modules:
            mine = self._context_of(module)
            if not mine or self._layer(module) is Layer.COMPOSITION:
                continue
            for imported in sorted(self._graph.find_modules_directly_imported_by(module)):
                other = self._context_of(imported)
                # Its events are what a context says to the others.
                if other and other != mine and not _within(imported, f"{other}.domain.events"):
                    yield module, imported

    def _context_of(self, module: str) -> str:
        for context in self._contexts:
            if _within(module, context):
                return context
        return ""

    def _context_cycles(self) -> Iterator[Finding]:
        steps: dict[str, dict[str, tuple[str, str]]] = {}
        for module, imported in self._between_contexts():
            mine, other = self._context_of(module), self._context_of(imported)
            steps.setdefault(mine, {}).setdefault(other, (module, imported))
        for ring in _rings(steps):
            names = [context.rpartition(".")[2] for context in (*ring, ring[0])]
            pairs = [
                steps[one][other] for one, other in zip(ring, (*ring[1:], ring[0]), strict=True)
            ]
            module, imported = pairs[0]
            file, line = self._place(module, imported)
            yield Finding(
                "NX107",
                f"contexts form a cycle: {' → '.join(names)}",
                file,
                line,
                "an event for one of the steps",
                tuple(self._step(one, other) for one, other in pairs),
            )

    def _dynamic(self) -> Iterator[Finding]:
        for module in self._modules:
            if self._layer(module) not in _INNER:
                continue
            file = self._files[module]
            for says, line in _dynamic_uses(file):
                fix = "ask for it as a constructor parameter"
                yield Finding("NX106", f"{module} {says}", str(file), line, fix)

    def _finding(self, code: str, says: str, chain: tuple[str, ...], fix: str) -> Finding:
        file, line = self._place(chain[0], chain[1])
        steps = tuple(self._step(one, other) for one, other in itertools.pairwise(chain))
        return Finding(code, says, file, line, fix, steps if len(steps) > 1 else ())

    def _step(self, module: str, imported: str) -> str:
        file, line = self._place(module, imported)
        return f"{module} → {imported}  {file}:{line}"

    def _place(self, module: str, imported: str) -> tuple[str, int]:
        details = self._graph.get_import_details(importer=module, imported=imported)
        line = min((one["line_number"] for one in details), default=0)
        return str(self._files[module]), line

    def _waived(self, finding: Finding) -> bool:
        for waiver in self.waivers:
            here = waiver.file == finding.file and waiver.code == finding.code
            if here and finding.line - 1 <= waiver.line <= finding.line:
                waiver.used = True
                return bool(waiver.reason)
        return False

    def _odd_waivers(self) -> Iterator[Finding]:
        for waiver in self.waivers:
            text = f'"nexios: allow {waiver.code}"'
            if not waiver.reason:
                fix = f"# nexios: allow {waiver.code} because ..."
                yield Finding("NX108", f"{text} gives no reason", waiver.file, waiver.line, fix)
            elif not waiver.used:
                yield Finding(
                    "NX108", f"{text} matches nothing", waiver.file, waiver.line, "remove it"
                )


def _broken_rule(layer: Layer, other: Layer | None, module: str, imported: str) -> str | None:
    if may_ask(layer, other):
        return None
    if layer is Layer.DOMAIN:
        return "NX101"
    if layer is Layer.APPLICATION:
        return "NX102"
    return None if _one_package(module, imported) else "NX103"


def _one_package(module: str, imported: str) -> bool:
    # Two files of one adapter package may differ in nothing but the name of their folder.
    head, _, rest = module.partition(".adapters.")
    return imported.startswith(f"{head}.adapters.{rest.split('.')[0]}")


def _within(name: str, package: str) -> bool:
    return name == package or name.startswith(f"{package}.")


def _rings(steps: Mapping[str, Mapping[str, object]]) -> list[tuple[str, ...]]:
    found: set[tuple[str, ...]] = set()

    def walk(path: tuple[str, ...]) -> None:
        for other in sorted(steps.get(path[-1], ())):
            if other == path[0]:
                found.add(path)
            elif other not in path and other > path[0]:
                walk((*path, other))

    for start in sorted(steps):
        walk((start,))
    return sorted(found)


def _file_of(module: str) -> Path:
    spec = importlib.util.find_spec(module)
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError(f"no file of {module}")
    path = Path(spec.origin)
    here = Path.cwd()
    return path.relative_to(here) if path.is_relative_to(here) else path


def _waivers(file: Path) -> Iterator[Waiver]:
    text = file.read_text("utf-8")
    if _WAIVER.search(text) is None:
        return
    # A docstring that shows how a waiver is written is none.
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        found = _WAIVER.match(token.string) if token.type == tokenize.COMMENT else None
        if found:
            yield Waiver(str(file), token.start[0], found[1], (found[2] or "").strip())


def _imports(file: Path) -> Iterator[tuple[str, int]]:
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            for name in node.names:
                yield name.name, node.lineno
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module, node.lineno


def _dynamic_uses(file: Path) -> Sequence[tuple[str, int]]:
    tree = ast.parse(file.read_text("utf-8"))
    found = [
        (f"looks up the container ({name})", line)
        for name, line in _imports(file)
        if _within(name, "nexios.container")
    ]
    loaders = set(_DYNAMIC)
    for node in ast.walk(tree):
        if not isinstance(node, ast.ImportFrom) or node.level:
            continue
        for alias in node.names:
            if node.module == "nexios" and alias.name in CONTAINER_NAMES:
                found.append((f"looks up the container (nexios.{alias.name})", node.lineno))
            elif node.module == "nexios" and alias.name == "container":
                found.append(("looks up the container (nexios.container)", node.lineno))
            elif node.module == "importlib" and alias.name in _DYNAMIC and alias.asname:
                loaders.add(alias.asname)
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            called = node.func
            name = called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", "")
            if name in loaders:
                found.append((f"imports at run time: {ast.unparse(node)}", node.lineno))
    return found
