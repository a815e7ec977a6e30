"""The embedded Redis of a home: shared while used, stopped by the last one out, its data kept."""

import importlib.util
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import cast

import pytest
import redis
from pydantic import SecretStr

from jobs.host import redis_process
from jobs.host.ports import free_port
from jobs.host.redis_process import RedisServerMissing
from jobs.host.redis_server import RedisOfAnother, redis_url
from jobs.settings import Settings

USE_UNTIL_KILLED = (
    "import sys, time; from pathlib import Path\n"
    "from jobs.host.redis_server import redis_url; from jobs.settings import Settings\n"
    "with redis_url(Settings(home=Path(sys.argv[1]))) as url:\n"
    "    print(url, flush=True); sys.stdin.readline()\n"
)


@pytest.fixture
def home(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path / "a home with spaces")


def command(settings: Settings) -> tuple["subprocess.Popen[str]", str]:
    """Another command of the same home, which uses Redis until a line is written to it; and the URL it got."""
    process = subprocess.Popen(
        [sys.executable, "-c", USE_UNTIL_KILLED, str(settings.home)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    return process, process.stdout.readline().strip()


def answers(url: str) -> bool:
    with redis.Redis.from_url(url) as client:
        try:
            return bool(client.ping())
        except redis.ConnectionError:
            return False


def set_and_get(url: str, key: str, value: str | None = None) -> bytes | None:
    with redis.Redis.from_url(url) as client:
        if value is not None:
            client.set(key, value)
        return cast(bytes | None, client.get(key))


def test_it_answers_inside_and_is_gone_outside(home: Settings) -> None:
    with redis_url(home) as url:
        assert answers(url)
        assert url.startswith("redis://127.0.0.1:")
    assert not answers(url)


def test_what_was_written_is_there_the_next_time(home: Settings) -> None:
    with redis_url(home) as url:
        set_and_get(url, "feed", "kept")
    with redis_url(home) as url:
        assert set_and_get(url, "feed") == b"kept"


def test_a_configured_redis_is_used_as_it_is(tmp_path: Path) -> None:
    with redis_url(Settings(home=tmp_path / "home", redis_url="redis://:word@elsewhere:6379/3")) as url:
        assert url == "redis://:word@elsewhere:6379/3"
    assert not (tmp_path / "home" / "redis").exists()


def test_two_homes_have_a_server_each(tmp_path: Path) -> None:
    with redis_url(Settings(home=tmp_path / "one")) as one, redis_url(Settings(home=tmp_path / "two")) as two:
        set_and_get(one, "whose", "one")
        assert set_and_get(two, "whose") is None


def test_two_commands_of_a_home_share_a_server_and_the_last_one_out_stops_it(home: Settings) -> None:
    with redis_url(home) as url:
        other, others_url = command(home)
        assert others_url == url
    assert answers(url), "the other command still uses it"
    other.communicate("done\n")
    assert other.returncode == 0
    assert not answers(url)


def test_many_commands_that_start_at_once_share_one_server(home: Settings) -> None:
    started = [
        subprocess.Popen(
            [sys.executable, "-c", USE_UNTIL_KILLED, str(home.home)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(4)
    ]
    urls = {process.stdout.readline() for process in started if process.stdout}
    assert len(urls) == 1
    for process in started:
        process.communicate("done\n")
    assert not answers(urls.pop().strip())


def test_the_server_of_a_killed_command_is_adopted_with_its_data_and_stopped(home: Settings) -> None:
    killed, url = command(home)
    set_and_get(url, "feed", "kept")
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    assert answers(url), "nobody was left to stop it"
    with redis_url(home) as again:
        assert again == url
        assert set_and_get(again, "feed") == b"kept"
    assert not answers(url)


def kill_the_server(settings: Settings) -> None:
    os.kill(int((settings.home / "redis" / "redis.pid").read_text()), signal.SIGKILL)


def until_it_answers(url: str) -> float:
    """Seconds until the server answers, which it must do soon."""
    started = time.monotonic()
    while not answers(url):
        assert time.monotonic() < started + 10, "nobody has started it again"
        time.sleep(0.01)
    return time.monotonic() - started


def test_a_server_that_dies_is_back_at_the_same_address_with_its_data_and_ends_with_its_last_user(
    home: Settings,
) -> None:
    other, url = command(home)
    set_and_get(url, "feed", "kept")
    kill_the_server(home)
    with redis_url(home) as again:  # the next command, whoever of the two starts the server
        assert again == url
        assert set_and_get(url, "feed") == b"kept"
        kill_the_server(home)
        until_it_answers(url)
    other.communicate("done\n")
    assert other.returncode == 0
    assert not answers(url)


def test_a_home_keeps_its_port(home: Settings) -> None:
    with redis_url(home) as first:
        pass
    with redis_url(home) as second:
        assert second == first


def test_a_damaged_note_of_the_port_costs_the_port_and_not_the_data(home: Settings) -> None:
    killed, url = command(home)
    set_and_get(url, "feed", "kept")
    killed.kill()
    killed.communicate()
    (home.home / "redis" / "server.json").write_text('{"por')
    with redis_url(home) as again:
        assert set_and_get(again, "feed") == b"kept"
    assert not answers(url) and not answers(again)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_command_that_is_told_to_end_leaves_no_server(home: Settings, number: signal.Signals) -> None:
    process, url = command(home)
    process.send_signal(number)
    process.communicate()
    assert process.returncode == 128 + number
    assert not answers(url)


def test_serve_that_is_told_to_end_leaves_no_server(
    start: Callable[..., "subprocess.Popen[str]"], home: Settings
) -> None:
    with start(home.home, "serve", "--port", "0") as serving:
        assert serving.stdout is not None
        assert "serves" in serving.stdout.readline()
        with redis_url(home) as url:
            assert answers(url)
        serving.terminate()
        serving.communicate()
    assert serving.returncode == 128 + signal.SIGTERM
    assert not answers(url)


@pytest.mark.slow
def test_a_server_that_hangs_is_ended_all_the_same(home: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redis_process, "_STOP_S", 0.5)
    with redis_url(home) as url:
        set_and_get(url, "feed", "kept")
        os.kill(int((home.home / "redis" / "redis.pid").read_text()), signal.SIGSTOP)
    with redis_url(home) as url:
        assert set_and_get(url, "feed") == b"kept"


def test_a_port_that_somebody_else_took_meanwhile_is_not_mistaken_for_ours(
    home: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with redis_url(Settings(home=tmp_path / "other")) as taken:
        ports = iter([int(taken.split(":")[2].split("/")[0]), free_port()])
        monkeypatch.setattr(redis_process, "free_port", lambda: next(ports))
        with redis_url(home) as url:
            assert url != taken
            assert answers(url)


def test_an_error_inside_still_stops_the_server(home: Settings) -> None:
    with pytest.raises(RuntimeError), redis_url(home) as url:
        raise RuntimeError("the job broke")
    assert not answers(url)


def test_without_any_redis_server_the_error_says_how_to_get_one(
    home: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(RedisServerMissing, match="apt-get install redis-server"), redis_url(home):
        pass


def test_a_database_that_another_home_has_taken_is_refused_and_one_beside_it_is_not(
    home: Settings, tmp_path: Path
) -> None:
    with redis_url(home) as url:
        first = Settings(home=tmp_path / "first", redis_url=url)
        for _ in range(2):
            with redis_url(first) as same:
                assert same == url
        with pytest.raises(
            RedisOfAnother, match=r"Database 0 of the Redis at 127\.0\.0\.1:\d+ belongs to another home"
        ):
            redis_url(Settings(home=tmp_path / "second", redis_url=url)).__enter__()
        # An endpoint with a home of its own has the key of the home whose feeds it serves.
        shared = url.replace("/0", "/4")
        for name in ("home-of-jobs", "home-of-the-endpoint"):
            with redis_url(Settings(home=tmp_path / name, redis_url=shared, secret=SecretStr("k" * 32))) as same:
                assert same == shared
        beside = url.replace("/0", "/2")
        with redis_url(Settings(home=tmp_path / "second", redis_url=beside)) as own:
            assert own == beside
