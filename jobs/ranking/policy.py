"""The policy of the feeds: every number of the re-rank stages with its reason, from one file.

Belongs here: reading the file (policy.yml beside this module, or what REELMILL_POLICY names), refusing a wrong one, and
its version. What the numbers mean: stages/, a module for each stage.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from jobs.errors import LastingError
from jobs.ranking.stages import registry
from jobs.ranking.stages.stage import Need, Number, Numbers
from jobs.settings import Settings

OURS = Path(__file__).with_name("policy.yml")


class WrongPolicy(LastingError):
    """A file is no policy: it cannot be read, or lacks a number, or has one that may not be."""


@dataclass(frozen=True)
class Policy:
    """The numbers of each stage, by its name."""

    numbers: Mapping[str, Numbers]

    @property
    def version(self) -> str:
        """The same for the same numbers, whatever their reasons are: 12 hexadecimal digits."""
        values = [(stage, name, number.value) for stage, name, number in self.every()]
        return hashlib.sha256(json.dumps(values).encode()).hexdigest()[:12]

    @property
    def needs(self) -> frozenset[Need]:
        """What is looked up of videos for the stages that are on."""
        on = (stage for stage in registry.STAGES if stage.is_on(self.numbers[stage.name]))
        return frozenset(need for stage in on for need in stage.needs)

    def every(self) -> Iterator[tuple[str, str, Number[object]]]:
        """Each number, with the stage that reads it and its name there."""
        for stage, numbers in self.numbers.items():
            for name in type(numbers).model_fields:
                yield stage, name, getattr(numbers, name)


def policy_of(settings: Settings) -> Policy:
    """The policy that makes the feeds. Raises WrongPolicy."""
    return read(settings.policy or OURS)


def read(path: Path) -> Policy:
    """The policy in a file. Raises WrongPolicy."""
    import yaml

    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise WrongPolicy(f"{path} cannot be read as a policy: {error}") from None
    stages = {stage.name: stage for stage in registry.STAGES}
    if not isinstance(content, dict) or content.keys() != stages.keys():
        found = ", ".join(map(str, content)) if isinstance(content, dict) else "no stage"
        raise WrongPolicy(
            f"{path} has {found or 'no stage'}, and a policy has exactly {', '.join(stages)}. Begin with a copy of "
            f"{OURS}."
        )
    return Policy({name: _numbers(path, name, stage.numbers, content[name]) for name, stage in stages.items()})


def _numbers(path: Path, stage: str, kind: type[Numbers], content: object) -> Numbers:
    try:
        return kind.model_validate(content)
    except ValidationError as error:
        wrong = [f"{'.'.join([stage, *map(str, one['loc'])])}: {one['msg']}" for one in error.errors()]
        raise WrongPolicy(f"{path} is no policy. {'; '.join(wrong)}.") from None
