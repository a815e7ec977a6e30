"""A hashtag has one spelling, whoever gives it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.imports.movielens import hashtag as movielens_hashtag
from jobs.media.hashtags import normal_hashtag, normal_hashtags


@pytest.mark.parametrize(
    ("text", "tag"),
    [
        ("#Cats", "cats"),
        ("＃Ｃａｔｓ", "cats"),
        (" Do gs ", "dogs"),
        ("STRASSE", "strasse"),
        ("Straße", "strasse"),
        ("Cafe\u0301", "café"),
        ("ca\u200bts\u00ad", "cats"),
        ("##", ""),
        ("日本\u3000語", "日本語"),
        ("\udcff", ""),
    ],
)
def test_hashtags_that_look_alike_are_one(text: str, tag: str) -> None:
    assert normal_hashtag(text) == tag


@given(st.text())
def test_a_normal_hashtag_stays_as_it_is(text: str) -> None:
    tag = normal_hashtag(text)
    assert normal_hashtag(tag) == tag


@given(st.text())
def test_an_imported_hashtag_is_a_normal_one(text: str) -> None:
    tag = movielens_hashtag(text)
    assert normal_hashtag(tag) == tag


def test_each_hashtag_is_kept_once_in_the_order_given() -> None:
    assert normal_hashtags(["＃Dogs", None, "cats", "#", "DOGS"]) == ["dogs", "cats"]
