"""A real Chromium without a window, driven over its DevTools protocol by the library we have."""

import base64
import itertools
import json
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from websockets.sync.client import ClientConnection, connect

_NAMES: Final = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_FLAGS: Final = (
    *("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync", "--no-first-run", "--hide-scrollbars"),
    *("--disable-dev-shm-usage", "--remote-debugging-port=0", "--window-size=1400,900"),
)
_PATIENCE_S: Final = 20.0

EXECUTABLE: Final = next((path for name in _NAMES if (path := shutil.which(name))), None)
"""The browser that is installed here; None where there is none."""


class PageFailed(AssertionError):
    """The page did not do what was waited for, or its script threw."""


class Page:
    """One tab.

    Attributes:
        requested: The address of everything it asked for, in order.
        complaints: What it wrote to the console as an error: refused by the policy, thrown.
    """

    def __init__(self, wire: ClientConnection) -> None:
        self._wire = wire
        self._numbers = itertools.count(1)
        self.requested: list[str] = []
        self.complaints: list[str] = []
        for domain in ("Page", "Network", "Runtime", "Log"):
            self._call(f"{domain}.enable")

    def goto(self, url: str) -> None:
        """Load a page and forget what was noted of the one before."""
        self.requested.clear()
        self.complaints.clear()
        self._call("Page.navigate", url=url)
        self.wait_for("document.readyState === 'complete'")

    def run(self, script: str) -> Any:
        """Return the value of an expression; a promise is awaited."""
        answer = self._call(
            "Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True
        )
        if "exceptionDetails" in answer:
            raise PageFailed(f"{script}: {answer['exceptionDetails']}")
        return answer["result"].get("value")

    def wait_for(self, script: str) -> None:
        """Wait until an expression is true."""
        deadline = time.monotonic() + _PATIENCE_S
        while time.monotonic() < deadline:
            if self.run(f"Boolean({script})"):
                return
            # The page works in its own process; asking without pause would only slow it.
            time.sleep(0.02)
        raise PageFailed(f"{script} did not become true; {self.complaints}")

    def press(self, key: str) -> None:
        """Press a key as a person would, with what the browser does of its own."""
        code = {"Tab": 9, "Enter": 13, " ": 32}[key]
        text = {"Enter": "\r", " ": " "}.get(key)
        for kind in ("keyDown", "keyUp"):
            given = {"type": kind, "key": key, "windowsVirtualKeyCode": code}
            if text and kind == "keyDown":
                given["text"] = text
            self._call("Input.dispatchKeyEvent", **given)

    def look(self, *, width: int = 1400, height: int = 900, scheme: str = "light") -> None:
        """Change the size of the window and what colours the person prefers."""
        self._call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=False,
        )
        feature = {"name": "prefers-color-scheme", "value": scheme}
        self._call("Emulation.setEmulatedMedia", features=[feature])

    def screenshot(self, path: Path) -> None:
        """Write what is seen, as a PNG."""
        answer = self._call("Page.captureScreenshot", format="png")
        path.write_bytes(base64.b64decode(answer["data"]))

    def _call(self, method: str, **params: Any) -> dict[str, Any]:
        number = next(self._numbers)
        self._wire.send(json.dumps({"id": number, "method": method, "params": params}))
        while True:
            message = json.loads(self._wire.recv(timeout=_PATIENCE_S))
            if message.get("id") == number:
                if "error" in message:
                    raise PageFailed(f"{method}: {message['error']}")
                result: dict[str, Any] = message["result"]
                return result
            self._note(message.get("method", ""), message.get("params", {}))

    def _note(self, event: str, params: Any) -> None:
        if event == "Network.requestWillBeSent":
            self.requested.append(params["request"]["url"])
        elif event == "Runtime.exceptionThrown":
            self.complaints.append(json.dumps(params["exceptionDetails"]))
        elif event == "Log.entryAdded" and params["entry"]["level"] == "error":
            self.complaints.append(params["entry"]["text"])


@contextmanager
def browsing() -> Iterator[Page]:
    """Start the browser and yield its tab; the process is ended and waited for."""
    if EXECUTABLE is None:
        raise FileNotFoundError("no Chromium is installed")
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        process = subprocess.Popen(
            [EXECUTABLE, *_FLAGS, f"--user-data-dir={profile}", "about:blank"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            port, browser = _address(Path(profile) / "DevToolsActivePort", process)
            # A browser on a busy machine is asked for nothing for long: no ping may end its line.
            with connect(
                f"ws://127.0.0.1:{port}{browser}", max_size=None, ping_interval=None
            ) as wire:
                wire.send(json.dumps({"id": 0, "method": "Target.getTargets"}))
                targets = json.loads(wire.recv(timeout=_PATIENCE_S))["result"]["targetInfos"]
            tab = next(target["targetId"] for target in targets if target["type"] == "page")
            with connect(
                f"ws://127.0.0.1:{port}/devtools/page/{tab}", max_size=None, ping_interval=None
            ) as wire:
                yield Page(wire)
        finally:
            process.terminate()
            process.wait(timeout=_PATIENCE_S)


def _address(file: Path, process: subprocess.Popen[bytes]) -> tuple[str, str]:
    """Return the port and the path of the browser's own end, once it has written them."""
    deadline = time.monotonic() + _PATIENCE_S
    while time.monotonic() < deadline and process.poll() is None:
        lines = file.read_text().split() if file.exists() else []
        if len(lines) == 2:
            return lines[0], lines[1]
        time.sleep(0.05)
    raise PageFailed("the browser did not start")
