"""How soon a clip's first frame is there on a slow link, beside hls.js as it comes, in the same run.

Belongs here: the measurement. It prints and asserts nothing of time: a ratio on a busy laptop is not a test.

    python bench/first_frame.py [--rounds 3] [--dwell 2] [--mbps 5] [--latency 50] [--clips 16]

A real Chromium with the player, whose link its developer tools slow down; how fast the link is for media is measured
and printed, and one that is faster than it should be ends the run. Clips of 6 s with sound are drawn and published as
ours are, in three rungs. Each side goes through the same visit, in turns, with an empty cache:

    player       what `reelmill serve` hands out, which goes by the `preload` of the feed's slots
    plain        the same page, where each clip near the one shown is loaded by an hls.js without options
    plain, one   the same, where only the clip that is shown is loaded

A visit opens the page, goes on to the next clip six times after --dwell seconds each, and jumps twice to a clip that
was not loaded. What is measured, in the page: from the press until the browser presents a frame of the clip that plays.
"""

from __future__ import annotations

import argparse
import math
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from datetime import date
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from jobs.host.redis_server import redis_url
from jobs.media.ladder import transcode
from jobs.media.opening import opening
from jobs.media.probe import probe
from jobs.settings import Settings
from jobs.sim.clips import PICTURES, Clip, draw
from serving.app import create_app
from serving.feed_store.layout import version_of
from serving.feed_store.shapes import FIRST_SECONDS, MEDIA, Preload, Slot
from serving.feed_store.writer import FeedStore
from tests.chromium import Chromium, chromium
from tests.serving.conftest import over_http
from tests.serving.staging import write_feeds

SIZE = (720, 1280)
SECONDS = 6
NEXT, JUMPS = 6, (4, 4)
OURS, PLAIN, ONE = SIDES = ("player", "plain", "plain, one")
EVENTS = ("next", "cold", "opened")
# In place of serving/player/app/players.js.
PLAIN_PLAYERS = """
import Hls from "./vendor/hls.mjs";
class Player {
  element = Object.assign(document.createElement("video"), { playsInline: true, loop: true, muted: true });
  // The page's policy lets no script of a `blob:` address run, as a worker of hls.js is one.
  hls = new Hls({ enableWorker: false });
  constructor(address) {
    this.hls.loadSource(address);
    this.hls.attachMedia(this.element);
  }
}
export class Players {
  #of = new Map();
  mute(isMuted) {
    for (const { element } of this.#of.values()) element.muted = isMuted;
  }
  hold(clips, shown) {
    const held = clips.filter((clip) => LOADS_ALL || clip === shown);
    for (const [clip, { hls, element }] of this.#of) {
      if (held.includes(clip)) continue;
      hls.destroy();
      element.remove();
      this.#of.delete(clip);
    }
    for (const clip of held) if (!this.#of.has(clip)) this.#of.set(clip, new Player(clip.playback_url));
    return new Map(Array.from(this.#of, ([clip, player]) => [clip, player.element]));
  }
}
"""
# From the begin of the document on: milliseconds until a frame of the clip of that place is presented while it plays.
WATCH = """
performance.setResourceTimingBufferSize(5000);
window.framesOf = (place) => new Promise((resolve) => {
  const look = () => {
    const video = document.querySelectorAll('#feed .clip')[place]?.querySelector('video');
    if (!video) requestAnimationFrame(look);
    else {
      const presented = () => video.paused ? video.requestVideoFrameCallback(presented) : resolve(performance.now());
      video.requestVideoFrameCallback(presented);
    }
  };
  look();
});
window.opened = window.framesOf(0);
"""
OPENED = "const [done] = arguments; window.opened.then(done);"
GO_ON = """
const [place, done] = arguments;
const began = performance.now();
document.getElementById('down').click();
window.framesOf(place).then((at) => done(at - began));
"""
JUMP = """
const [place, done] = arguments;
const feed = document.getElementById('feed');
const began = performance.now();
feed.scrollTo({ top: place * feed.clientHeight, behavior: 'instant' });
window.framesOf(place).then((at) => done(at - began));
"""
# Megabytes of media that came over the link.
LOADED = """
const media = performance.getEntriesByType('resource').filter((entry) => entry.name.includes('/media/'));
return media.reduce((sum, entry) => sum + entry.transferSize, 0) / 1e6;
"""
LINK = """
const [large, small, done] = arguments;
const timed = async (address) => {
  const began = performance.now();
  const body = await (await fetch(address, { cache: 'no-store' })).arrayBuffer();
  return [performance.now() - began, body.byteLength * 8];
};
(async () => {
  const [wait] = await timed(small);
  const [took, bits] = await timed(large);
  done([bits / (took - wait) / 1e3, wait]);
})();
"""


