"""Somebody before the player in a real browser: what they do, and what they see.

Belongs here: what all tests of the player ask of a window. What they are shown: conftest.py.
"""

import os
from pathlib import Path
from typing import Any

from jobs.settings import REPOSITORY
from tests.chromium import Chromium

PHONE, DESK = (390, 844), (1280, 800)
# The clip that is shown and fills the screen, whether it is heard, and how far it has played.
SHOWN = """
const slide = [...document.querySelectorAll('.clip.is-current')].find(one => one.checkVisibility());
const video = slide?.querySelector('video');
const stands = slide && Math.abs(slide.getBoundingClientRect().top) < 1;
return stands ? [slide.dataset.videoId ?? slide.dataset.state, video && !video.paused, video?.currentTime ?? 0] : null;
"""
PLAYS = f"""
const shown = (() => {{{SHOWN}}})();
return shown && shown[0] == (arguments[0] ?? shown[0]) && shown[2] > arguments[1];
"""
ADDRESSES = "return performance.getEntriesByType('resource').map(entry => entry.name)"
# When nothing comes in or goes any more.
STILL = """
const moving = document.getAnimations().filter(one => one.effect.getTiming().iterations === 1);
Promise.allSettled(moving.map(one => one.finished)).then(arguments[0]);
"""


class Person:
    """Somebody at a window with the player in it."""

    def __init__(self, window: Chromium, url: str) -> None:
        self.window, self.url = window, url
        self.asked: set[str] = set()

    def open(self, address: str, *, screen: tuple[int, int] = DESK) -> None:
        """In a browser that remembers nothing."""
        self.leave()
        self.window.screen(*screen, phone=screen == PHONE, scale=1.5 if screen == PHONE else 1)
        self.window.tool("Storage.clearDataForOrigin", origin=self.url, storageTypes="all")
        self.window.open(f"{self.url}{address}")

    def come_back(self, address: str = "/") -> None:
        """In the same browser, without saying again who it is."""
        self.leave()
        self.window.open(f"{self.url}{address}")

    def leave(self) -> None:
        """Go elsewhere, and remember what the page had asked for."""
        self.asked.update(self.window.run(ADDRESSES))
        self.window.open("about:blank")

    def sees(self, video_id: str | None, played: float = 0.0) -> None:
        """Wait until this clip, or any, is shown and has played for so many seconds."""
        self.window.wait(PLAYS, video_id, played, seconds=15)

    def shown(self) -> Any:
        return self.window.run(SHOWN)[0]

    def console(self) -> list[str]:
        """What the console complained of since it was asked last."""
        return [entry["message"] for entry in self.window.ask("POST", "/se/log", {"type": "browser"})]

    def picture(self, name: str, folder: Path) -> None:
        """Of the whole screen, at rest; for the documentation when PICTURES is set."""
        self.window.run_async(STILL)
        width, height = self.window.run("return [innerWidth, innerHeight]")
        place = REPOSITORY / "docs" / "pictures" if os.environ.get("PICTURES") else folder
        self.window.keep(place / f"{name}.png", 0, 0, width, height)
