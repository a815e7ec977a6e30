"""What a machine must have beside Python packages: found before anything is fetched, told all at once."""

import subprocess
import sys
from pathlib import Path

import pytest

from jobs.command import doctor
from jobs.host import needs
from jobs.host.needs import Need, NeedsMissing
from jobs.settings import REPOSITORY, Settings


def test_a_library_that_the_linker_does_not_find_is_missing() -> None:
    assert needs.loads("libc.so.6")
    assert not needs.loads("libnothing-of-that-name.so.1")


def test_everything_that_is_missing_is_one_line_for_apt() -> None:
    lacking = [Need(package, "a test", lambda: False) for package in ("libgomp1", "default-jre")]
    assert needs.missing(lacking) == lacking
    assert needs.apt_line(lacking) == "apt-get install -y --no-install-recommends libgomp1 default-jre"


def test_who_may_not_install_is_told_what_to_install_and_why(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))  # neither apt nor sudo
    lacking = [Need("libgomp1", "LightGBM's threads", lambda: False)]
    with pytest.raises(NeedsMissing, match=r"lacks libgomp1 \(LightGBM's threads\).*apt-get install .* libgomp1`"):
        needs.install(lacking)


def test_lightgbms_library_is_among_the_needs() -> None:
    assert "libgomp1" in [need.package for need in needs.NEEDS]


def test_the_needs_are_found_without_any_package() -> None:
    # -S leaves site-packages out, as on a machine before setup.
    told = subprocess.run(
        [sys.executable, "-S", "-m", "jobs.host.needs"], cwd=REPOSITORY, capture_output=True, text=True
    )
    assert (told.returncode, told.stderr) == (0, "")


def test_the_doctor_loads_every_native_library(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    found = {f.what: f for f in doctor.examine(settings)}["Native libraries"]
    assert found.found and "lightgbm" in found.detail
    monkeypatch.setattr(doctor, "NATIVE", ("lightgbm", "no_such_native_package"))
    lost = {f.what: f for f in doctor.examine(settings)}["Native libraries"]
    assert not lost.found and "no_such_native_package does not load" in lost.detail
