"""Arms: which systems and policies make feeds side by side, and which viewer gets which.

Belongs here: reading the file that REELMILL_ARMS names, refusing a wrong one, and drawing viewers. Making the feeds:
build.py. What came of them: compare.py.

Whom an arm has is drawn by the name of the comparison and the viewer alone, not by the day, by who else there is or by
how viewers are cut into tasks. So a viewer stays in an arm as long as the comparison has its name and its shares, and
another name draws anew. Which arm made a feed is written down with the feed; nobody draws for a past night.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from jobs.engine.lake import Lake
from jobs.errors import LastingError
from jobs.ranking.model import InService
from jobs.ranking.orders import Order
from jobs.ranking.policy import Policy, read
from jobs.ranking.serving import system_of
from jobs.ranking.stages.stage import Need
from jobs.settings import Settings

# Viewers whom no other arm has: their feeds are made by the policy and the system that make them without a comparison.
CONTROL = "control"
# Names go into tables, versions and commands.
Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$")]


class WrongArms(LastingError):
    """A file declares no arms: it cannot be read, lacks something, or names what is not there."""


class _Arm(BaseModel):
    """One arm as the file has it; without a policy or a system, those of the control."""

    model_config = ConfigDict(extra="forbid")

    share: float = Field(gt=0, lt=1)
    policy: str | None = None
    system: str | None = None
    why: str = Field(min_length=1)


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid")

    comparison: Name
    arms: dict[Name, _Arm] = Field(min_length=1)


@dataclass(frozen=True)
class Arm:
    """A share of the viewers, and what makes their feeds where that is not what makes those of the control."""

    name: str
    share: float
    policy: Policy | None
    system: str | None
    why: str


@dataclass(frozen=True)
class Comparison:
    """The arms of a comparison in the order of its file, the control at last."""

    name: str
    arms: tuple[Arm, ...]

    @property
    def version(self) -> str:
        """The same for what makes the same feeds, but for the control's policy and system: 8 hexadecimal digits."""
        arms = [(arm.name, arm.share, arm.policy and arm.policy.version, arm.system) for arm in self.arms]
        return hashlib.sha256(json.dumps([self.name, arms]).encode()).hexdigest()[:8]

    @property
    def needs(self) -> frozenset[Need]:
        """What stages of the arms' own policies have looked up."""
        return frozenset(need for arm in self.arms if arm.policy for need in arm.policy.needs)

    def drawn(self, viewers: Iterable[str]) -> NDArray[np.int64]:
        """The arm of each viewer, as its place among the arms."""
        digests = b"".join(
            hashlib.blake2b(f"{self.name} {viewer}".encode(), digest_size=8).digest() for viewer in viewers
        )
        places = np.frombuffer(digests, dtype="<u8") / 2.0**64
        # The control takes what is left, whatever the last bits of a sum of shares are.
        ends = list(accumulate(arm.share for arm in self.arms))[:-1]
        return np.searchsorted(ends, places, side="right").astype(np.int64)


@dataclass(frozen=True)
class Maker:
    """What makes the feeds of an arm's viewers; without a comparison there is one, and no `arm`."""

    arm: Arm | None
    system: InService | Order
    policy: Policy


@dataclass(frozen=True)
class Makers:
    """What makes everybody's feed on a night: in a comparison each of its arms, in their order."""

    comparison: Comparison | None
    each: tuple[Maker, ...]

    @property
    def version(self) -> str:
        """What the version of the feeds says beside the night: what serves, and what is compared with it."""
        serves = self.each[-1].system.version
        return f"{serves}.{self.comparison.version}" if self.comparison else serves

    def drawn(self, viewers: Iterable[str]) -> NDArray[np.int64]:
        """The maker of each viewer's feed, as its place in `each`."""
        listed = list(viewers)
        return self.comparison.drawn(listed) if self.comparison else np.zeros(len(listed), dtype=np.int64)


def comparison_of(settings: Settings) -> Comparison | None:
    """What is compared at present; None where everybody's feed is made alike. Raises WrongArms and WrongPolicy."""
    return read_arms(settings.arms) if settings.arms else None


def read_arms(path: Path) -> Comparison:
    """The comparison in a file, which names policies by where they lie from there. Raises WrongArms, WrongPolicy."""
    import yaml

    try:
        declared = _File.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise WrongArms(f"{path} cannot be read as arms: {error}") from None
    except ValidationError as error:
        wrong = [f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors()]
        raise WrongArms(f"{path} declares no arms. {'; '.join(wrong)}.") from None
    left = 1 - sum(arm.share for arm in declared.arms.values())
    if CONTROL in declared.arms or left <= 0:
        raise WrongArms(
            f"{path} may not declare the arm {CONTROL}: it has the viewers whom no other arm has, so the shares of the "
            f"others come to less than 1. They come to {1 - left:g}."
        )
    if same := [name for name, arm in declared.arms.items() if arm.policy is None and arm.system is None]:
        raise WrongArms(f"{path} has nothing to compare for {', '.join(same)}: name a policy or a system for it.")
    arms = [
        Arm(name, arm.share, read(path.parent / arm.policy) if arm.policy else None, arm.system, arm.why)
        for name, arm in declared.arms.items()
    ]
    return Comparison(declared.comparison, (*arms, Arm(CONTROL, left, None, None, "what serves everybody else")))


def alike(system: InService | Order, policy: Policy) -> Makers:
    """What makes everybody's feed where nothing is compared."""
    return Makers(None, (Maker(None, system, policy),))


def makers(lake: Lake, comparison: Comparison | None, system: InService | Order, policy: Policy) -> Makers:
    """What makes the feeds where this system and policy serve. Raises WrongArms for a system that is not there."""
    if comparison is None:
        return alike(system, policy)
    each = []
    for arm in comparison.arms:
        own = system_of(lake, arm.system) if arm.system else system
        if own is None:
            raise WrongArms(
                f"The arm {arm.name} of {comparison.name} is to be ordered by {arm.system}, and there is no such model "
                "or plain order. `reelmill models list` names the models."
            )
        each.append(Maker(arm, own, arm.policy or policy))
    return Makers(comparison, tuple(each))
