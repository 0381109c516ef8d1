"""Asserts, in one line of a test, that an application keeps its layers."""

from collections.abc import Mapping, Sequence

from nexios.layers.imports import check_imports
from nexios.layers.project import allowed_by_project
from nexios.layers.rules import Layer, LayerMap
from nexios.layers.wall import load


def assert_layers(
    package: str,
    *,
    domain_allows: Sequence[str] | None = None,
    layers: Mapping[str, Layer] | None = None,
) -> None:
    """Fail with every import of ``package`` that breaks a layer rule.

    Args:
        package: Importable top package of the application.
        domain_allows: Third-party packages its domain may import; what ``[tool.nexios]`` in the
            ``pyproject.toml`` of the working directory says unless given.
        layers: Dotted path to layer, as given to the application.
    """
    allowed = allowed_by_project() if domain_allows is None else domain_allows
    findings = check_imports(package, domain_allows=allowed, layers=LayerMap(layers))
    if findings:
        raise AssertionError(
            f"{len(findings)} layer findings in {package}\n" + "\n".join(map(str, findings))
        )


def assert_pure(*modules: str, allows: Sequence[str] = ()) -> None:
    """Fail when ``modules`` load more than the standard library and ``nexios.domain``.

    Args:
        modules: Dotted names; imported in a fresh interpreter.
        allows: Packages they may load beside.
    """
    loaded = load(modules, allows=(*allows, *modules))
    if loaded.refused:
        raise AssertionError(loaded.refused)
