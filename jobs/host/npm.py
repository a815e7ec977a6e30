"""Files of packages of the npm registry: fetched once, checked by their hash, whole or not at all; no node is needed.

Belongs here: fetching, and the one script that the web player does not bring itself. Only the standard library is
imported, because the Dockerfile runs `python3 -m jobs.host.npm` with the system's Python. What the script is for:
serving/player/.
"""

from __future__ import annotations

import io
import os
import sys
import tarfile
import urllib.request
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha512
from http.client import HTTPException
from pathlib import Path

from jobs.errors import ReelmillError
from jobs.host.files import appearing

# The one that npm asks too, unless the variable that npm has for it says another.
_REGISTRY = "https://registry.npmjs.org"
_TIMEOUT_S = 60


class PackageMissing(ReelmillError):
    """The npm registry did not give a package, or gave another than it once did."""


@dataclass(frozen=True)
class Package:
    """One release: `integrity` as a lock file of npm has it, and of its files those that are wanted, by their new name.

    A name says the version of what never changes its own, so that a new release is not taken for an old one.
    """

    name: str
    version: str
    integrity: str
    files: Mapping[str, str]


# The build without subtitles, other sound tracks and encryption, none of which our ladder has; 230 KB less.
HLS = Package(
    "hls.js",
    "1.7.4",
    "sha512-3GlxGdPvT2YHvQYOt+yOzT/DEior/qJVNIylHA77kgeoBTdQQqi70GwefNEUmHQeNGyjC8U62+bruqW/Tpm+tg==",
    {"dist/hls.light.min.mjs": "hls.mjs", "LICENSE": "LICENSE-hls.js-1.7.4"},
)
# Beside the player's own files, so that the endpoint serves them and the wheel holds them alike.
PLAYER = Path(__file__).resolve().parents[2] / "serving" / "player" / "app" / "vendor"


def is_there(package: Package, folder: Path) -> bool:
    """Whether a folder holds the files of this release."""
    return all((folder / name).is_file() for name in package.files.values())


def fetch(package: Package, into: Path) -> None:
    """Put the wanted files of a package into a folder. Raises PackageMissing."""
    registry = os.environ.get("NPM_CONFIG_REGISTRY", _REGISTRY).rstrip("/")
    address = f"{registry}/{package.name}/-/{package.name}-{package.version}.tgz"
    try:
        with urllib.request.urlopen(address, timeout=_TIMEOUT_S) as answer:
            packed = answer.read()
    except (OSError, HTTPException) as error:  # The second where it is cut on the way.
        raise PackageMissing(f"{address} did not come: {error}. Run this again when it can be reached.") from error
    found = f"sha512-{b64encode(sha512(packed).digest()).decode()}"
    if found != package.integrity:
        raise PackageMissing(f"{address} has the hash {found}, and not {package.integrity}: nothing of it was kept.")
    with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
        for wanted, name in package.files.items():
            file = archive.extractfile(f"package/{wanted}")
            assert file is not None, wanted
            with appearing(into / name) as unfinished:
                unfinished.write_bytes(file.read())


def main() -> int:
    """`python3 -m jobs.host.npm`: fetch what the web player needs, unless it is there."""
    try:
        if not is_there(HLS, PLAYER):
            fetch(HLS, PLAYER)
    except PackageMissing as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
