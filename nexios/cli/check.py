"""`nexios check TARGET`: proves wiring and imports without starting anything."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import click

from nexios.app import NexiosApp
from nexios.cli.deploy import check_deploy
from nexios.cli.loading import ApplicationNotFound, Target, load_target
from nexios.config import ConfigError
from nexios.container.binding import Origin
from nexios.container.container import Container
from nexios.container.errors import WiringProblem
from nexios.container.hints import Hint
from nexios.container.keys import show
from nexios.container.module import Waiver
from nexios.container.places import Step
from nexios.layers.contracts import contracts
from nexios.layers.imports import MissingGrimp, Report, report_imports
from nexios.layers.project import allowed_by_project


class TargetRefused(click.ClickException):
    """There is nothing to look at; the text says why."""

    exit_code = 2


@dataclass(slots=True)
class Verdict:
    """What was found.

    Attributes:
        problems: Of wiring and routes.
        imports: None where the imports were not read; ``skipped`` says why.
        neutral: Keys that no layer rule is about.
        waivers: Of the modules; those of lines are in ``imports``.
        untyped: What sockets do not say, so that the AsyncAPI document shows ``{}``.
    """

    target: str
    package: str
    problems: list[Exception] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)
    neutral: list[str] = field(default_factory=list)
    waivers: list[Waiver] = field(default_factory=list)
    hints: Sequence[Hint] = ()
    untyped: Sequence[tuple[str, str, list[str]]] = ()
    imports: Report | None = None
    skipped: str = ""

    @property
    def passed(self) -> bool:
        """Whether nothing has to be mended."""
        return not self.problems and not (self.imports is not None and self.imports.findings)


@click.command()
@click.argument("target", metavar="TARGET")
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "json", "github"]),
    default="text",
    show_default=True,
    help="github is for --deploy.",
)
@click.option("--package", help="Package whose imports are read. Default: the top one of TARGET.")
@click.option(
    "--import-linter",
    "import_linter",
    is_flag=True,
    help="Print the layer rules as contracts of import-linter, and check nothing.",
)
@click.option("--deploy", is_flag=True, help="Say what is unfit for production, nothing else.")
@click.option("--workers", type=click.IntRange(1), help="With --deploy: how many will serve.")
@click.option(
    "--server",
    type=click.Choice(["nexios", "uvicorn", "granian", "other"]),
    default="nexios",
    show_default=True,
    help="With --deploy: what will serve; nexios is nexios run.",
)
def check(
    target: str,
    form: str,
    package: str | None,
    import_linter: bool,
    deploy: bool,
    workers: int | None,
    server: str,
) -> None:
    """Prove TARGET without starting it: shop.main:app, a Module, or a package alone.

    Builds the wiring and prints every problem; then reads the imports of its package against the
    layer rules. Ends with 1 where something has to be mended, with 2 where TARGET names nothing.
    """
    if form == "github" and not deploy:
        raise click.UsageError("--format github goes with --deploy")
    found = target_of(target, "check")
    if deploy:
        if not check_deploy(found, form, workers, server):
            raise SystemExit(1)
        return
    name = package or found.package
    if import_linter:
        click.echo(_contracts(name or target), nl=False)
        return
    verdict = examine(found, name)
    click.echo(as_json(verdict) if form == "json" else "\n".join(as_text(verdict)))
    if not verdict.passed:
        raise SystemExit(1)


def target_of(text: str, command: str) -> Target:
    """Load a target.

    Raises:
        TargetRefused: It names nothing that can be looked at.
    """
    try:
        return load_target(text, command)
    except (ApplicationNotFound, ConfigError) as error:
        raise TargetRefused(str(error)) from error


def build(target: Target) -> tuple[Container | None, list[Exception]]:
    """Return the container of a target, or what is wrong with it.

    Raises:
        TargetRefused: It is a package alone.
        Exception: An error that is none of ours comes through as it is.
    """
    try:
        return target.container(), []
    except ApplicationNotFound as error:
        raise TargetRefused(str(error)) from error
    except ExceptionGroup as group:
        if not _is_ours(group):
            raise
        return None, list(group.exceptions)
    except Exception as error:
        if not _is_ours(error):
            raise
        return None, [error]


def examine(target: Target, package: str) -> Verdict:
    """Build the wiring, read the imports."""
    verdict = Verdict(target.text, package)
    if target.root is not None:
        container, verdict.problems = build(target)
        if container is not None:
            _look(container, verdict)
            if isinstance(target.root, NexiosApp):
                verdict.untyped = target.root.docs.untyped()
    if not package:
        verdict.skipped = f"{target.module.__name__} is one file, no package"
        return verdict
    try:
        verdict.imports = report_imports(
            package, domain_allows=allowed_by_project(), layers=target.layers
        )
    except MissingGrimp as missing:
        verdict.skipped = str(missing)
    except ValueError as error:
        raise TargetRefused(str(error)) from error
    return verdict


def as_text(verdict: Verdict) -> Iterator[str]:
    """Return the lines for people."""
    if verdict.problems:
        yield f"wiring   {_count(len(verdict.problems), 'problem')}"
        for number, problem in enumerate(verdict.problems, 1):
            yield f"{number}. {problem}"
    elif verdict.counts:
        counted = ", ".join(_count(number, word) for word, number in verdict.counts.items())
        yield f"wiring   ok: {counted}; {len(verdict.neutral)} without a layer"
    report = verdict.imports
    if report is None:
        yield f"imports  not read: {verdict.skipped}"
    elif report.findings:
        yield f"imports  {_count(len(report.findings), 'finding')} in {verdict.package}"
        yield from map(str, report.findings)
    else:
        yield f"imports  ok: {verdict.package}"
    lines = [_line_of(waiver) for waiver in verdict.waivers]
    if report is not None:
        lines += [
            f"{one.file}:{one.line} {one.code} because {one.reason or '(no reason)'}"
            for one in report.waivers
        ]
    yield f"waivers  {len(lines) or 'none'}"
    yield from (f"  {line}" for line in lines)
    if verdict.counts:
        yield f"hints    {len(verdict.hints) or 'none'}"
    yield from (f"  {line}" for hint in verdict.hints for line in str(hint).splitlines())
    if verdict.untyped:
        yield f"untyped  {_count(len(verdict.untyped), 'socket')} in the AsyncAPI document"
    for label, where, parts in verdict.untyped:
        yield f"  {where} {label}"
        yield from (f"    {part}" for part in parts)


def as_json(verdict: Verdict) -> str:
    """Return one JSON object for programs."""
    report = verdict.imports
    document = {
        "target": verdict.target,
        "passed": verdict.passed,
        "wiring": {
            "problems": [_json_problem(problem) for problem in verdict.problems],
            "counts": verdict.counts,
            "neutral": verdict.neutral,
        },
        "imports": {
            "package": verdict.package or None,
            "skipped": verdict.skipped or None,
            "findings": [
                {
                    "code": one.code, "says": one.says, "file": one.file, "line": one.line,
                    "chain": list(one.chain), "fix": one.fix,
                }
                for one in (report.findings if report is not None else ())
            ],
        },
        "waivers": [
            *(
                {"asker": show(one.asker), "asked": show(one.asked), "because": one.because,
                 "where": str(one.where)}
                for one in verdict.waivers
            ),
            *(
                {"code": one.code, "because": one.reason, "where": f"{one.file}:{one.line}"}
                for one in (report.waivers if report is not None else ())
            ),
        ],
        "hints": [
            {"kind": one.kind.value, "says": one.says, "where": str(one.where), "fix": one.fix}
            for one in verdict.hints
        ],
        "untyped": [
            {"socket": label, "where": where, "parts": parts}
            for label, where, parts in verdict.untyped
        ],
    }  # fmt: skip
    return json.dumps(document, indent=2, ensure_ascii=False)


def _look(container: Container, verdict: Verdict) -> None:
    survey = container.graph().survey
    rooms = {room.name for room in survey.rooms}
    verdict.counts = {
        "module": len(rooms), "object": len(survey.parts), "entry": len(survey.calls),
    }  # fmt: skip
    verdict.neutral = [
        part.title
        for part in survey.parts
        if part.layer is None and part.home_layer is None and part.origin is not Origin.BUILT_IN
    ]
    registry = container.assembly.registry
    verdict.waivers = [waiver for module in registry.modules for waiver in module.waivers]
    verdict.hints = container.hints()


def _contracts(package: str) -> str:
    try:
        return contracts(package, domain_allows=allowed_by_project())
    except (MissingGrimp, ValueError) as error:
        raise TargetRefused(str(error)) from error


def _is_ours(error: Exception) -> bool:
    if isinstance(error, ExceptionGroup):
        return all(_is_ours(one) for one in error.exceptions)
    return type(error).__module__.partition(".")[0] == "nexios"


def _line_of(waiver: Waiver) -> str:
    allowed = f"allow({show(waiver.asker)}, {show(waiver.asked)})"
    return f"{waiver.where} {allowed} because {waiver.because}".strip()


def _count(number: int, word: str) -> str:
    plural = f"{word[:-1]}ies" if word.endswith("y") else f"{word}s"
    return f"{number} {word if number == 1 else plural}"


def _json_problem(problem: Exception) -> dict[str, object]:
    if not isinstance(problem, WiringProblem):
        return {"code": None, "kind": type(problem).__name__, "text": str(problem)}
    return {
        "code": problem.code,
        "kind": type(problem).__name__,
        "says": problem.says,
        "key": str(problem.key) if problem.key is not None else None,
        "path": [_json_step(step) for step in problem.asked_by],
        "notes": list(problem.notes),
        "fix": problem.fix,
        "entry": problem.label or None,
        "text": str(problem),
    }


def _json_step(step: Step) -> dict[str, object]:
    return {"label": step.label.strip(), "text": step.text, "where": str(step.where) or None}
