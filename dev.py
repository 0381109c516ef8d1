#!/usr/bin/env python3
"""The one entrance for people who work on Nexios. Standard library only.

python3 dev.py demo            start the example shop on SQLite with seeded data, print what to try
python3 dev.py demo --check    start it on a free port, call it over HTTP and WebSocket, stop
python3 dev.py test [...]      set up and run the test suite; what follows goes to pytest
python3 dev.py check           lint, types, layers, weight of the import
python3 dev.py setup           only make .venv
"""

import argparse
import hashlib
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

LOWEST = (3, 11)
ROOT = pathlib.Path(__file__).resolve().parent
VENV = ROOT / ".venv"
BIN = VENV / ("Scripts" if os.name == "nt" else "bin")
PYTHON = BIN / ("python.exe" if os.name == "nt" else "python")
SOME_FAILED = 1  # pytest's exit code
STAMP = VENV / ".nexios-stamp"
NO_ENSUREPIP = """\
dev.py: {python} comes without ensurepip, so it cannot make a virtual environment. Either
  1. install it:  apt-get install python{version}-venv      (Debian, Ubuntu)
  2. or use uv:   pipx install uv                           (dev.py takes it when it is on PATH)
and run the same command again."""


def main(arguments):
    """Run one command and return its exit code."""
    if sys.version_info < LOWEST:
        asked = " ".join(arguments) or "test"
        print(
            "dev.py: Nexios needs Python {}.{} or newer, this is {}.{}; "
            "try: python3.11 dev.py {}".format(*LOWEST, *sys.version_info[:2], asked),
            file=sys.stderr,
        )
        return 2
    parser = argparse.ArgumentParser(
        prog="dev.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("setup", help="make .venv")
    commands.add_parser("check", help="lint, types, layers, weight of the import")
    commands.add_parser("test", help="run the test suite", add_help=False)
    shop = commands.add_parser("demo", help="run the example shop")
    shop.add_argument("--check", action="store_true", help="call it, compare the answers, stop")
    shop.add_argument(
        "--db", help="database URL; a SQLite file in a temporary folder unless given"
    )
    shop.add_argument(
        "--port", type=int, default=8000, help="default 8000; --check picks a free one"
    )
    options, rest = parser.parse_known_args(arguments)
    if rest and options.command != "test":
        parser.error("unknown argument: " + rest[0])
    os.chdir(ROOT)
    code = set_up()
    if code or options.command == "setup":
        return code
    if options.command == "test":
        return test(rest or BESIDE)
    if options.command == "check":
        return check()
    return demo(options)


# --- set-up ---------------------------------------------------------------------------------


def set_up():
    """Make ``.venv`` with the project and its ``dev`` extra; return at once when it is current."""
    interpreter, wanted = interpreter_stamp(), content_stamp()
    stamped = STAMP.read_text().split() if PYTHON.exists() and STAMP.exists() else []
    if stamped == [interpreter, wanted]:
        return 0
    uv = shutil.which("uv")
    if not uv and not has_ensurepip():
        version = "{}.{}".format(*sys.version_info[:2])
        print(NO_ENSUREPIP.format(python=sys.executable, version=version), file=sys.stderr)
        return 2
    print("dev.py: setting up .venv (once, about a minute)", flush=True)
    steps = []
    if stamped[:1] != [interpreter]:
        # Made by another Python, or left half made.
        shutil.rmtree(VENV, ignore_errors=True)
        steps.append(
            [uv, "venv", "--quiet", "--python", sys.executable, VENV]
            if uv
            else [sys.executable, "-m", "venv", VENV]
        )
    install = (
        [uv, "pip", "install", "--quiet", "--python", PYTHON]
        if uv
        else [PYTHON, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    )
    steps.append([*install, "--constraint", "constraints.txt", "--editable", ".[dev]"])
    for step in steps:
        code = run(step)
        if code:
            print("dev.py: set-up failed at: " + " ".join(map(str, step)), file=sys.stderr)
            return code
    STAMP.write_text(f"{interpreter} {wanted}")
    return 0


def interpreter_stamp():
    """Return a digest of the Python that ``.venv`` is made with."""
    return digest_of(repr((sys.version_info[:3], sys.base_prefix)))


def content_stamp():
    """Return a digest of what decides the packages and commands in ``.venv``."""
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    for table in ("description", "classifiers", "keywords"):
        project["project"].pop(table, None)
    constraints = (ROOT / "constraints.txt").read_text()
    return digest_of(repr((project["project"], project["build-system"], constraints)))


def digest_of(text):
    """Return the SHA-256 of a text, in hexadecimal digits."""
    return hashlib.sha256(text.encode()).hexdigest()


def has_ensurepip():
    """Tell whether ``venv`` can install pip: Debian splits that off."""
    try:
        import ensurepip  # noqa: F401
    except ImportError:
        return False
    return True


# --- commands -------------------------------------------------------------------------------


# More than the cores are: half of what the suite takes it waits for clocks and for servers. Each
# begins with a stretch of its own, so that what is set up for a file is set up once.
BESIDE = ["-n", str(2 * (os.cpu_count() or 1)), "--dist", "worksteal"]


def test(arguments):
    """Run the suite; what fails beside other tests is run once more, one test after another.

    Tests of servers that are stopped, killed and paused wait for clocks, and a busy machine
    fails one in thousands. Both runs print what failed; the second one decides.
    """
    code = run([PYTHON, "-m", "pytest", *arguments])
    if code != SOME_FAILED or BESIDE[0] not in arguments:
        return code
    print("dev.py: once more, one after another, what failed beside others", flush=True)
    again = ["--last-failed", "--last-failed-no-failures", "none"]
    return run([PYTHON, "-m", "pytest", *again])


def check():
    """Run every check, also after one failed, and say at the end which did."""
    checks = [
        ("lint", [BIN / "ruff", "check", "--quiet", "."]),
        ("format", [BIN / "ruff", "format", "--check", "--quiet", "."]),
        ("types", [PYTHON, "-m", "mypy"]),
        ("layers", [BIN / "lint-imports", "--no-logo"]),
        # What users run on their code, on ours.
        ("itself", [PYTHON, "-m", "nexios", "check", "nexios"]),
        ("shop", [PYTHON, "-m", "nexios", "check", "examples.shop.main:app"]),
        ("weight", [PYTHON, "-c", WEIGHT]),
    ]
    failed = []
    for name, command in checks:
        started = time.monotonic()
        code = run(command)
        print(
            "{:<7} {}  ({:.1f} s)".format(
                name, "FAILED" if code else "ok", time.monotonic() - started
            ),
            flush=True,
        )
        if code:
            failed.append(name)
    print("check: " + ("failed: " + ", ".join(failed) if failed else "all green"))
    return 1 if failed else 0


WEIGHT = """
import subprocess, sys
# dependency-injector loads these where they are: not a user's weight, and not ours.
HIDDEN = "import sys; sys.modules.update(dict.fromkeys(('yaml', 'pydantic_settings'))); "
heavy = {
    "aiosqlite", "alembic", "asyncpg", "click", "dependency_injector.containers",
    "dependency_injector.wiring", "grimp", "httpx2", "jinja2", "jwt", "multipart", "nats",
    "pytest", "python_multipart", "redis", "sqlalchemy", "uvicorn", "websockets",
    "nexios.adapters.openapi.drawing", "nexios.adapters.openapi.words", "nexios.adapters.security",
    "nexios.auth.backends.jwt", "nexios.setting_types", "pydantic.main", "pydantic.type_adapter",
    "dependency_injector", "nexios.assembly", "nexios.container.container", "pydantic_core",
}
most = 300
loaded = subprocess.run(
    [sys.executable, "-c", HIDDEN + "from nexios import NexiosApp; NexiosApp(); "
     "print(*(name for name, one in sys.modules.items() if one))"],
    check=True, capture_output=True, text=True,
).stdout.split()
print(f"an application without routes loads {len(loaded)} modules")
if found := heavy.intersection(loaded):
    sys.exit("an application must not load: " + ", ".join(sorted(found)))
if len(loaded) > most:
    sys.exit(f"an application must not load more than {most} modules")
"""


def demo(options):
    """Serve ``examples.shop`` in the foreground, or with ``--check`` call it and stop."""
    with tempfile.TemporaryDirectory(prefix="nexios-shop-") as folder:
        own_file = "sqlite:///" + (pathlib.Path(folder) / "shop.db").as_posix()
        url = options.db or os.environ.get("NEXIOS_DATABASE_URL") or own_file
        port = free_port() if options.check else options.port
        environment = dict(os.environ, NEXIOS_DATABASE_URL=url)
        command = [PYTHON, "-m", "nexios", "run", "examples.shop.main:app", "--port", str(port)]
        base = f"http://127.0.0.1:{port}"
        if not options.check:
            print(TRY.format(base=base, socket=base.replace("http", "ws")), flush=True)
            return run(command, env=environment)
        command += ["--log-level", "warning"]
        server = subprocess.Popen([str(part) for part in command], env=environment)
        try:
            code = wait_until_up(server, port) or run(
                [PYTHON, "-m", "examples.shop.check", base], env=environment
            )
        finally:
            code_of_server = stop(server)
        if not code and code_of_server not in (0, -signal.SIGTERM):
            print(f"dev.py: the shop stopped with exit code {code_of_server}", file=sys.stderr)
            return 1
        return code


TRY = """\
The shop will listen on {base}. In another terminal:

  curl {base}/products
  curl -X POST {base}/orders -H 'content-type: application/json' \\
       -d '{{"customer": "0192f0c1-2345-7abc-8def-0123456789ab", "number": "A-1"}}'
  curl -X PUT {base}/orders/ID/lines/tea -H 'content-type: application/json' -d '{{"qty": 2}}'
  curl -X POST {base}/orders/ID/place
  curl {base}/nothing-here                   # application/problem+json

The socket {socket}/ws/orders/ID tells what becomes of an order. More: examples/shop/README.md.
Ctrl-C stops it.
"""


def free_port():
    """Return a port of the loopback interface that nobody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def wait_until_up(server, port, timeout_s=30.0):
    """Wait until the server answers; return 1 when it stopped or stays silent."""
    url = f"http://127.0.0.1:{port}/products"
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        if server.poll() is not None:
            print("dev.py: the shop did not start", file=sys.stderr)
            return 1
        try:
            urllib.request.urlopen(url, timeout=1).close()
        except urllib.error.HTTPError:
            return 0
        except OSError:
            time.sleep(0.05)
        else:
            return 0
    print(f"dev.py: the shop did not answer within {timeout_s:.0f} s", file=sys.stderr)
    return 1


def stop(server):
    """Stop the server as an operator would, with SIGTERM, and return its exit code."""
    if server.poll() is None:
        server.terminate()
    try:
        return server.wait(timeout=15)
    except subprocess.TimeoutExpired:
        server.kill()
        return server.wait()


def run(command, env=None):
    """Run a command in the foreground; Ctrl-C ends it quietly.

    It keeps what it compiles, also where the machine says otherwise: the suite starts hundreds
    of processes that import the same files.
    """
    env = dict(os.environ if env is None else env)
    env.pop("PYTHONDONTWRITEBYTECODE", None)
    try:
        return subprocess.run([str(part) for part in command], check=False, env=env).returncode
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
