"""Files of npm packages, from a registry of the test's own: what has another hash is not kept."""

import io
import subprocess
import sys
import tarfile
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from hashlib import sha512
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from jobs.host import npm
from jobs.settings import REPOSITORY

FILES = {"dist/tune.min.js": "tune.js", "LICENSE": "LICENSE-tune-1.0.0"}


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def tune(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[npm.Package]:
    """A package that a registry has."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for name in (*FILES, "dist/tune.js.map"):
            text = f"the {name}".encode()
            entry = tarfile.TarInfo(f"package/{name}")
            entry.size = len(text)
            archive.addfile(entry, io.BytesIO(text))
    place = tmp_path / "registry" / "tune" / "-" / "tune-1.0.0.tgz"
    place.parent.mkdir(parents=True)
    place.write_bytes(packed.getvalue())
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(tmp_path / "registry")))
    Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("NPM_CONFIG_REGISTRY", f"http://127.0.0.1:{server.server_port}/")
    yield npm.Package("tune", "1.0.0", f"sha512-{b64encode(sha512(packed.getvalue()).digest()).decode()}", FILES)
    server.shutdown()
    server.server_close()


def test_of_a_package_the_wanted_files_come_under_their_names(tune: npm.Package, tmp_path: Path) -> None:
    assert not npm.is_there(tune, tmp_path / "into")
    npm.fetch(tune, tmp_path / "into")
    assert npm.is_there(tune, tmp_path / "into")
    held = {file.name: file.read_text() for file in (tmp_path / "into").iterdir()}
    assert held == {"tune.js": "the dist/tune.min.js", "LICENSE-tune-1.0.0": "the LICENSE"}


def test_of_what_is_not_what_it_was_nothing_is_kept(tune: npm.Package, tmp_path: Path) -> None:
    with pytest.raises(npm.PackageMissing, match=r"has the hash sha512-.*, and not sha512-other"):
        npm.fetch(replace(tune, integrity="sha512-other"), tmp_path / "into")
    assert not (tmp_path / "into").exists()


def test_what_does_not_come_is_named_with_its_address(tune: npm.Package, tmp_path: Path) -> None:
    with pytest.raises(npm.PackageMissing, match=r"/tune/-/tune-2\.0\.0\.tgz did not come: .*404"):
        npm.fetch(replace(tune, version="2.0.0"), tmp_path / "into")


def test_what_is_cut_on_the_way_is_named_too(
    tune: npm.Package, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cut(handler: Quiet) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", "100")
        handler.end_headers()
        handler.wfile.write(b"the first half")

    monkeypatch.setattr(Quiet, "do_GET", cut)
    with pytest.raises(npm.PackageMissing, match=r"did not come: IncompleteRead"):
        npm.fetch(tune, tmp_path / "into")


def test_it_runs_before_any_package_is_installed() -> None:
    # -S leaves site-packages out, as in the Dockerfile.
    done = subprocess.run([sys.executable, "-S", "-m", "jobs.host.npm"], cwd=REPOSITORY, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
