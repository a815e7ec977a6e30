"""API keys by the command, and an endpoint for other machines that wants one."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner, Result

from jobs.command.calling import UnknownKey
from jobs.command.cli import cli
from jobs.command.endpoint import NoKeys, serve
from jobs.command.groups.keys import SCOPES
from jobs.settings import Settings
from serving.feed_store.api_keys import Scope


def invoke(settings: Settings, *words: str) -> Result:
    environment = {"REELMILL_HOME": str(settings.home)}
    return CliRunner().invoke(cli, ["keys", *words], env=environment, catch_exceptions=False)


def test_a_key_is_shown_once_listed_without_its_secret_and_revoked(settings: Settings) -> None:
    shown = invoke(settings, "create", "app", "--scope", "read", "--per-minute", "60").output.splitlines()[-1]
    mark, key_id, secret = shown.split("_", 2)
    listed = invoke(settings, "list", "--json").output
    (key,) = json.loads(listed)
    assert (mark, key["id"], key["name"], key["scopes"], key["per_minute"]) == ("rm", key_id, "app", "read", "60")
    assert secret not in listed and "app" in invoke(settings, "list").output
    invoke(settings, "revoke", key_id)
    assert json.loads(invoke(settings, "list", "--json").output) == []
    with pytest.raises(UnknownKey, match="keys list"):
        invoke(settings, "revoke", key_id)


def test_an_endpoint_for_other_machines_does_not_start_without_a_key(settings: Settings) -> None:
    with pytest.raises(NoKeys, match="reelmill keys create"):
        serve(settings, "0.0.0.0", 0)


def test_the_command_offers_the_scopes_that_there_are() -> None:
    assert tuple(Scope) == SCOPES