def made(folder: Path, number: int) -> Slot:
    """Draw and publish a clip, and say its slot."""
    drawn, name = folder / f".{number}.mp4", f"{number:032x}"
    draw(Clip(number, number % len(PICTURES), number * 47 % 360, number, SECONDS * 1000, SIZE, 0), drawn)
    (folder / name).mkdir()
    variants = transcode(drawn, probe(drawn), folder / name)
    drawn.unlink()
    start = opening(variants)
    if start is None or start.first_bytes is None or len(variants) != 3 or start.audio_codec is None:
        raise RuntimeError(f"clip {number} has not three rungs with sound: {variants}")
    return Slot(
        video_id=f"clip-{number:04d}",
        position=number,
        reason="New here.",
        title=f"Clip {number}",
        user_id="cyra",
        hashtags=[],
        published_at="2026-01-10T12:00:00Z",
        views=0,
        likes=0,
        duration=variants[-1].seconds,
        playback_url=f"{MEDIA}/{name}/master.m3u8",
        poster_url=f"{MEDIA}/{name}/poster.jpg",
        preload=Preload(
            playlist_url=f"{MEDIA}/{name}/{start.playlist}",
            bytes={str(n): weight for n, weight in zip(FIRST_SECONDS, start.first_bytes, strict=True)},
            watch_seconds=SECONDS * 0.6,
        ),
    )


@contextmanager
def serving(name: str, url: str, folder: Path) -> Iterator[str]:
    """The address of an endpoint with the player of that name."""
    spool = folder / f".events-{len(name)}"
    app = create_app(redis_url=url, media=folder, events=spool, landing=folder / ".landing", secret="s")
    if name != OURS:
        script = PLAIN_PLAYERS.replace("LOADS_ALL", "true" if name == PLAIN else "false")

        async def plain(_: Request) -> Response:
            return Response(script, media_type="text/javascript")

        app.router.routes.insert(0, Route("/player/players.js", plain))
    with over_http(app) as http:
        yield str(http.base_url)


def viewer_of(turn: int, side: str) -> str:
    """Somebody for each visit: what one was shown is left out of the next."""
    return f"{SIDES.index(side)}-{turn}"


def slow_down(window: Chromium, mbps: float, latency_ms: float) -> None:
    bytes_per_second = mbps * 1e6 / 8
    window.tool("Network.enable")
    link = {"downloadThroughput": bytes_per_second, "uploadThroughput": bytes_per_second, "latency": latency_ms}
    window.tool("Network.emulateNetworkConditions", offline=False, **link)


def visit(window: Chromium, address: str, viewer: str, dwell: float) -> tuple[dict[str, list[float]], float]:
    """Milliseconds of each kind of event, and megabytes of media."""
    window.open("about:blank")
    window.tool("Network.clearBrowserCache")
    window.open(f"{address}/?viewer={viewer}")
    took: dict[str, list[float]] = {"opened": [window.run_async(OPENED)]}
    took["next"] = []
    place = 0
    for _ in range(NEXT):
        time.sleep(dwell)
        place += 1
        took["next"].append(window.run_async(GO_ON, place))
    took["cold"] = []
    for step in JUMPS:
        time.sleep(dwell)
        place += step
        took["cold"].append(window.run_async(JUMP, place))
    return took, window.run(LOADED)


