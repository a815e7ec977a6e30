"""Which simulated world a home holds: what it is made from, kept beside the lake so that its days can go on.

Belongs here: the parameters of a world and their file. The world itself: world.py.
"""

import hashlib
from dataclasses import dataclass
from datetime import date, timedelta

import orjson

from jobs.errors import ReelmillError
from jobs.host.files import appearing
from jobs.settings import Settings
from jobs.sim.world import SimulatedWorld, make_world

SOURCE = "sim"
FILE = "world.json"  # below REELMILL_HOME, beside the lake: no job reads it


class NoWorldHere(ReelmillError):
    """Nobody has simulated anything in this home."""


@dataclass(frozen=True)
class Plan:
    """What makes a world what it is: two equal plans have the same people, videos and days.

    Of its `days`, the first `logged_days` are lived before there are feeds. `equals` creators are equal (world.py).
    Without clips its videos are titles that nobody can play.
    """

    seed: int
    viewers: int
    creators: int
    videos: int
    days: int
    first_day: date
    equals: int
    logged_days: int
    has_clips: bool

    @property
    def name(self) -> str:
        """Another plan has other file names: ingest never reads a name twice."""
        return f"{SOURCE}-{hashlib.sha256(orjson.dumps(self)).hexdigest()[:12]}"

    def world(self) -> SimulatedWorld:
        return make_world(
            seed=self.seed,
            viewers=self.viewers,
            creators=self.creators,
            videos=self.videos,
            days=self.days,
            first_day=self.first_day,
            equals=self.equals,
        )

    def date_of(self, day: int) -> date:
        """The date of a day that is counted from 0."""
        return self.first_day + timedelta(days=day)

    def keep(self, settings: Settings) -> None:
        """Write it into the home."""
        with appearing(settings.home / FILE) as unfinished:
            unfinished.write_bytes(orjson.dumps(self, option=orjson.OPT_INDENT_2))


def plan_of(settings: Settings) -> Plan:
    """The plan of the world in this home. Raises NoWorldHere."""
    try:
        kept = orjson.loads((settings.home / FILE).read_bytes())
    except FileNotFoundError:
        raise NoWorldHere(
            f"{settings.home} holds no simulated world. Make one, with days to come: "
            "reelmill simulate world --days 28 --logged-days 14"
        ) from None
    return Plan(**{**kept, "first_day": date.fromisoformat(kept["first_day"])})
