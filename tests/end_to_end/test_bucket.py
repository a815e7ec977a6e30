"""A lake and media in an S3 bucket: a real server keeps them, more than one process writes, a night gives the same.

`make s3-test` runs it: it builds the server first (versitygw, from the Go module proxy), and two nights take minutes.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import httpx
import obstore
import pytest
from obstore.exceptions import AlreadyExistsError

from jobs.command.endpoint import served
from jobs.engine.query import query
from jobs.engine.tables import Tables
from jobs.host import bucket
from jobs.host.ports import free_port
from jobs.settings import REPOSITORY, Settings

pytestmark = pytest.mark.s3

SERVER = REPOSITORY / ".cache" / "bin" / "versitygw"
WRITES = 6


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """An S3 server on a free port, and the variables by which everybody finds it and a bucket `reelmill` there."""
    place, port = tmp_path_factory.mktemp("s3"), free_port()
    (place / "objects" / "reelmill").mkdir(parents=True)
    (place / "meta").mkdir()
    keys = {"ROOT_ACCESS_KEY": "reelmill", "ROOT_SECRET_KEY": "not-a-secret"}
    command = [str(SERVER), "--port", f"127.0.0.1:{port}", "--region", "us-east-1"]
    command += ["posix", "--sidecar", str(place / "meta"), str(place / "objects")]
    with (place / "log").open("wb") as log, pytest.MonkeyPatch.context() as patch:
        process = subprocess.Popen(command, env={**os.environ, **keys}, stdout=log, stderr=log)
        patch.setenv("AWS_ACCESS_KEY_ID", keys["ROOT_ACCESS_KEY"])
        patch.setenv("AWS_SECRET_ACCESS_KEY", keys["ROOT_SECRET_KEY"])
        patch.setenv("AWS_REGION", "us-east-1")
        patch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{port}")
        try:
            deadline = time.monotonic() + 30
            while True:
                try:
                    httpx.get(f"http://127.0.0.1:{port}/")
                    break
                except httpx.TransportError:
                    assert process.poll() is None and time.monotonic() < deadline, (place / "log").read_text()
                    time.sleep(0.1)
            yield "s3://reelmill"
        finally:
            process.terminate()
            process.wait()


def test_of_many_who_create_an_object_on_condition_one_does(server: str) -> None:
    objects = bucket.store(f"{server}/created")

    def create(number: int) -> bool:
        try:
            obstore.put(objects, f"object-{number % 20}", f"{number}".encode(), mode="create")
            return True
        except AlreadyExistsError:
            return False

    with ThreadPoolExecutor(16) as pool:
        assert sum(pool.map(create, range(400))) == 20


HOLDS = """
import sys, time
from jobs.host.bucket import BucketLock
with BucketLock(sys.argv[1], "one"):
    print("held", flush=True)
    time.sleep(float(sys.argv[2]))
"""


def test_a_lock_in_a_bucket_has_one_holder_and_outlives_it_by_a_lease(
    server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # It waits while the other one lives.
    command = [sys.executable, "-c", HOLDS, f"{server}/locked"]
    with subprocess.Popen([*command, "3"], stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None and holder.stdout.readline() == "held\n"
        with bucket.BucketLock(f"{server}/locked", "one"):
            assert holder.wait(5) == 0
    monkeypatch.setattr(bucket, "LEASE_S", 2.0)
    with subprocess.Popen([*command, "60"], stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None and holder.stdout.readline() == "held\n"
        os.kill(holder.pid, signal.SIGKILL)
        clock = time.monotonic()
        with bucket.BucketLock(f"{server}/locked", "one"):
            assert time.monotonic() - clock > 2.0


def test_a_holder_that_was_too_slow_is_told(server: str) -> None:
    with pytest.raises(bucket.LockLost), bucket.BucketLock(f"{server}/slow", "one") as _:
        # As whoever waited for its lease to end would take it.
        obstore.put(bucket.store(f"{server}/slow"), "_locks/one", b"somebody else")


APPENDS = """
import sys
from jobs.engine.spark import session
from jobs.engine.tables import Tables
from jobs.settings import Settings

