"""A headless Chromium for tests, driven by the WebDriver protocol (W3C), of which some requests are needed.

Belongs here: starting it, and what a person does with a browser: open a page, look, type, click, keep a picture. What a
page must show: the tests.
"""

from __future__ import annotations

import base64
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from jobs.host.ports import free_port

# The name by which the protocol passes an element.
ELEMENT = "element-6066-11e4-a52e-4f735466cecf"


class Chromium:
    """One window."""

    def __init__(self, client: httpx.Client, session: str) -> None:
        self._client, self._session = client, session

    def ask(self, method: str, path: str, body: dict[str, Any]) -> Any:
        """A request of the protocol for this window."""
        answer = self._client.request(method, f"{self._session}{path}", json=body)
        assert answer.is_success, answer.text
        return answer.json()["value"]

    def open(self, address: str) -> None:
        self.ask("POST", "/url", {"url": address})

    def run(self, script: str, *given: Any) -> Any:
        """What a script returns."""
        return self.ask("POST", "/execute/sync", {"script": script, "args": given})

    def run_async(self, script: str, *given: Any) -> Any:
        """What a script gives to the function that is its last argument."""
        return self.ask("POST", "/execute/async", {"script": script, "args": given})

    def wait(self, script: str, *given: Any, seconds: float = 60) -> Any:
        """What a script returns as soon as that is something."""
        until = time.monotonic() + seconds
        while not (found := self.run(script, *given)):
            assert time.monotonic() < until, f"{script} {given}: {self.run('return document.body.innerText')}"
            time.sleep(0.1)
        return found

    def see(self, text: str) -> None:
        """Wait until the page shows it."""
        self.wait("return document.body.innerText.includes(arguments[0])", text)

    def type(self, css: str, text: str) -> None:
        self.ask("POST", f"/element/{self._element(css)}/value", {"text": text})

    def click(self, css: str) -> None:
        self.ask("POST", f"/element/{self._element(css)}/click", {})

    def _element(self, css: str) -> str:
        found: dict[str, str] = self.wait("return document.querySelector(arguments[0])", css)
        return found[ELEMENT]

    def press(self, key: str) -> None:
        """A key, by the character that the protocol has for it."""
        strokes = [{"type": kind, "value": key} for kind in ("keyDown", "keyUp")]
        self.ask("POST", "/actions", {"actions": [{"type": "key", "id": "keyboard", "actions": strokes}]})

    def tool(self, command: str, **params: Any) -> Any:
        """What a command of the developer tools' protocol answers."""
        return self.ask("POST", "/goog/cdp/execute", {"cmd": command, "params": params})

    def screen(self, width: int, height: int, *, phone: bool, scale: float = 1) -> None:
        """Have a screen of that size. Headless or not, a window is at least 500 pixels wide; a screen is not."""
        size = {"width": width, "height": height, "deviceScaleFactor": scale, "mobile": phone}
        self.tool("Emulation.setDeviceMetricsOverride", **size)
        self.tool("Emulation.setTouchEmulationEnabled", enabled=phone)

    def swipe(self, x: int, start: int, end: int) -> None:
        """A finger that is put down at a height, moves to another one and is taken away."""
        way = [start + (end - start) * step // 4 for step in range(5)]
        for kind, heights in (("touchStart", way[:1]), ("touchMove", way[1:])):
            for y in heights:
                self.tool("Input.dispatchTouchEvent", type=kind, touchPoints=[{"x": x, "y": y}])
        self.tool("Input.dispatchTouchEvent", type="touchEnd", touchPoints=[])

    def keep(self, path: Path, left: int, top: int, width: int, height: int) -> None:
        """Write what the window shows there as a PNG."""
        clip = {"x": left, "y": top, "width": width, "height": height, "scale": 1}
        path.write_bytes(base64.b64decode(self.tool("Page.captureScreenshot", format="png", clip=clip)["data"]))


@contextmanager
def chromium(*arguments: str) -> Iterator[Chromium]:
    """A window of a new headless Chromium, started with these arguments beside those that it needs."""
    programs = [shutil.which(name) for name in ("chromium", "chromedriver")]
    assert all(programs), "Chromium is missing: run `python3 -m jobs.host.needs --tests`"
    port = free_port()
    needed = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
    options = {"binary": programs[0], "args": [*needed, *arguments]}
    wanted = {"browserName": "chrome", "goog:chromeOptions": options}
    driver = subprocess.Popen(
        [str(programs[1]), f"--port={port}"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=120, trust_env=False) as client:
            for _ in range(100):
                try:
                    client.get("/status")
                    break
                except httpx.ConnectError:
                    time.sleep(0.1)
            made = client.post("/session", json={"capabilities": {"alwaysMatch": wanted}})
            assert made.is_success, made.text
            session = f"/session/{made.json()['value']['sessionId']}"
            try:
                yield Chromium(client, session)
            finally:
                # The driver alone would leave the browser behind.
                client.delete(session)
    finally:
        driver.terminate()
        driver.wait()
