"""Finds the Java that Spark can use.

Belongs here: Java only, with the standard library only. Installing what a machine lacks: needs.py.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from jobs.errors import LastingError

# What Spark 4.1 is tested on.
VERSIONS = (17, 21)
PACKAGE = "openjdk-17-jre-headless"


class JavaMissing(LastingError):
    """Spark 4 needs Java 17 or 21 and none was found."""

    def __init__(self, detail: str = "") -> None:
        super().__init__(
            f"Spark needs Java {' or '.join(map(str, VERSIONS))} and none was found{detail}. Install one "
            f"(Debian: `apt-get install {PACKAGE}`) or set JAVA_HOME."
        )


@dataclass(frozen=True)
class Java:
    home: Path
    version: int


def find() -> Java | None:
    """JAVA_HOME, then the `java` on the path, then the system's; None when none has a version that Spark supports."""
    on_path = shutil.which("java")
    homes = [
        *([Path(os.environ["JAVA_HOME"])] if os.environ.get("JAVA_HOME") else []),
        *([Path(on_path).resolve().parent.parent] if on_path else []),
        *sorted(Path("/usr/lib/jvm").glob("*")),
    ]
    for home in homes:
        version = _version(home / "bin" / "java")
        if version in VERSIONS:
            return Java(home, version)
    return None


def _version(java: Path) -> int | None:
    if not java.exists():
        return None
    output = subprocess.run([str(java), "-XX:-UsePerfData", "-version"], capture_output=True, text=True).stderr
    match = re.search(r'version "(\d+)', output)
    return int(match.group(1)) if match else None
