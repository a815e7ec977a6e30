"""Cursors: only what this service gave to this user opens again."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.cursor import Cursor, CursorInvalid, CursorSigner

SIGNER = CursorSigner("a secret")
cursors = st.builds(
    Cursor,
    st.text(max_size=20),
    st.text(max_size=60),
    st.booleans(),
    position=st.integers(0, 500),
    as_of=st.integers(0, 2**32),
    detour=st.integers(-1, 500),
)


@given(cursors, st.text())
def test_a_cursor_opens_as_it_was_sealed(cursor: Cursor, user_id: str) -> None:
    assert SIGNER.open(SIGNER.seal(cursor, user_id), user_id) == cursor


@given(st.text(), st.text())
def test_any_text_that_was_not_sealed_here_is_refused(text: str, user_id: str) -> None:
    with pytest.raises(CursorInvalid):
        SIGNER.open(text, user_id)


@given(cursors, st.data())
def test_a_cursor_with_one_changed_character_is_refused(cursor: Cursor, data: st.DataObject) -> None:
    text = SIGNER.seal(cursor, "ann")
    at = data.draw(st.integers(0, len(text) - 1))
    other = data.draw(st.characters().filter(lambda c: c != text[at]))
    with pytest.raises(CursorInvalid):
        SIGNER.open(text[:at] + other + text[at + 1 :], "ann")


@given(cursors, st.text(), st.text())
def test_a_cursor_of_another_user_is_refused(cursor: Cursor, giver: str, taker: str) -> None:
    if giver != taker:
        with pytest.raises(CursorInvalid, match="another viewer"):
            SIGNER.open(SIGNER.seal(cursor, giver), taker)


def test_a_cursor_of_another_secret_is_refused() -> None:
    sealed = CursorSigner("another secret").seal(Cursor("g", "v", False, 10), "ann")
    with pytest.raises(CursorInvalid):
        SIGNER.open(sealed, "ann")


def test_a_cursor_does_not_show_whose_it_is() -> None:
    from base64 import urlsafe_b64decode

    payload = SIGNER.seal(Cursor("g", "v", False, 10), "ann@example.org").partition(".")[0]
    assert urlsafe_b64decode(payload) == b'["g","v",false,10,0,-1]'


def test_signing_without_a_secret_is_refused() -> None:
    with pytest.raises(ValueError, match="Delete the file `secret` in REELMILL_HOME"):
        CursorSigner("")
