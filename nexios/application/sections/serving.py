"""How a process lives: where it listens, when it refuses work, what it tells operators."""

from typing import Literal

from nexios.application.sections.section import Section, is_path, within
from nexios.records import dataclass


@dataclass(frozen=True, slots=True)
class ServerSettings(Section):
    """Where ``nexios run`` listens and how long it waits (section ``server``).

    Attributes:
        uds: Path of a Unix socket, instead of host and port.
        workers: Processes that serve, when the application is given as an import string.
        management: ``host:port`` of a second listener, for the details of health and for metrics;
            a port alone is one of 127.0.0.1. None for no such listener.
        http: What reads requests; ``auto`` is httptools where it is installed, else h11.
        ws: ``none`` serves no sockets.
        loop: The event loop; ``auto`` is uvloop where it is installed.
        startup_s: A start that takes longer has failed: everything critical that is checked for
            health must have answered once.
        wait: Wait without end instead for what is critical, and answer 503 meanwhile.
        drain_s: After SIGTERM it is not ready but serves on for so long, until balancers notice.
        grace_s: Then requests in flight have so long.
        loop_block_exit_s: An event loop that stands for so long ends its process; None lets it.
    """

    host: str = "127.0.0.1"
    port: int = 8000
    uds: str | None = None
    workers: int = 1
    management: str | None = None
    http: Literal["auto", "httptools", "h11"] = "auto"
    ws: Literal["auto", "none"] = "auto"
    loop: Literal["auto", "asyncio", "uvloop"] = "auto"
    startup_s: float = 30.0
    drain_s: float = 5.0
    grace_s: float = 20.0
    wait: bool = False
    loop_block_exit_s: float | None = 30.0

    def __post_init__(self) -> None:
        Section.__post_init__(self)
        within("port", self.port, 0, 65535)
        within("workers", self.workers, 1, 1024)
        if self.uds == "":
            raise ValueError("uds must be the path of a Unix socket, or None")
        for name in ("startup_s", "loop_block_exit_s"):
            if getattr(self, name) == 0:
                raise ValueError(f"{name} must be above zero")
        if self.management is not None:
            listening_address(self.management)


def listening_address(text: str) -> tuple[str, int]:
    """Return host and port of ``host:port``, ``[::1]:port``, or a port of 127.0.0.1.

    Raises:
        ValueError: It is none of these.
    """
    host, colon, port = text.strip().rpartition(":")
    if not colon:
        host = "127.0.0.1"
    elif host[:1] == "[" and host[-1:] == "]":
        host = host[1:-1]
    elif ":" in host:
        host = ""  # an address of IPv6 without brackets: which colon is the port's?
    if not host or not (port.isascii() and port.isdecimal()) or int(port) > 65535:
        raise ValueError(
            f"management must be host:port like 127.0.0.1:9090, [::1]:9090 or 9090, not {text!r}"
        )
    return host, int(port)


@dataclass(frozen=True, slots=True)
class HealthSettings(Section):
    """What probes are answered with (section ``health``).

    Attributes:
        enabled: Answer ``/health/live``, ``/health/ready`` and ``/health/startup``.
        interval_s: How often checks are asked while no probe comes.
    """

    enabled: bool = True
    interval_s: float = 5.0

    def __post_init__(self) -> None:
        Section.__post_init__(self)
        if self.interval_s <= 0:
            raise ValueError("interval_s must be above zero")


@dataclass(frozen=True, slots=True)
class SheddingSettings(Section):
    """When `LoadSheddingMiddleware` refuses work (section ``shedding``).

    Attributes:
        target_lag_s: How late the event loop may be for long.
        max_running: How many requests run at once, however prompt it is; None for any number.
    """

    target_lag_s: float = 0.01
    max_running: int | None = None

    def __post_init__(self) -> None:
        Section.__post_init__(self)
        if self.target_lag_s <= 0 or self.max_running == 0:
            raise ValueError("target_lag_s and max_running must be above zero")


@dataclass(frozen=True, slots=True)
class TelemetrySettings(Section):
    """What is seen of the application from outside (section ``telemetry``).

    Attributes:
        logging: How ``nexios run`` writes: JSON lines, text, or text on a terminal and JSON
            elsewhere. ``off`` leaves logging to the application.
        access_log: Write a line for each request, where ``nexios run`` writes at all.
        metrics: Count for Prometheus; needs the extra ``metrics``.
        metrics_path: Where Prometheus reads them; trusted peers alone, and only directly.
        traces: Make spans by OpenTelemetry; needs the extra ``otel``, and an exporter of yours.
    """

    logging: Literal["auto", "json", "text", "off"] = "auto"
    access_log: bool = True
    metrics: bool = False
    metrics_path: str = "/metrics"
    traces: bool = False

    def __post_init__(self) -> None:
        Section.__post_init__(self)
        if not is_path(self.metrics_path):
            raise ValueError("metrics_path must be a path of this application, like /metrics")


@dataclass(frozen=True, slots=True)
class OutboxSettings(Section):
    """The worker that delivers events after commit (section ``outbox``).

    Attributes:
        in_process: Servers run it too; otherwise `nexios worker` alone does.
        workers: How many deliveries at a time.
        poll_interval_s: The longest wait when a wake-up is lost.
        keep_s: How long delivered events and messages of the inbox are kept; None for ever.
    """

    in_process: bool = True
    workers: int = 2
    poll_interval_s: float = 1.0
    keep_s: float | None = 7 * 86_400.0

    def __post_init__(self) -> None:
        Section.__post_init__(self)
        if self.workers < 1 or self.poll_interval_s <= 0:
            raise ValueError("workers and poll_interval_s must be above zero")
