"""The key of a home: made once, or the one that is configured."""

from pathlib import Path

from pydantic import SecretStr

from jobs.host.secret import secret
from jobs.settings import Settings


def test_the_first_who_asks_makes_the_key_for_its_owner_alone(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path / "home")
    made = secret(settings)
    assert secret(settings) == made and len(made) >= 32
    assert (settings.home / "secret").stat().st_mode & 0o777 == 0o600


def test_a_configured_key_is_the_key_and_is_not_written_down(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path / "home", secret=SecretStr("k" * 32))
    assert secret(settings) == "k" * 32
    assert not (settings.home / "secret").exists()
    assert "k" * 32 not in repr(settings)
