"""Arrays of Arrow whose parts contradict each other, as a damaged file has them."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest

from bronze_engine.sources.files.soundness import is_sound

pytestmark = pytest.mark.unit

TEXTS: list[str | None] = ["one", None, "", "more than the twelve bytes of a view"]
DAMAGED = ([0, 3, 3, 2, 9], [0, 900, 3, 3, 9], [0, -1, 3, 3, 9])
"""Offsets that go back, or lie outside; the first and the last Arrow checks by itself."""


def of(kind: Any, offsets: list[int], *, wide: bool = False) -> Any:
    width = pa.int64() if wide else pa.int32()
    buffers = [None, pa.array(offsets, width).buffers()[1], pa.py_buffer(b"one" + b"x" * 6)]
    return pa.Array.from_buffers(kind, 4, buffers)


def lists(offsets: list[int], values: Any) -> Any:
    kind = pa.list_(values.type)
    buffers = [None, pa.array(offsets, pa.int32()).buffers()[1]]
    return pa.Array.from_buffers(kind, 4, buffers, children=[values])


@pytest.mark.parametrize("offsets", DAMAGED)
def test_offsets_that_do_not_grow_within_their_values_are_unsound(offsets: list[int]) -> None:
    assert not is_sound(of(pa.string(), offsets))
    assert not is_sound(of(pa.binary(), offsets))
    assert not is_sound(of(pa.large_string(), offsets, wide=True))
    assert not is_sound(lists(offsets, pa.array(range(9))))
    assert not is_sound(lists([0, 1, 2, 3, 4], of(pa.string(), offsets)))
    assert not is_sound(pa.StructArray.from_arrays([of(pa.string(), offsets)], ["a"]))
    nested: Any = pa.FixedSizeListArray
    assert not is_sound(nested.from_arrays(of(pa.string(), offsets), 2))


def test_numbers_past_the_end_of_their_dictionary_are_unsound() -> None:
    indices: Any = pa.array([0, 5, None])
    column = pa.DictionaryArray.from_arrays(indices, pa.array(["a"]), safe=False)
    assert not is_sound(column)


@pytest.mark.parametrize(
    "kind",
    [
        *(pa.string(), pa.large_string(), pa.string_view(), pa.binary()),
        *(pa.dictionary(pa.int8(), pa.string()), pa.list_(pa.string())),
    ],
    ids=str,
)
def test_what_holds_together_is_sound_and_a_slice_of_it(kind: Any) -> None:
    values: Any = [TEXTS, None, [], TEXTS] if pa.types.is_list(kind) else TEXTS
    if kind == pa.binary():
        values = [None if text is None else text.encode() for text in TEXTS]
    array: Any = pa.array(values, pa.string() if pa.types.is_dictionary(kind) else kind)
    array = array.dictionary_encode() if pa.types.is_dictionary(kind) else array
    for part in (array, array.slice(1, 2), array.slice(4), array.slice(0, 0)):
        assert is_sound(part)


def test_a_text_that_is_no_utf8_and_a_decimal_of_too_many_digits_are_values() -> None:
    text: Any = pa.array([b"\xff", b"a"]).view(pa.string())
    assert is_sound(text)
    assert is_sound(pa.StructArray.from_arrays([text], ["a"]))
    assert is_sound(text.dictionary_encode())
    decimal = pa.array([12345], pa.decimal128(5, 0)).view(pa.decimal128(5, 0))
    wide: Any = pa.Array.from_buffers(pa.decimal128(2, 0), 1, decimal.buffers())
    assert is_sound(wide)
