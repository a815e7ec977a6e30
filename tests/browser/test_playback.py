"""Published clips in a real browser: each plays from 0 to its end.

Chromium plays HLS by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from jobs.media.ladder import transcode
from jobs.media.probe import probe
from tests.chromium import chromium

pytestmark = pytest.mark.browser

Run = Callable[..., None]

X264 = ("-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p")
PLAY = """
const [address, rate, done] = arguments;
const video = document.createElement('video');
const tell = ending => done([ending, video.currentTime, video.duration]);
if (!video.canPlayType('application/vnd.apple.mpegurl')) done(['this Chromium is too old for HLS', 0, 0]);
video.muted = true;
video.addEventListener('ended', () => tell('ended'));
video.addEventListener('error', () => tell('error ' + video.error.message));
setTimeout(() => tell('stands'), 45000);
document.body.append(video);
video.src = address;
video.playbackRate = rate;
video.play().catch(error => tell(String(error)));
"""


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def browser(site: tuple[Path, str]) -> Iterator[Callable[[str, list[Any]], Any]]:
    """browser(script, arguments): what an asynchronous script in one headless Chromium answers."""
    with chromium("--autoplay-policy=no-user-gesture-required") as window:
        window.ask("POST", "/timeouts", {"script": 60_000})
        # HLS of another origin than the page's is refused.
        window.open(f"{site[1]}/index.html")
        yield lambda script, given: window.run_async(script, *given)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, str]]:
    """A folder and the address where it is served."""
    folder = tmp_path_factory.mktemp("site")
    (folder / "index.html").write_text("<!doctype html><title>player</title><body></body>")
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder)))
    Thread(target=server.serve_forever, daemon=True).start()
    yield folder, f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


KINDS = {
    "plain": ("testsrc2=size=180x320:rate=30:duration=2", "sine=duration=2", 2, 1),
    "sound ends early": ("testsrc2=size=180x320:rate=30:duration=6", "sine=duration=1.5", 6, 4),
    "picture ends early": ("testsrc2=size=180x320:rate=30:duration=1", "sine=duration=5", 5, 4),
    "one frame a second": ("testsrc2=size=180x320:rate=1:duration=6", "sine=duration=6", 6, 4),
    "no sound": ("testsrc2=size=180x320:rate=30:duration=3", None, 3, 2),
}
"""Picture, sound, seconds and how many times as fast it is played."""


@pytest.mark.parametrize("kind", KINDS)
def test_a_published_clip_plays_to_its_end_in_a_browser(
    ffmpeg: Run, browser: Callable[[str, list[Any]], Any], site: tuple[Path, str], tmp_path: Path, kind: str
) -> None:
    picture, sound, seconds, faster = KINDS[kind]
    heard = ("-f", "lavfi", "-i", sound) if sound else ()
    ffmpeg("-f", "lavfi", "-i", picture, *heard, *X264, tmp_path / "clip.mp4")
    folder, address = site
    made = folder / kind.replace(" ", "-")
    made.mkdir()
    transcode(tmp_path / "clip.mp4", probe(tmp_path / "clip.mp4"), made)
    ending, reached, length = browser(PLAY, [f"{address}/{made.name}/master.m3u8", faster])
    assert (ending, reached, length) == ("ended", pytest.approx(seconds, abs=0.1), pytest.approx(seconds, abs=0.1))
