"""The demo: a simulated world, one nightly pipeline over it, and a feed fetched over HTTP.

Belongs here: the tour that `make demo` gives. Every step is one that a person can take by hand with the command.
"""

from __future__ import annotations

import time

import httpx

from jobs.command import console, progress, rankings
from jobs.command.endpoint import served
from jobs.engine.query import query
from jobs.settings import IS_CHECKOUT, Settings
from jobs.sim.simulate import simulate

PAGE = 10


def run_demo(settings: Settings) -> None:
    """Run the tour in the home of `settings`; a home that holds other data is refused by the simulator."""
    clock = time.monotonic()
    console.heading("1. A small world", f": people, creators, clips and two weeks of watching, in {settings.home}")
    with console.steps() as tell:
        console.fields(simulate(settings, progress=tell))
    console.heading("2. The nightly pipeline", ": publish, understand, learn, build every feed")
    runs = progress.run_pipeline("nightly", None, settings)
    console.heading("3. What ran")
    console.runs(runs)
    console.heading("4. The evaluation", ": what could order the feeds, by what viewers did on days no model has seen")
    rankings.verdicts(settings, None, settings.home / "evaluation.html")
    console.heading("5. A feed, over HTTP")
    user = query("SELECT min(user_id) FROM gold.feeds", settings)[1][0][0]
    with served(settings) as url:
        path = f"/v1/feed/{user}?limit={PAGE}"
        answer = httpx.get(url + path).raise_for_status()
    console.say(f"GET {path}")
    console.feed(answer.json()["items"])
    home = f" with REELMILL_HOME={settings.home}" if "home" in settings.model_fields_set else ""
    console.say(f"\nDone in {time.monotonic() - clock:.0f} s. Look further, from this folder{home}:")
    reelmill = ".venv/bin/reelmill" if IS_CHECKOUT else "reelmill"
    orchestrators = "make" if IS_CHECKOUT else "python -m jobs.command.orchestrators"
    for line, why in (
        (f"{reelmill} tables", "every table, with rows and bytes"),
        (f'{reelmill} query "SELECT * FROM gold.feeds LIMIT 5"', "SQL over the lake"),
        (f"{reelmill} feeds audit --page audit.html", "what the feeds show, of whom, and how unequally"),
        (f"{reelmill} pipeline hourly && {reelmill} trending", "what rose in the newest hour, and why"),
        (f"{reelmill} upload FILE --user me", "publish a clip of your own"),
        (f"{orchestrators} airflow", "what ran, what is late, re-run and backfill"),
        (f"{orchestrators} catalog", "every table and column, and where it comes from"),
    ):
        console.say(f"  {line:<62} {why}")
    console.say(f"\nAnd watch: {reelmill} serve, then open http://127.0.0.1:8000/?viewer={user} (or /docs)")
