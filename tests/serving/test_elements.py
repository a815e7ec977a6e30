"""Cutting a list of JSON values into their texts: what is good in it is found, whatever is beside it."""

import json

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.elements import elements

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)
# A small alphabet, so that strings, escapes and brackets meet often.
scraps = st.text(st.sampled_from('[]{},:"\\ a1\n'), max_size=40).map(str.encode) | st.binary(max_size=20)


@given(st.lists(json_values, max_size=6), st.sampled_from([None, 1]))
def test_each_element_is_found_as_it_was_written(values: list[object], indent: int | None) -> None:
    found = elements(json.dumps(values, indent=indent).encode(), at_most=10)
    assert found is not None
    assert [json.loads(text) for text in found] == values


@given(scraps)
def test_what_a_strict_parser_takes_for_a_list_is_cut_and_nothing_fails(scrap: bytes) -> None:
    found = elements(b"[" + scrap + b"]", at_most=100)
    try:
        values = orjson.loads(b"[" + scrap + b"]")
    except orjson.JSONDecodeError:
        return
    assert found is not None
    assert [orjson.loads(text) for text in found] == values


@pytest.mark.parametrize(
    "text", [b"", b"1", b"{}", b"[", b"[1", b'["]', b'["\\', b"[1]]", b"[1],", b"[[[", b"[" * 10**6]
)
def test_what_is_no_whole_list_has_no_elements(text: bytes) -> None:
    assert elements(text, at_most=10) is None


def test_it_stops_where_there_are_too_many() -> None:
    assert elements(b"[" + b"1," * 10**6 + b"1]", at_most=10) == [b"1"] * 11
