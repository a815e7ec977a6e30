"""The pages about tables, in a browser: the search finds a column, and a page fits a phone."""

from datetime import UTC, datetime

import pytest

from jobs.command.site import pages
from jobs.pipeline import JOBS
from jobs.settings import Settings
from tests.chromium import chromium


@pytest.mark.browser
def test_a_column_is_found_by_its_words_and_no_page_is_wider_than_a_phone(settings: Settings) -> None:
    index = pages.write(JOBS, settings, settings.home / "docs", datetime.now(UTC))
    with chromium("--window-size=390,800") as window:
        window.screen(390, 800, phone=True)
        window.open(index.as_uri())
        window.type("#search", "chance filled propensity")
        window.see("gold.feeds.propensity")
        window.click("#found a[href='gold.feeds.html#propensity']")
        window.see("Of a slot that chance has filled")
        for page in sorted(index.parent.glob("*.html")):
            window.open(page.as_uri())
            assert window.run("return document.documentElement.scrollWidth") <= 390, page.name