settings, who, writes = Settings(), sys.argv[1], int(sys.argv[2])
uri, spark = Tables.of(settings).uri("gold.counted"), session(Settings())
print("ready", flush=True)
sys.stdin.readline()
for number in range(writes):
    row = spark.createDataFrame([(who, number)], "who string, number int").coalesce(1)
    row.write.format("delta").mode("append").save(uri)
spark.stop()
"""

# Slowly, since a Spark driver takes seconds to its first commit.
APPENDS_WITHOUT_SPARK = """
import sys, time
import deltalake
import pyarrow as pa
from jobs.engine.tables import Tables
from jobs.settings import Settings

tables, who, writes = Tables.of(Settings()), sys.argv[1], int(sys.argv[2])
print("ready", flush=True)
sys.stdin.readline()
for number in range(writes):
    rows = pa.table({"who": [who], "number": pa.array([number], pa.int32())})
    deltalake.write_deltalake(tables.uri("gold.counted"), rows, mode="append", storage_options=dict(tables.options))
    time.sleep(1)
"""


def test_what_two_spark_drivers_and_delta_rs_commit_at_once_is_all_there(
    server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REELMILL_LAKE", f"{server}/writers")
    monkeypatch.setenv("REELMILL_SPARK_MASTER", "local[1]")
    monkeypatch.setenv("REELMILL_SPARK_MEMORY", "1g")
    # Two homes with one lake: nothing but the bucket is theirs together.
    start = {"ann": (APPENDS, WRITES), "bob": (APPENDS, WRITES), "cat": (APPENDS_WITHOUT_SPARK, 4 * WRITES)}
    with ExitStack() as stack:
        writers = []
        for who, (script, writes) in start.items():
            environment = {**os.environ, "REELMILL_HOME": str(tmp_path / who)}
            command = [sys.executable, "-c", script, who, str(writes)]
            started = subprocess.Popen(
                command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
            )
            writers.append(stack.enter_context(started))
        for writer in writers:
            assert writer.stdout is not None and writer.stdout.readline() == "ready\n"
        # The first row makes the table.
        subprocess.run(
            [sys.executable, "-c", APPENDS_WITHOUT_SPARK, "first", "1"], input="\n", text=True, check=True,
            env={**os.environ, "REELMILL_HOME": str(tmp_path / "first")}, stdout=subprocess.DEVNULL,
        )  # fmt: skip
        for writer in writers:
            assert writer.stdin is not None
            writer.stdin.write("\n")
            writer.stdin.flush()
        assert [writer.wait() for writer in writers] == [0, 0, 0]
    table = Tables.of(Settings(home=tmp_path / "reader")).open("gold.counted")
    rows = table.to_pyarrow_table().to_pylist()
    expected = {("first", 0)} | {(who, n) for who, (_, writes) in start.items() for n in range(writes)}
    assert sorted((row["who"], row["number"]) for row in rows) == sorted(expected)
    assert table.version() == len(expected) - 1


def test_a_night_whose_lake_and_media_are_in_a_bucket_ends_in_the_same_tables(
    server: str,
    fresh_world: Callable[[str], Path],
    reelmill: Callable[..., str],
    content: Callable[[Path], dict[str, str]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("REELMILL_SPARK_MASTER", "local[2]")
    alone, home = fresh_world("on-a-disk"), fresh_world("in-a-bucket")
    reelmill(alone, "pipeline", "nightly")
    on_disk = content(alone)
    monkeypatch.setenv("REELMILL_LAKE", f"{server}/night/lake")
    monkeypatch.setenv("REELMILL_MEDIA", f"{server}/night/media")
    clock = time.monotonic()
    reelmill(home, "pipeline", "nightly")
    print(f"a night in a bucket took {time.monotonic() - clock:.0f} s")
    settings = Settings(home=home)
    assert not (home / "lake").exists() and not (home / "media").exists()
    assert content(home) == on_disk
    ((playlist,),) = query("SELECT min(playback_path) FROM silver.videos", settings)[1]
    with served(settings) as url, httpx.Client(base_url=url) as client:
        answer = client.get(f"/media/{playlist}").raise_for_status()
        assert answer.text.startswith("#EXTM3U") and answer.headers["cache-control"].startswith("public")
        assert client.get(f"/media/{playlist}", headers={"If-None-Match": answer.headers["etag"]}).status_code == 304
        assert client.get("/media/nope.m3u8").status_code == 404
