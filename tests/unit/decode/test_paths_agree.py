"""Under every rule of [schema]: what lands is what came, and both ways of reading give the same."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bronze_engine.config.schema import SchemaConfig
from bronze_engine.decode.exact import decode_exact
from bronze_engine.decode.json import JsonDecoder
from bronze_engine.decode.rules import rules_of, start_layout
from bronze_engine.errors import QualityError
from bronze_engine.model.block import Block
from bronze_engine.model.layout import Layout
from tests.unit.decode.rows import block, fold, loads, raws, records_of, request, table
from tests.unit.decode.test_roundtrip import cuts, is_good

pytestmark = pytest.mark.unit

NESTINGS = st.builds(
    SchemaConfig,
    nested=st.sampled_from(["struct", "json"]),
    flatten=st.sampled_from([None, "__", "."]),
    on_drift=st.sampled_from(["variant", "widen"]),
).flatmap(
    lambda schema: (
        st.just(schema)
        if schema.flatten is None
        else st.sampled_from([None, 1, 2]).map(
            lambda depth: msgspec.structs.replace(schema, flatten_depth=depth)
        )
    )
)
TYPES = st.sampled_from(
    ["int64", "uint8", "double", "bool", "string", "json", "epoch_s", "epoch_ms", "decimal(40,20)"]
)
RULES = st.builds(
    lambda schema, columns, on_drift: msgspec.structs.replace(
        schema, columns=columns, on_drift=on_drift
    ),
    NESTINGS,
    st.dictionaries(st.sampled_from(["a", "b", "c", "a__x"]), TYPES, max_size=3),
    st.sampled_from(["variant", "widen", "quarantine"]),
)
TYPED_VALUES = st.sampled_from(
    [
        *("1", "0", "-0", "255", "256", "1.5", "1e3", "1735689600.123456", "99999999999999999"),
        *('"1"', '"00123"', '"1.50"', '"-0"', '"1e400"', '"1735689600"', '"true"', '"x"'),
        *("18446744073709551615", "true", "null", "[1,1]", "{ }", "{}"),
        *('{"x":1,"x":2}', '{"x": "\\ud800"}'),
    ]
)
TYPED_LINES = st.dictionaries(
    st.sampled_from(["a", "b", "c"]), TYPED_VALUES, min_size=1, max_size=3
).map(lambda items: ("{" + ", ".join(f'"{k}":{v}' for k, v in items.items()) + "}").encode())


def without_empties(value: dict[str, Any]) -> dict[str, Any]:
    """A record without nulls and empty objects outside of lists: flattened, they are absences."""
    found = {}
    for key, inner in value.items():
        kept = without_empties(inner) if isinstance(inner, dict) else inner
        if kept is not None and kept != {}:
            found[key] = kept
    return found


def without_nulls_in_lists(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: without_nulls_in_lists(v) for k, v in value.items() if v is not None}
    if isinstance(value, list):
        return [without_nulls_in_lists(inner) for inner in value]
    return value


@settings(max_examples=200, deadline=None)
@given(cuts(), st.integers(1, 4), NESTINGS)
def test_what_lands_is_what_came(
    groups: list[Block], settle_after: int, schema: SchemaConfig
) -> None:
    results, layout = fold(JsonDecoder(request(schema=schema)), groups, settle_after=settle_after)
    lines = [line for group in groups for line in group.data.split(b"\n")[:-1]]
    assert [raw for result in results for raw in raws(result.rejects)] == [
        line for line in lines if not is_good(line)
    ]
    expected = [loads(line) for line in lines if is_good(line)]
    if schema.flatten is None:
        found = records_of(table(results, layout).to_pylist(), layout)
        assert [without_nulls_in_lists(each) for each in found] == [
            without_nulls_in_lists(each) for each in expected
        ]
        return
    found = records_of(table(results, layout).to_pylist(), layout)
    assert [without_nulls_in_lists(without_empties(each)) for each in found] == [
        without_nulls_in_lists(without_empties(each)) for each in expected
    ]


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.lists(TYPED_LINES, min_size=1, max_size=4), min_size=1, max_size=4)
    | cuts().map(lambda blocks: [block.data.split(b"\n")[:-1] for block in blocks]),
    st.integers(1, 3),
    RULES,
)
def test_the_fast_path_gives_what_the_exact_path_gives(
    groups: list[list[bytes]], settle_after: int, schema: SchemaConfig
) -> None:
    decoder, rules = JsonDecoder(request(schema=schema)), rules_of(schema, None)
    layout: Layout | None = None
    for place, lines in enumerate(groups):
        # twice: the second time the layout is known, and the fast path has its chance
        block = Block(data=b"".join(line + b"\n" for line in lines), records=len(lines), page=1)
        for _ in range(2):
            decoded = decoder.decode([block], layout)
            if layout is not None:
                exact = decode_exact([block], layout, rules)
                assert decoded.batch.equals(exact.batch, check_metadata=True)
                assert decoded.layout.schema.equals(exact.layout.schema, check_metadata=True)
                assert [r.raw for r in decoded.rejects] == [r.raw for _, r in exact.rejects]
            layout = decoded.layout
        if layout is not None and place + 1 == settle_after:
            layout = layout.settled()


MANY = st.lists(TYPED_LINES, min_size=1, max_size=3).flatmap(
    lambda lines: st.lists(st.sampled_from(lines), min_size=2, max_size=9)
)


@settings(max_examples=300, deadline=None)
@given(
    MANY | cuts().map(lambda blocks: [line for b in blocks for line in b.data.split(b"\n")[:-1]]),
    st.integers(1, 80),
    RULES,
)
def test_columns_learnt_of_the_first_records_are_those_of_all_records(
    lines: list[bytes], head_bytes: int, schema: SchemaConfig
) -> None:
    group = block(lines)
    learnt = JsonDecoder(request(schema=schema), head_bytes=head_bytes).decode([group], None)
    exact = decode_exact(
        [group], start_layout(None, rules_of(schema, None)), rules_of(schema, None)
    )
    assert learnt.batch.equals(exact.batch, check_metadata=True)
    assert learnt.layout.schema.equals(exact.layout.schema, check_metadata=True)
    assert learnt.layout.known == exact.layout.known == 0
    assert [r.raw for r in learnt.rejects] == [r.raw for _, r in exact.rejects]


@settings(max_examples=200, deadline=None)
@given(cuts(), NESTINGS)
def test_a_frozen_run_takes_what_it_knows_and_nothing_else(
    groups: list[Block], schema: SchemaConfig
) -> None:
    """The second run sees the records of the first, then one with a key that is new."""
    first, layout = fold(JsonDecoder(request(schema=schema)), groups, settle_after=1)
    if not layout.schema.names or any("variant" in n or n == "_extra" for n in layout.schema.names):
        return
    frozen = msgspec.structs.replace(schema, contract="freeze", on_drift="variant")
    decoder = JsonDecoder(request(schema=frozen, base=layout))
    again, after = fold(decoder, groups, settle_after=1)
    assert after.schema.equals(layout.schema, check_metadata=True)
    rows, earlier = table(again, after), table(first, layout)
    if schema.flatten is None:
        assert rows.equals(earlier)
    else:  # an object without keys is text until it is known to have columns, then an absence
        assert [without_empties(each) for each in records_of(rows.to_pylist(), after)] == [
            without_empties(each) for each in records_of(earlier.to_pylist(), layout)
        ]
    new = Block(data=b'{"not_there_before": {"x": 1.50}}\n', records=1, page=7, offset=3)
    with pytest.raises(QualityError, match=r"'not_there_before.*page 7 at record 3"):
        decoder.decode([new], after)
