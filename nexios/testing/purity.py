"""Asserts, in one line of a test, that an application keeps its layers."""

from collections.abc import Sequence

from nexios.layers.imports import check_imports
from nexios.layers.wall import load


def assert_layers(package: str, *, domain_allows: Sequence[str] = ()) -> None:
    """Fail with every import of ``package`` that breaks a layer rule.

    Args:
        package: Importable top package of the application.
        domain_allows: Third-party packages its domain may import.
    """
    findings = check_imports(package, domain_allows=domain_allows)
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