def measure(options: argparse.Namespace, folder: Path, url: str, slots: list[Slot]) -> tuple[Any, Any, Any]:
    """Milliseconds by side and event, megabytes by side, and the link as media had it (Mbit/s, ms)."""
    took: dict[str, dict[str, list[float]]] = {name: defaultdict(list) for name in SIDES}
    loaded: dict[str, list[float]] = {name: [] for name in took}
    with ExitStack() as stack:
        addresses = {name: stack.enter_context(serving(name, url, folder)) for name in took}
        window = stack.enter_context(chromium())
        window.screen(390, 844, phone=True, scale=2)
        window.tool("Emulation.setEmulatedMedia", features=[{"name": "prefers-reduced-motion", "value": "reduce"}])
        window.tool("Page.enable")
        window.tool("Page.addScriptToEvaluateOnNewDocument", source=WATCH)
        window.open(f"{addresses[SIDES[0]]}/docs-assets/nothing")
        slow_down(window, options.mbps, options.latency)
        heaviest = max((file for file in folder.glob("*/*/*.m4s")), key=lambda file: file.stat().st_size)
        large, small = f"{MEDIA}/{heaviest.relative_to(folder)}", str(slots[0].playback_url)
        link = window.run_async(LINK, large, small)
        if link[0] > 1.2 * options.mbps or link[1] < options.latency:
            raise RuntimeError(f"media come by {link[0]:.1f} Mbit/s and {link[1]:.0f} ms: the link is not slowed down")
        for turn in range(options.rounds):
            for name in SIDES[turn % 3 :] + SIDES[: turn % 3]:
                found, megabytes = visit(window, addresses[name], viewer_of(turn, name), options.dwell)
                loaded[name].append(megabytes)
                for event, times in found.items():
                    took[name][event] += times
    return took, loaded, link


def percentiles(times: list[float]) -> tuple[float, float]:
    """p50 and p95, by nearest rank."""
    ordered = sorted(times)
    return ordered[math.ceil(0.5 * len(times)) - 1], ordered[math.ceil(0.95 * len(times)) - 1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rounds", type=int, default=3, help="visits of each side")
    parser.add_argument("--dwell", type=float, default=2, help="seconds before a person goes on")
    parser.add_argument("--mbps", type=float, default=5)
    parser.add_argument("--latency", type=float, default=50, help="of each request, in milliseconds")
    parser.add_argument("--clips", type=int, default=16)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="reelmill-bench-") as place:
        folder = Path(place) / "media"
        folder.mkdir()
        with ThreadPoolExecutor(2) as pool:
            slots = list(pool.map(lambda number: made(folder, number), range(options.clips)))
        version = version_of(date(2026, 1, 18), "bench")
        with redis_url(Settings(home=Path(place) / "home")) as url:
            with FeedStore(url) as store:
                feed: list[dict[str, object]] = [slot.model_dump() for slot in slots]
                store.begin(version)
                viewers = [viewer_of(turn, name) for turn in range(options.rounds) for name in SIDES]
                write_feeds(store, version, ((viewer, feed) for viewer in viewers))
                store.write_fallback(version, feed)
                store.commit(version, len(viewers))
            took, loaded, link = measure(options, folder, url, slots)
    table = Table(
        title=f"Milliseconds to the first frame: {link[0]:.1f} Mbit/s and {link[1]:.0f} ms a request as measured"
    )
    table.add_column()
    for column in (*(f"{event}: p50, p95 ({len(took[OURS][event])})" for event in EVENTS), "media a visit"):
        table.add_column(column, justify="right")
    for name, of_side in took.items():
        figures = [percentiles(of_side[event]) for event in EVENTS]
        megabytes = sum(loaded[name]) / options.rounds
        table.add_row(name, *(f"{p50:,.0f}, {p95:,.0f}" for p50, p95 in figures), f"{megabytes:.1f} MB")
    for name in (PLAIN, ONE):
        pairs = [(percentiles(took[name][event]), percentiles(took[OURS][event])) for event in EVENTS]
        ratios = [f"{theirs[0] / ours[0]:.1f}x, {theirs[1] / ours[1]:.1f}x" for theirs, ours in pairs]
        table.add_row(f"{name} / {OURS}", *ratios, f"{sum(loaded[name]) / sum(loaded[OURS]):.1f}x")
    Console(width=150).print(table)
    weights = [slot.preload.bytes["1"] / 1e3 for slot in slots if slot.preload]
    rungs = sorted({slot.preload.playlist_url.split("/")[-2] for slot in slots if slot.preload})
    print(f"advised: {', '.join(rungs)}; first second {min(weights):.0f} to {max(weights):.0f} kB")


if __name__ == "__main__":
    main()
