"""Temporary files stay below the home and go with their process."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from jobs.host import scratch
from jobs.host.locks import FileLock
from jobs.settings import Settings


def test_the_jvm_spark_and_python_put_temporary_files_below_the_home(spark: SparkSession) -> None:
    jvm = spark.sparkContext._jvm
    assert jvm is not None
    warehouse = spark.conf.get("spark.sql.warehouse.dir")
    assert warehouse is not None
    home = warehouse.removeprefix("file:").removesuffix("/spark-warehouse")
    places = {jvm.java.lang.System.getProperty("java.io.tmpdir"), tempfile.gettempdir(), os.environ["TMPDIR"]}
    assert places == {str(scratch.folder(Settings(home=Path(home))))}
    assert spark.conf.get("spark.local.dir") in places
    assert "-XX:-UsePerfData" in list(jvm.java.lang.management.ManagementFactory.getRuntimeMXBean().getInputArguments())


def test_they_are_gone_when_the_process_ends_and_those_of_a_killed_one_when_the_next_comes(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    killed = settings.home / "tmp" / "elsewhere-7"
    killed.mkdir(parents=True)
    (killed / ".lock").touch()
    use = (
        "import tempfile; from jobs.host.scratch import stay_home; "
        "from jobs.settings import Settings; stay_home(Settings())"
    )
    say = "print(tempfile.mkdtemp())"
    environment = {**os.environ, "REELMILL_HOME": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", f"{use}; {say}"], env=environment, capture_output=True, text=True)
    assert Path(done.stdout).is_relative_to(tmp_path / "tmp"), done.stderr
    assert list((tmp_path / "tmp").iterdir()) == []


def test_those_of_a_process_that_lives_on_another_machine_are_left_alone(settings: Settings) -> None:
    elsewhere = settings.home / "tmp" / "elsewhere-7"
    elsewhere.mkdir(parents=True)
    with FileLock(elsewhere / ".lock"):
        use = "from jobs.host.scratch import stay_home; from jobs.settings import Settings; stay_home(Settings())"
        environment = {**os.environ, "REELMILL_HOME": str(settings.home)}
        subprocess.run([sys.executable, "-c", use], env=environment, check=True)
        assert elsewhere.exists()


def test_what_a_run_needs_for_a_moment_lies_below_the_home_and_goes_with_it(settings: Settings) -> None:
    with pytest.raises(KeyError), scratch.until_a_run_ends(settings):
        made = scratch.of_a_run("learned")
        assert made.is_relative_to(scratch.folder(settings)) and made.exists()
        raise KeyError
    assert not made.exists()
    assert scratch.of_a_run("learned").is_relative_to(tempfile.gettempdir())


def test_a_path_with_a_space_is_one_option() -> None:
    assert scratch.java_options(Path("/my home/tmp")) == '"-Djava.io.tmpdir=/my home/tmp" -XX:-UsePerfData'
