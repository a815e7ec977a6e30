"""What a machine must have that Python packages do not bring: programs and native libraries, by Debian package.

Belongs here: finding what is missing and installing it with apt, all of it at once. Only the standard library is
imported, because `make` runs `python3 -m jobs.host.needs` with the system's Python before it fetches anything. What the
installed packages lack: doctor.py.
"""

from __future__ import annotations

import ctypes
import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from jobs.errors import ReelmillError
from jobs.host import java


class NeedsMissing(ReelmillError):
    """The machine lacks something, and this user cannot install it."""


@dataclass(frozen=True)
class Need:
    """One thing that must be there, why, and the Debian package that brings it."""

    package: str
    why: str
    is_there: Callable[[], bool]


def loads(library: str) -> bool:
    """Whether the dynamic linker finds the library and everything that it needs."""
    try:
        ctypes.CDLL(library)
    except OSError:
        return False
    return True


def program(name: str) -> str | None:
    """Where a program is; Debian keeps those that serve in /usr/sbin, where a user's shell does not look."""
    return shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin")


# Found by `ldd` over every shared object and program of the installed packages, in a Debian 12 that has nothing else.
NEEDS = (
    # Debian splits ensurepip off its Python; a venv that is there already needs it no more.
    Need("python3-venv", "making the virtual environment", lambda: importlib.util.find_spec("ensurepip") is not None),
    Need("libgomp1", "LightGBM's threads", lambda: loads("libgomp.so.1")),
    Need(java.PACKAGE, f"Spark, which runs on Java {' or '.join(map(str, java.VERSIONS))}", lambda: bool(java.find())),
)

TEST_NEEDS = (
    Need("chromium", "playing published clips in a browser, in the tests", lambda: bool(shutil.which("chromium"))),
    Need("chromium-driver", "driving that browser", lambda: bool(shutil.which("chromedriver"))),
    Need("nginx-light", "the edge before the endpoint, in the tests", lambda: bool(program("nginx"))),
)
"""What `make test` needs beside NEEDS; nobody else pays for a browser and a web server."""


def missing(needs: Sequence[Need] = NEEDS) -> list[Need]:
    """Those of `needs` that this machine lacks, in order."""
    return [need for need in needs if not need.is_there()]


def apt_line(lacking: Sequence[Need]) -> str:
    """The one command that installs them."""
    return f"apt-get install -y --no-install-recommends {' '.join(need.package for need in lacking)}"


def install(lacking: Sequence[Need]) -> None:
    """Install them with apt, when root or a sudo without password allows. Raises NeedsMissing with the line to run."""
    sudo = [] if os.geteuid() == 0 else ["sudo", "-n"]
    names = ", ".join(f"{need.package} ({need.why})" for need in lacking)
    how = f"Install it (Debian: `{apt_line(lacking)}`) and run this again."
    if not shutil.which("apt-get") or (sudo and not shutil.which("sudo")):
        raise NeedsMissing(f"This machine lacks {names}. {how}")
    print(f"installing {names}", flush=True)
    for command in ("apt-get update", apt_line(lacking)):
        done = subprocess.run(
            [*sudo, *command.split()],
            env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
        )
        if done.returncode:
            reason = " ".join(done.stderr.split())[-300:]
            raise NeedsMissing(f"This machine lacks {names}, and `{command}` failed: {reason}. {how}")
    still = missing(lacking)
    if still:
        raise NeedsMissing(f"{', '.join(need.package for need in still)} is installed and still not found. {how}")


def main() -> int:
    """`python3 -m jobs.host.needs [--tests]`: install what is missing, or say in one sentence what to install."""
    needs = (*NEEDS, *TEST_NEEDS) if sys.argv[1:] == ["--tests"] else NEEDS
    try:
        if lacking := missing(needs):
            install(lacking)
    except NeedsMissing as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
