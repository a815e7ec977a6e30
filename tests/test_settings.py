"""Settings: what messages and documents tell people to set is there to be set."""

import re
from pathlib import Path

import pytest
from pydantic import SecretStr

from jobs import settings
from jobs.settings import REPOSITORY, Settings, UnsafePath, WrongSetting

ROOMS = ("bench", "dags", "data_contracts", "docs", "feature_repo", "jobs", "serving")


def test_every_setting_that_a_message_or_a_page_names_exists() -> None:
    pages = [*REPOSITORY.glob("*.md"), REPOSITORY / "Makefile"]
    pages += [path for room in ROOMS for path in REPOSITORY.joinpath(room).rglob("*") if path.suffix in (".py", ".md")]
    there = {f"REELMILL_{name.upper()}" for name in Settings.model_fields}
    named = {(word, path.name) for path in pages for word in re.findall(r"REELMILL_[A-Z_]*[A-Z]", path.read_text())}
    assert {(word, page) for word, page in named if word not in there} == set()


@pytest.mark.parametrize("name", ["a[b", "a{b", "a*", "a?", "50%", "a#b", "a\\b", "a`b", "a\nb"])
def test_a_folder_whose_name_the_engines_would_misread_is_refused_in_a_sentence(tmp_path: Path, name: str) -> None:
    with pytest.raises(UnsafePath, match="Set REELMILL_HOME to a folder without it"):
        Settings(home=tmp_path / name)
    with pytest.raises(UnsafePath):
        Settings(home=tmp_path / "good", lake=tmp_path / name)
    assert not (tmp_path / name).exists()


def test_a_home_is_readable_by_its_owner_only_from_the_first_moment_on(tmp_path: Path) -> None:
    home = Settings(home=tmp_path / "new" / "my home, o'hara's").home
    assert home.stat().st_mode & 0o777 == 0o700
    home.chmod(0o755)
    assert Settings(home=home).home.stat().st_mode & 0o777 == 0o700


def test_an_installed_package_keeps_the_jars_in_the_cache_of_its_user(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert Settings().jars == REPOSITORY / ".cache" / "jars"
    monkeypatch.setattr(settings, "IS_CHECKOUT", False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert Settings(home=tmp_path / "home").jars == tmp_path / ".cache" / "reelmill" / "jars"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "caches"))
    assert Settings(home=tmp_path / "home").jars == tmp_path / "caches" / "reelmill" / "jars"


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("EXPLORE", "7", "REELMILL_EXPLORE is '7': it must be less than or equal to 1."),
        ("CHECKS", "maybe", "REELMILL_CHECKS is 'maybe': it must be true or false."),
        ("STALLED_AFTER_S", "soon", "REELMILL_STALLED_AFTER_S is 'soon': it must be a number."),
        ("SPARK_MASTER", "lokal", "REELMILL_SPARK_MASTER is 'lokal': it must be local[*], local[2], "),
        ("SPARK_MEMORY", "3GB", "REELMILL_SPARK_MEMORY is '3GB': it must be a number and k, m, g or t, such as "),
        ("SPARK_MEMORY", "10m", "and at least 512m."),
        ("REDIS_URL", "http://me:hush@there", "REELMILL_REDIS_URL is wrong: it must be redis://"),
        (
            "EVENTS",
            "kafka://there/events",
            "REELMILL_EVENTS is 'kafka://there/events': it must be a folder or kafka://",
        ),
        ("EVENTS", "kafka://me:hush@there:1/events", "REELMILL_EVENTS is wrong: it must be a folder or kafka://"),
        ("EVENTS", "kafkas://there:1/events?acks=1", "and ca=... and nothing else."),
        ("SECRET", "hush", "REELMILL_SECRET is wrong: it needs at least 32 characters, drawn by chance."),
        ("HOME", "/dev/null/home", "REELMILL_HOME is '/dev/null/home': the folder cannot be made (Not a directory)"),
    ],
)
def test_a_wrong_setting_is_named_with_what_it_may_be_and_without_a_secret(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: str, said: str
) -> None:
    monkeypatch.setenv("REELMILL_HOME", str(tmp_path / "home"))
    monkeypatch.setenv(f"REELMILL_{name}", value)
    with pytest.raises(WrongSetting) as error:
        Settings()
    assert said in str(error.value) and "hush" not in str(error.value)
    assert str(error.value).count("REELMILL_") == 1


@pytest.mark.parametrize("url", ["redis://there:6379/0", "redis://me@10.0.0.7/0"])
def test_a_redis_elsewhere_that_lets_everybody_in_is_refused(tmp_path: Path, url: str) -> None:
    with pytest.raises(WrongSetting, match="would serve whoever reaches it. Give it a password"):
        Settings(home=tmp_path, redis_url=url)


@pytest.mark.parametrize(
    "url",
    [
        "redis://:word@there:6379/0",
        "rediss://there:6379/0",
        "redis://localhost/0",
        "redis://127.0.0.7/0",
        "redis://[::1]:6379/0",
        "unix:///run/redis.sock",
    ],
)
def test_a_redis_with_a_password_or_tls_or_of_this_machine_alone_is_taken(tmp_path: Path, url: str) -> None:
    assert Settings(home=tmp_path, redis_url=url).redis_url == url


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("kafka://there:9092/events", "would take events from whoever reaches it. Name a user"),
        ("kafka://127.0.0.1:9092,there:9092/events", "Kafka at there is on another machine"),
        ("kafka://me@there:9092/events?mechanism=PLAIN", "PLAIN would send the password to there"),
        ("kafka://127.0.0.1:9092/ev ents", "it must be a folder or kafka://"),
    ],
)
def test_a_kafka_elsewhere_that_lets_everybody_in_is_refused(tmp_path: Path, address: str, said: str) -> None:
    with pytest.raises(WrongSetting, match=said):
        Settings(home=tmp_path, events=Path(address), kafka_password=SecretStr("word"))


def test_a_user_of_kafka_needs_a_password(tmp_path: Path) -> None:
    with pytest.raises(
        WrongSetting, match="REELMILL_KAFKA_PASSWORD is wrong: events go to Kafka as a user who has one"
    ):
        Settings(home=tmp_path, events=Path("kafka://me@there:9092/events"))


def test_where_events_go_to_kafka_files_of_them_have_their_place_in_the_home_and_the_password_is_told_to_nobody(
    tmp_path: Path,
) -> None:
    address, password = Path("kafkas://me@there:9092,[::1]:9093/events?ca=/etc/ca.pem"), SecretStr("hush")
    found = Settings(home=tmp_path, events=address, kafka_password=password)
    topic = found.topic
    assert found.spool == tmp_path / "spool" / "events" and topic is not None
    assert (topic.servers, topic.name, topic.hosts) == ("there:9092,[::1]:9093", "events", ["there", "::1"])
    assert topic.client.items() >= {
        ("security.protocol", "SASL_SSL"),
        ("sasl.mechanism", "SCRAM-SHA-512"),
        ("sasl.username", "me"),
        ("sasl.password", "hush"),
        ("ssl.ca.location", "/etc/ca.pem"),
    }
    assert "hush" not in f"{topic} {topic!r} {found!r}"
    assert (
        Settings(home=tmp_path).topic is None and Settings(home=tmp_path, events=tmp_path / "e").spool == tmp_path / "e"
    )
