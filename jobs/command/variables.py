"""The settings as environment variables: name, meaning, default, and what each is now.

Belongs here: describing them, for the terminal and for docs/settings.md. The settings themselves: jobs/settings.py.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from jobs.settings import REPOSITORY, Settings, is_kafka, is_s3, uri_of

HOME = "$REELMILL_HOME"
PAGE = """\
# Settings

Every setting is an environment variable; none has to be set. `reelmill settings` shows what each is now, and names
variables `REELMILL_*` that are set and are none of these. This page is the output of `reelmill settings --markdown`,
made from `jobs/settings.py`.

| variable | default | meaning |
|---|---|---|
"""


@dataclass(frozen=True)
class Variable:
    """One setting. `value` is without a password that may be in it."""

    name: str
    meaning: str
    default: str
    value: str
    is_set: bool


def variables(settings: Settings | None = None) -> list[Variable]:
    """Every setting, in the order of the class; what each is now only where there are settings."""
    return [
        Variable(
            name=_name(name),
            meaning=field.description or "",
            default=_shown(field.get_default(call_default_factory=True, validated_data={"home": Path(HOME)})),
            value=_shown(getattr(settings, name)) if settings else "",
            is_set=_name(name) in os.environ,
        )
        for name, field in Settings.model_fields.items()
    ]


def unknown() -> list[str]:
    """Variables of the environment that look like settings and are none: a slip of the pen would change nothing."""
    there = {_name(name) for name in Settings.model_fields}
    return sorted(name for name in os.environ if name.startswith("REELMILL_") and name not in there)


def page() -> str:
    """docs/settings.md."""
    return PAGE + "".join(f"| `{v.name}` | `{v.default}` | {v.meaning} |\n" for v in variables())


def _name(field: str) -> str:
    return f"{Settings.model_config['env_prefix']}{field}".upper()


def _shown(value: object) -> str:
    match value:
        case None:
            return "unset"
        case bool():
            return str(value).lower()
        case Path() if is_s3(value) or is_kafka(value):
            return _shown(uri_of(value))
        case Path():
            return str(value.relative_to(REPOSITORY)) if value.is_relative_to(REPOSITORY) else str(value)
        case str() if "://" in value and "@" in value:
            return re.sub("://[^/]*@", "://***@", value)
    return str(value)
