"""The player's page and files as a browser gets them."""

import re

import httpx
import pytest

from serving.player import page


def test_the_page_may_ask_nobody_but_the_endpoint_and_run_nothing_but_its_own_scripts(api: httpx.Client) -> None:
    answer = api.get("/")
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    policy = dict(rule.split(" ", 1) for rule in answer.headers["content-security-policy"].split("; "))
    assert policy["default-src"] == "'none'" and policy["script-src"] == policy["connect-src"] == "'self'"
    assert "unsafe" not in answer.headers["content-security-policy"]


def test_all_that_the_page_and_its_scripts_name_is_there(api: httpx.Client) -> None:
    wanted = set(re.findall(r'(?:src|href)="(/[^"]+)"', api.get("/").text))
    scripts = sorted(page.APP.glob("*.js"))
    wanted |= {f"/player/{name}" for file in scripts for name in re.findall(r'"\./([^"]+)"', file.read_text())}
    assert {"/player/main.js", "/player/player.css", "/player/vendor/hls.mjs", "/player/reel.js"} <= wanted
    for address in wanted:
        answer = api.get(address)
        assert answer.status_code == 200, address
        assert answer.headers["content-security-policy"] and answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    ("name", "content_type"),
    [("main.js", "/javascript"), ("vendor/hls.mjs", "/javascript"), ("player.css", "/css")],
)
def test_a_file_has_the_type_that_browsers_ask_of_it_and_is_asked_for_again_each_time(
    api: httpx.Client, name: str, content_type: str
) -> None:
    answer = api.get(f"/player/{name}")
    assert answer.headers["content-type"].partition(";")[0].endswith(content_type)
    assert answer.headers["cache-control"] == "no-cache"
    again = api.get(f"/player/{name}", headers={"If-None-Match": answer.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
