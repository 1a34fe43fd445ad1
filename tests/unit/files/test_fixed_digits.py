"""Numbers made of digits without texts between are those that the texts say."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bronze_engine.decode.text.values import cast_column
from bronze_engine.model.layout import Column
from bronze_engine.sources.files.fixed.cells import field_texts
from bronze_engine.sources.files.fixed.digits import field_numbers
from bronze_engine.sources.files.fixed.plan import Cut

pytestmark = pytest.mark.unit


def cut(width: int, **options: Any) -> Cut:
    usual: dict[str, Any] = {"trim": "both", "pad": None, "nulls": ("",), "scale": None}
    return Cut(name="v", start=0, end=width, **({"sign": None} | usual | options))


def grid(texts: list[str], width: int) -> Any:
    data = "".join(text.ljust(width)[:width] for text in texts).encode()
    return np.frombuffer(data, np.uint8).reshape(-1, width)


CUTS: st.SearchStrategy[dict[str, Any]] = st.builds(
    dict,
    pad=st.sampled_from([None, "0"]),
    scale=st.sampled_from([None, 0, 2]),
    sign=st.sampled_from([None, "leading", "trailing", "overpunch"]),
)
NUMBERS = st.integers(-999_999, 9_999_999).map(str)
TEXTS = st.one_of(
    NUMBERS.map(lambda text: text.rjust(7)),
    NUMBERS.map(lambda text: text.lstrip("-").rjust(7, "0")),
    NUMBERS.map(lambda text: text.lstrip("-")[:6].rjust(6, "0") + "-"),
    NUMBERS.map(lambda text: text.lstrip("-")[:6].rjust(6) + " "),
    st.from_regex(r"\A[0-9]{6}[{}A-Rp-y]\Z"),
    st.text("0123456789 -+}{AJp", max_size=7),
    st.just(""),
)


@given(st.lists(TEXTS, max_size=6), CUTS)
@settings(max_examples=600, deadline=None)
@example(["     -"], {"sign": "trailing", "scale": 2})
@example(["", "      5"], {"scale": 2})
@example(["0000000", "-000000"], {"sign": "leading"})
@example(["0012"], {})
@example(["000000-"], {"pad": "0", "sign": "trailing"})
def test_what_comes_as_numbers_is_what_the_texts_say(
    texts: list[str], options: dict[str, Any]
) -> None:
    field = cut(7, **options)
    for kind in (pa.int32(), pa.int64(), pa.uint16(), pa.decimal128(7, field.scale or 0)):
        numbers = field_numbers(grid(texts, 7), field, kind)
        if numbers is None:
            continue
        said, _ = field_texts(grid(texts, 7), field)
        column = Column(name="v", type=kind, key="v")
        expected, misfits = cast_column(said, column, printable=False)
        assert misfits is None
        numbers.validate(full=True)
        assert numbers.to_pylist() == expected.to_pylist()


@pytest.mark.parametrize(
    ("texts", "options", "kind", "expected"),
    [
        (["0000012", "     34", ""], {"pad": "0"}, pa.int64(), [12, 34, None]),
        (["001234-", "001234 "], {"sign": "trailing", "scale": 2}, None, ["-12.34", "12.34"]),
        (["001234N", "001234{"], {"sign": "overpunch", "scale": 2}, None, ["-123.45", "123.40"]),
        (["      5"], {}, pa.int8(), [5]),
    ],
)
def test_plain_columns_need_no_texts(
    texts: list[str], options: dict[str, Any], kind: Any, expected: list[Any]
) -> None:
    found = field_numbers(grid(texts, 7), cut(7, **options), kind or pa.decimal128(7, 2))
    assert found is not None
    wanted = [Decimal(each) if isinstance(each, str) else each for each in expected]
    assert found.to_pylist() == wanted


@pytest.mark.parametrize(
    ("texts", "options", "kind"),
    [
        (["0000012"], {}, pa.int64()),
        (["12A"], {"pad": "0"}, pa.int64()),
        (["    300"], {}, pa.int8()),
        (["9999999"], {"scale": 2}, pa.decimal128(5, 2)),
        (["      1"], {"nulls": ("", "0")}, pa.int64()),
        (["      1"], {}, pa.float64()),
    ],
)
def test_the_rest_is_left_to_texts(texts: list[str], options: dict[str, Any], kind: Any) -> None:
    assert field_numbers(grid(texts, 7), cut(7, **options), kind) is None
