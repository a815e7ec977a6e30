"""Visibility: which videos may be listed, and which may be seen at all, by an ordered list of named rules.

Belongs here: reading the rules (visibility.yml beside this module, or what REELMILL_VISIBILITY names), refusing wrong
ones, and what they say of a video. Who heeds them: whoever proposes, publishes or lists videos. How the endpoint is
told at once: jobs/feeds/visibility.py. In which order a viewer sees what they may see is ranking, and nothing of it.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from functools import reduce
from pathlib import Path
from typing import Annotated, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError, model_validator
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from jobs.errors import LastingError
from jobs.media.status import Status
from jobs.settings import Settings

OURS = Path(__file__).with_name("visibility.yml")
Name = Annotated[str, Field(min_length=1, max_length=200)]


class Action(StrEnum):
    """What a rule does to a video: it is listed as any other, in no list, or nowhere."""

    ALLOW = "allow"
    LIMIT = "limit"
    DROP = "drop"


class Rule(BaseModel):
    """One rule: it matches a video of these, one by these creators, and one with these hashtags."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Name
    action: Action
    why: str = Field(min_length=1)
    until: AwareDatetime | None = None
    # A rule is a part of each query that asks for it.
    videos: tuple[Name, ...] = Field(default=(), max_length=1_000)
    creators: tuple[Name, ...] = Field(default=(), max_length=1_000)
    hashtags: tuple[Name, ...] = Field(default=(), max_length=1_000)

    @model_validator(mode="after")
    def _matches_something(self) -> Self:
        if not any(self.about.values()):
            raise ValueError("names no videos, creators or hashtags, so that it matches nothing")
        return self

    def holds(self, at: datetime) -> bool:
        return self.until is None or at < self.until

    @property
    def about(self) -> dict[str, tuple[str, ...]]:
        """What it names, by kind."""
        return {"videos": self.videos, "creators": self.creators, "hashtags": self.hashtags}

    def matches(self) -> Column:
        """Of video_id, user_id (the creator) and hashtags."""
        tags = F.array(*[F.lit(tag.lstrip("#").lower()) for tag in self.hashtags])
        found = [F.col("video_id").isin(*self.videos), F.col("user_id").isin(*self.creators)]
        return reduce(Column.__or__, [*found, F.arrays_overlap("hashtags", tags.cast("array<string>"))])


class Rules(BaseModel):
    """The rules in their order, each with a name of its own."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    rules: tuple[Rule, ...]

    @model_validator(mode="after")
    def _are_named(self) -> Self:
        names = [rule.name for rule in self.rules]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"several rules have the name {', '.join(twice)}")
        return self

    def decided(self, videos: DataFrame, at: datetime) -> DataFrame:
        """The videos (video_id, user_id, hashtags and more) with `rule`: the place of the one that decides, or NULL."""
        first = [F.when(rule.matches(), F.lit(place)) for place, rule in enumerate(self.rules) if rule.holds(at)]
        return videos.withColumn("rule", F.coalesce(*first) if first else F.lit(None).cast("int"))

    def without(self, videos: DataFrame, at: datetime, *actions: Action) -> DataFrame:
        """The videos but for those that a rule with one of the actions decides."""
        return self.decided(videos, at).where(~self.is_for(*actions)).drop("rule")

    def as_rejected(self, videos: DataFrame, at: datetime) -> DataFrame:
        """silver.videos in which those that may not be listed are not published: they are known, and not proposed."""
        rejected = F.when(self.is_for(Action.LIMIT, Action.DROP), F.lit(Status.REJECTED))
        return self.decided(videos, at).withColumn("status", F.coalesce(rejected, "status")).drop("rule")

    def is_for(self, *actions: Action) -> Column:
        """Whether a rule with one of the actions decides, of what is `decided`."""
        places = [place for place, rule in enumerate(self.rules) if rule.action in actions]
        return F.coalesce(F.col("rule").isin(places), F.lit(False))


class WrongRules(LastingError):
    """A file is no list of rules: it cannot be read, or a rule lacks something, or says what no rule may say."""


def rules_of(settings: Settings) -> Rules:
    """The rules that hold. Raises WrongRules."""
    return read(settings.visibility or OURS)


def read(path: Path) -> Rules:
    """The rules in a file. Raises WrongRules."""
    import yaml

    try:
        return Rules.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise WrongRules(f"{path} cannot be read as rules of visibility: {error}") from None
    except ValidationError as error:
        wrong = [f"{'.'.join(map(str, one['loc'])) or 'rules'}: {one['msg']}" for one in error.errors()]
        raise WrongRules(f"{path} is no list of rules. {'; '.join(wrong)}. Begin with a copy of {OURS}.") from None
