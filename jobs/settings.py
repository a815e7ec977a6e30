"""Every setting of Reelmill, in one class, each an environment variable with the prefix `REELMILL_`.

Belongs here: what a person may want to change without changing code. Constants that make a table what it is
(window lengths, the ladder's rungs) belong to the job that uses them.
"""

import os
import re
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import (
    Field,
    ModelWrapValidatorHandler,
    SecretStr,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_settings import BaseSettings, SettingsConfigDict

from jobs.errors import LastingError
from serving.limits import Limits
from serving.topic import SCHEMES, Topic, topic

# In a checkout its root; installed, the folder of packages that holds ours.
REPOSITORY = Path(__file__).resolve().parent.parent
IS_CHECKOUT = (REPOSITORY / "pyproject.toml").exists()


def cache() -> Path:
    """Where fetched files are kept: in a checkout its `.cache`, which every user of it shares; else this person's."""
    if IS_CHECKOUT:
        return REPOSITORY / ".cache"
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "reelmill"


def under_home(*parts: str, description: str) -> Any:
    """A default path below `home`, so that one setting moves everything and two homes never share a file."""
    return Field(default_factory=lambda data: data["home"].joinpath(*parts), description=description)


# Spark takes the first of these for patterns and reads other homes' files by them; the others end or change an address.
UNSAFE = re.compile(r"[*?\[\]{}\\%#`\x00-\x1f]")


# What many machines read and write, and nothing appends to or locks.
IN_A_BUCKET = ("lake", "media")
# How a folder in a bucket, s3://bucket/prefix, begins as a path.
S3 = "s3:"


def is_s3(folder: Path) -> bool:
    """Whether a folder of the settings is in an S3 bucket."""
    return folder.parts[:1] == (S3,)


def is_kafka(place: Path) -> bool:
    """Whether a place of the settings is a topic of Kafka's."""
    return place.parts[:1] in {(f"{scheme}:",) for scheme in SCHEMES}


def uri_of(folder: Path) -> str:
    """The URI of a place of the settings, without a slash at its end."""
    if is_s3(folder) or is_kafka(folder):
        return f"{folder.parts[0]}//{'/'.join(folder.parts[1:])}"
    # Not Path.as_uri: Spark would look for a folder with %20 in its name where there is a space.
    return f"file://{folder}"


def is_loopback(host: str) -> bool:
    """Whether only this machine is reached by a name or an address."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class UnsafePath(LastingError):
    """A folder has a name that the engines do not all read alike."""


class WrongSetting(LastingError):
    """A setting has a value that it may not have."""


# What Spark takes for its own least heap, 450 MB, and some.
LEAST_HEAP = 512 * 2**20
HEAP = re.compile(r"([0-9]+)([kmgt])", re.IGNORECASE)
MASTER = re.compile(r"local(\[(\*|[0-9]+)(, *[0-9]+)?\])?|spark://.+|yarn|k8s://.+")
# What pydantic says of these needs a programmer to read it.
PLAINLY = {
    "bool_parsing": "it must be true or false",
    "float_parsing": "it must be a number",
    "int_parsing": "it must be a whole number",
}


SECRETS = ("secret", "redis_url", "kafka_password")


def in_words(error: ValidationError) -> str:
    """Which settings are wrong, what each is unless that is secret, and what it may be."""
    sentences = []
    for problem in error.errors():
        if problem["type"] == "default_factory_not_called":
            continue  # it hangs on one that is wrong, and is not wrong itself
        name, value = str(problem["loc"][0]), problem["input"]
        said = PLAINLY.get(problem["type"]) or problem["msg"].removeprefix("Value error, ").replace(
            "Input should", "it must"
        )
        shown = "is wrong" if name in SECRETS or "@" in str(value) else f"is {str(value)!r}"
        sentences.append(f"REELMILL_{name.upper()} {shown}: {said}.")
    return " ".join(sentences)


class Settings(BaseSettings):
    """Where things are and how much machine to use."""

    model_config = SettingsConfigDict(env_prefix="REELMILL_", frozen=True, extra="forbid")

    home: Path = Field(default=Path("var"), description="Everything written at run time hangs off this folder.")
    lake: Path = under_home("lake", description="The Delta tables; may be s3://bucket/prefix.")
    media: Path = under_home("media", description="What plays: renditions, playlists; may be s3://bucket/prefix.")
    landing: Path = under_home("landing", description="Where uploads arrive.")
    events: Path = under_home(
        "spool",
        "events",
        description="Where the endpoint leaves events for the next ingest; may be kafka://host:port/topic.",
    )
    models: Path = under_home("models", description="The files of trained models.")
    checkpoints: Path = under_home("checkpoints", description="How far each ingest has read its input.")
    registry: Path = under_home("feast", description="Feast's registry of feature views.")
    jars: Path = Field(
        default_factory=lambda: cache() / "jars",
        description="The JVM jars, which `reelmill setup` or the first job fetches once.",
    )
    redis_url: str | None = Field(default=None, description="Unset: an embedded Redis that lives under home.")
    upload_max_bytes: int = Field(default=Limits.max_bytes, gt=0, description="The most bytes of one upload over HTTP.")
    upload_types: str = Field(
        default=Limits.types,
        description="Media types that an upload over HTTP may say it is, with commas between them.",
    )
    uploads_at_once: int = Field(
        default=Limits.at_once, gt=0, description="How many uploads over HTTP one person may have under way."
    )
    uploads_a_day: int = Field(
        default=Limits.a_day, gt=0, description="How many uploads over HTTP one person may begin within a day."
    )
    open_to_all: bool | None = Field(
        default=None,
        description="Whether the endpoint lets in who has no API key. Unset: where it listens for this machine alone.",
    )
    origins: str = Field(
        default="",
        description="Origins whose pages may call the endpoint from a browser, such as https://app.example, with "
        "commas between them; * is all.",
    )
    logs: Literal["text", "json"] = Field(
        default="text",
        description="How the endpoint writes its log: text, or json for an object a line and a line a request.",
    )
    secret: SecretStr | None = Field(
        default=None,
        description="The key that signs, and marks a Redis as this home's; the same for an endpoint that has a home of "
        "its own. Unset: made once, in home.",
    )
    kafka_password: SecretStr | None = Field(
        default=None,
        validate_default=True,
        description="The password of the user that REELMILL_EVENTS names, where events go to Kafka.",
    )
    spark_master: str = Field(
        default="local[*]", description="Where Spark runs; local[*] is all cores of this machine."
    )
    spark_memory: str = Field(
        default="3g", description="Heap of the Spark driver, which in local mode does the work, and of each executor."
    )
    stalled_after_s: float = Field(default=1800, gt=0, description="A job in which nothing moves so long is ended.")
    explore: float = Field(
        default=0.004, ge=0, le=1, description="Share of the slots of feeds that chance fills; 0 turns it off."
    )
    policy: Path | None = Field(
        default=None, description="The file of the policy of the feeds. Unset: the one of this package."
    )
    arms: Path | None = Field(
        default=None,
        description="A file of arms, which make the feeds of shares of the viewers by other policies or systems. "
        "Unset: everybody's feed is made alike.",
    )
    visibility: Path | None = Field(
        default=None, description="The file of the rules of visibility. Unset: the one of this package, without a rule."
    )
    tower: bool = Field(
        default=False, description="Learn a two-tower network each night, whose vectors go to gold.embeddings too."
    )
    checks: bool = Field(default=True, description="Off only to measure what the data contracts cost.")

    @property
    def lake_bucket(self) -> str | None:
        """The address of the lake where it is in a bucket."""
        return uri_of(self.lake) if is_s3(self.lake) else None

    @property
    def upload_limits(self) -> Limits:
        """What a person may upload over HTTP."""
        return Limits(self.upload_max_bytes, self.upload_types, self.uploads_at_once, self.uploads_a_day)

    @property
    def allowed_origins(self) -> list[str]:
        """The origins, each without a slash at its end, as browsers name them."""
        return [origin.strip().rstrip("/") for origin in self.origins.split(",") if origin.strip()]

    @property
    def topic(self) -> Topic | None:
        """The topic in which the endpoint leaves events, where it is one."""
        password = self.kafka_password.get_secret_value() if self.kafka_password else None
        return topic(uri_of(self.events), password) if is_kafka(self.events) else None

    @property
    def spool(self) -> Path:
        """The folder from which files of events are taken in: the endpoint's own, and those of imports in any case."""
        return self.home / "spool" / "events" if is_kafka(self.events) else self.events

    @property
    def is_local(self) -> bool:
        """Whether Spark's executors are threads of its driver."""
        return self.spark_master.startswith("local")

    @field_validator(
        *("home", "lake", "media", "landing", "events", "models", "checkpoints", "registry", "jars"),
        *("policy", "arms", "visibility"),
    )
    @classmethod
    def absolute(cls, path: Path | None, info: ValidationInfo) -> Path | None:
        """Spark's JVM and the Airflow tasks have other working directories than the caller. Raises UnsafePath."""
        if path is None or (is_kafka(path) and info.field_name == "events"):
            return path
        if not is_s3(path):
            path = path.expanduser().absolute()
        elif info.field_name not in IN_A_BUCKET or len(path.parts) < 2:
            raise UnsafePath(
                f"REELMILL_{(info.field_name or '').upper()} is {uri_of(path)!r}: a bucket holds the lake and the "
                "media, by s3://bucket or s3://bucket/prefix, and everything else needs a folder."
            )
        if unsafe := UNSAFE.search(str(path)):
            raise UnsafePath(
                f"The folder {str(path)!r} has {unsafe.group()!r} in its name, which Spark and Delta Lake take for "
                "something else than a name. Set REELMILL_HOME to a folder without it."
            )
        return path

    @model_validator(mode="wrap")
    @classmethod
    def told_in_words(cls, values: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        """Raises WrongSetting, and what the validators of single settings raise."""
        try:
            return handler(values)
        except ValidationError as error:
            raise WrongSetting(in_words(error)) from None

    @field_validator("secret")
    @classmethod
    def long_enough(cls, secret: SecretStr | None) -> SecretStr | None:
        if secret is not None and len(secret.get_secret_value()) < 32:
            raise ValueError("it needs at least 32 characters, drawn by chance")
        return secret

    @field_validator("redis_url")
    @classmethod
    def not_open_to_others(cls, url: str | None) -> str | None:
        """Redis lets in whoever reaches it, and it holds what people are shown."""
        if url is None:
            return None
        place = urlsplit(url)
        if place.scheme == "unix":
            return url
        if place.scheme not in ("redis", "rediss") or not place.hostname:
            raise ValueError("it must be redis://[user]:password@host:port/database, rediss:// for TLS, or unix://path")
        if place.scheme == "redis" and not place.password and not is_loopback(place.hostname):
            raise ValueError(
                f"the Redis at {place.hostname} is on another machine, and would serve whoever reaches it. Give it a "
                "password (requirepass) and name it as redis://:password@host:port/database, or use TLS by rediss://"
            )
        return url

    @field_validator("events")
    @classmethod
    def not_for_everybody(cls, events: Path) -> Path:
        """Events say who watched what, and who may write them decides what everybody is shown."""
        if not is_kafka(events):
            return events
        place = topic(uri_of(events))
        far = [host for host in place.hosts if not is_loopback(host)]
        if far and not place.is_tls and not place.user:
            raise ValueError(
                f"the Kafka at {far[0]} is on another machine, and would take events from whoever reaches it. Name a "
                "user of it as kafka://user@host:port/topic, or use TLS by kafkas://"
            )
        if far and not place.is_tls and place.mechanism == "PLAIN":
            raise ValueError(
                f"PLAIN would send the password to {far[0]} for everybody on the way to read; use kafkas://"
            )
        return events

    @field_validator("kafka_password")
    @classmethod
    def there_for_a_user(cls, password: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        events = info.data.get("events")
        if password is None and events is not None and is_kafka(events) and topic(uri_of(events)).user:
            raise ValueError("events go to Kafka as a user who has one; set it")
        return password

    @field_validator("spark_master")
    @classmethod
    def a_master(cls, master: str) -> str:
        if not MASTER.fullmatch(master):
            raise ValueError("it must be local[*], local[2], spark://host:port, yarn or k8s://address")
        return master

    @field_validator("spark_memory")
    @classmethod
    def a_heap(cls, memory: str) -> str:
        found = HEAP.fullmatch(memory)
        if not found or int(found[1]) * 1024 ** (" kmgt".index(found[2].lower())) < LEAST_HEAP:
            raise ValueError("it must be a number and k, m, g or t, such as 1500m or 3g, and at least 512m")
        return memory

    @field_validator("home")
    @classmethod
    def private(cls, home: Path) -> Path:
        """It holds what people watch and the keys that sign: nobody but its owner looks into it."""
        try:
            home.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise ValueError(f"the folder cannot be made ({error.strerror}); name one that you may write to") from error
        if home.stat().st_uid == os.getuid() and home.stat().st_mode & 0o077:
            home.chmod(0o700)
        return home
