"""Selectors: JSONPath over slices of a body gives what a slow evaluation of the document gives."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bronze_engine.config.http.selector import (
    Descend,
    Element,
    Every,
    Member,
    Run,
    Selector,
    Step,
    parse_selector,
)
from bronze_engine.errors import ExtractError, PageError
from bronze_engine.sources.http.body.shape import Shape

pytestmark = pytest.mark.unit

NAMES = ["a", "b", "items"]
VALUE = st.recursive(
    st.none() | st.booleans() | st.sampled_from([1, 1.5, "x", ""]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=3)
    ),
    max_leaves=20,
)
STEP = (
    st.sampled_from([f".{name}" for name in NAMES])
    | st.sampled_from(["[*]", ".*", "[0]", "[-1]", "[1]", "[1:]", "[:-1]", "[::2]", "['a']"])
    | st.sampled_from(["..a", "..items", "..[*]", "..*", "..[0]", '..["b"]'])
)


def texts(shape: Shape, body: bytes) -> list[bytes]:
    split = shape.split(body)
    lines = b"".join(lines.data for lines in split.lines).split(b"\n")[:-1]
    assert len(lines) == split.records
    return lines


# The reference: values with the text that stands for each of them, walked one by one.


class Text(str):
    """A number as it is written."""

    __slots__ = ()


def number(value: Any) -> Any:
    return Text(value)


def encoded(value: Any) -> bytes:
    if isinstance(value, Text):
        return value.encode()
    if isinstance(value, list):
        return b"[" + b", ".join(map(encoded, value)) + b"]"
    if isinstance(value, dict):
        members = (json.dumps(key).encode() + b": " + encoded(v) for key, v in value.items())
        return b"{" + b", ".join(members) + b"}"
    return json.dumps(value).encode()


class Lost(Exception):
    pass


def below(value: Any, step: Step) -> Iterator[Any]:
    match step:
        case Member(name):
            if isinstance(value, dict) and name in value:
                yield value[name]
        case Element(index):
            if isinstance(value, list) and -len(value) <= index < len(value):
                yield value[index]
        case Run(start, stop, stride):
            if isinstance(value, list):
                yield from value[start:stop:stride]
        case Every():
            if isinstance(value, list):
                yield from value
            elif isinstance(value, dict):
                yield from value.values()
        case Descend():
            yield value
            children = value.values() if isinstance(value, dict) else value
            if isinstance(value, dict | list):
                for child in children:
                    yield from below(child, step)


def order(document: Any) -> dict[int, int]:
    """The place of every value, by its identity."""
    return {id(value): place for place, value in enumerate(below(document, Descend()))}


def expected(selector: Selector, document: Any, *, is_null_empty: bool) -> list[bytes]:
    nodes, is_plural = [document], False
    for step in selector.steps:
        is_plural = is_plural or isinstance(step, Every | Run | Descend)
        following = [child for node in nodes for child in below(node, step)]
        if nodes and not following:
            kinds = {type(node) for node in nodes}
            if isinstance(step, Every | Run):
                fine = list in kinds or (dict in kinds and isinstance(step, Every))
                fine = fine or (is_null_empty and kinds == {type(None)})
            else:
                fine = is_plural and is_null_empty
            if not fine:
                raise Lost
        nodes = following
    if any(isinstance(step, Descend) for step in selector.steps):
        places = order(document)
        nodes.sort(key=lambda node: places[id(node)])
    records: list[Any] = []
    is_deep = bool(selector.steps) and isinstance(selector.steps[-1], Descend)
    for node in nodes:
        if isinstance(node, list):
            last = selector.last
            records += node[last.start : last.stop : last.step] if isinstance(last, Run) else node
        elif isinstance(node, dict) and isinstance(selector.last, Every):
            records += node.values()
        elif isinstance(node, dict) and selector.last is None and is_plural:
            records.append(node)
        elif not is_deep and not (node is None and is_null_empty):
            raise Lost
    return [encoded(record) for record in records]


def unshared(value: Any) -> Any:
    """A copy in which no two values are the same object, so that identity tells them apart."""
    if isinstance(value, list):
        return [unshared(item) for item in value]
    if isinstance(value, dict):
        return {key: unshared(item) for key, item in value.items()}
    return value


@given(
    document=st.one_of(
        VALUE,
        st.fixed_dictionaries({"a": st.lists(VALUE, max_size=3), "items": VALUE}),
        st.lists(st.fixed_dictionaries({"items": st.lists(VALUE, max_size=3)}), max_size=3),
    ),
    steps=st.lists(STEP, max_size=4),
    is_null_empty=st.booleans(),
    indent=st.sampled_from([None, 1]),
)
def test_records_are_those_of_a_slow_evaluation(
    document: Any, steps: list[str], is_null_empty: bool, indent: int | None
) -> None:
    path = "$" + "".join(steps)
    body = json.dumps(document, indent=indent).encode()
    exact = json.loads(body, parse_float=number, parse_int=number)
    shape = Shape(path, null_records="empty" if is_null_empty else "fail")
    try:
        wanted = expected(parse_selector(path), unshared(exact), is_null_empty=is_null_empty)
    except Lost:
        with pytest.raises(PageError):
            shape.split(body)
        return
    got = texts(shape, body)
    if indent is not None:
        got, wanted = ([text.replace(b" ", b"") for text in each] for each in (got, wanted))
    assert got == wanted


BODY = b"""{"meta": {"at": "2025-01-15", "n": 1.10},
 "data": {"items": [{"id": 1.0}, {"id": 2.50}], "o'x": {"1": {"id": 10}, "2": {"id": 20}}},
 "customers": [{"id": 7, "orders": [{"n": 1}, {"n": 2}]}, {"id": 8},
   {"id": 9, "orders": [{"n": 3}]}, {"id": 10, "orders": []}],
 "page": [{"pages": 3}, [{"x": 1}, {"x": 2}, {"x": 3}]]}"""


@pytest.mark.parametrize(
    ("path", "rows"),
    [
        ("$.data.items", '{"id":1.0} {"id":2.50}'),
        ("$.data.items[*]", '{"id":1.0} {"id":2.50}'),
        ("$['data'][\"items\"]", '{"id":1.0} {"id":2.50}'),
        ("$.data['o\\'x'].*", '{"id":10} {"id":20}'),
        ("$.customers[*].orders[*]", '{"n":1} {"n":2} {"n":3}'),
        ("$.customers[*].orders", '{"n":1} {"n":2} {"n":3}'),
        ("$.customers[0].orders", '{"n":1} {"n":2}'),
        ("$.customers[-2].orders", '{"n":3}'),
        ("$.customers[1:3].orders[0:1]", '{"n":3}'),
        ("$..orders", '{"n":1} {"n":2} {"n":3}'),
        ("$..orders[*]", '{"n":1} {"n":2} {"n":3}'),
        ("$.page[1]", '{"x":1} {"x":2} {"x":3}'),
        ("$.page[1][::2]", '{"x":1} {"x":3}'),
        ("$.page[-1][-1:]", '{"x":3}'),
        ("$.meta[*]", '"2025-01-15" 1.10'),
        ("$.data[*]['1']", '{"id":10}'),
        ("$..['2']", '{"id":20}'),
    ],
)
def test_what_a_path_selects(path: str, rows: str) -> None:
    assert texts(Shape(path), BODY) == [row.encode() for row in rows.split()]


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("$.gone[*]", 'no "gone" in the body; there are the keys "meta"'),
        ("$.data.rows", 'the records path $.data.rows: no "rows" in $.data; there are the keys'),
        ("$.meta.at[*]", "are a text, not a list"),
        ("$.meta.at[*].x", "no list in $.meta.at; it is a text"),
        ("$.page[2]", "no element 2 in $.page; it is a list"),
        (
            "$.customers[*].ordres[*]",
            'no "ordres" in any of the 4 values at $.customers[*]; in the ',
        ),
        ("$.customers[*].ordres[*]", 'set null_records = "empty"'),
        ("$..ordres", 'no "ordres" in any of the'),
        ("$.customers[*].id", "are a number, not a list"),
    ],
)
def test_paths_that_lead_nowhere_say_what_is_there(path: str, text: str) -> None:
    with pytest.raises(PageError) as caught:
        Shape(path).split(BODY)
    assert text in str(caught.value)


def test_records_with_odd_tokens_come_out_with_their_own_bytes() -> None:
    body = b'{"c": [{"o": [NaN, {"a": "\\ud800"}]}, {"o": [-Infinity]}]}'
    assert texts(Shape("$.c[*].o[*]"), body) == [b"NaN", b'{"a": "\\ud800"}', b"-Infinity"]


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("$.a[*].b", b'{"a": [{"b": [1], "c": 2, "b": [2]}]}'),
        ("$.a[*].b", b'{"a": [{"b": [1]}], "a": []}'),
        ("$.a.*", b'{"a": {"1": {"x": 1}, "1": {"x": 2}}}'),
        ("$..b", b'{"a": {"b": [1], "b": [2]}}'),
    ],
)
def test_a_key_that_stands_twice_on_the_way_is_refused(path: str, body: bytes) -> None:
    with pytest.raises(PageError, match="stands twice in one object"):
        Shape(path).split(body)


def test_a_key_that_stands_twice_elsewhere_is_not_on_the_way() -> None:
    body = b'{"a": [{"b": [{"b": 1, "b": 2}], "c": {"b": 1}, "d": 1, "d": 2}]}'
    assert texts(Shape("$.a[*].b"), body) == [b'{"b": 1, "b": 2}']


def test_looking_through_all_levels_has_an_end() -> None:
    body = b'{"a":' * 150 + b"[1]" + b"}" * 150
    with pytest.raises(ExtractError, match="name the path instead of"):
        Shape("$..items").split(body)


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("$.a[?@.b]", "filters, [?...], are not supported"),
        ("$[?(@.b == 1)]", "filters"),
        ("$.a[0,1]", "give `records` a list of paths"),
        ("$['a','b']", "give `records` a list of paths"),
        ("$.a[(@.length-1)]", "expressions"),
        ("$.a..", "can't be read from '..'"),
        ("$.a[", "can't be read from '['"),
        ("$a", "can't be read"),
        ("$.a[::-1]", "a slice's step must be above zero"),
        ("$.a[::0]", "a slice's step must be above zero"),
        ("$['\\u0041']", "can't be read"),
        ("a", "begins with"),
    ],
)
def test_what_is_no_path(path: str, text: str) -> None:
    with pytest.raises(ValueError, match=r".+") as caught:
        parse_selector(path)
    assert text in str(caught.value)


# Several record sets, and what is joined to records.


def test_record_sets_are_read_in_their_order() -> None:
    body = b'{"data": {"updated": [{"id": 1}], "created": [{"id": 2}, {"id": 3}]}, "n": 3}'
    shape = Shape(["data.created", "$.data.updated"], ["n"], record_set="kind")
    assert texts(shape, body) == [
        b'{"id": 2,"kind":"data.created"}',
        b'{"id": 3,"kind":"data.created"}',
        b'{"id": 1,"kind":"$.data.updated"}',
    ]
    assert shape.split(body).fields == {"n": 3}
    (lines,) = shape.split(body).lines
    assert (lines.records, lines.offset) == (3, 0)
    with pytest.raises(PageError, match=r"no .updated. in [$].data"):
        shape.split(b'{"data": {"created": []}}')


def test_a_set_that_stands_twice_is_refused() -> None:
    body = b'{"a": [1], "b": [{"x": 1}], "b": [3]}'
    with pytest.raises(PageError, match='"b" stands twice'):
        Shape(["a", "b"]).split(body)


def test_the_envelope_is_joined_byte_for_byte() -> None:
    shape = Shape("data.items", envelope={"at": "meta.at", "n": "$.meta.n", "more": "^.more?"})
    assert texts(shape, BODY) == [
        b'{"id":1.0,"at":"2025-01-15","n":1.10}',
        b'{"id":2.50,"at":"2025-01-15","n":1.10}',
    ]


@pytest.mark.parametrize("path", ["$.customers[*].orders[*]", "$..orders", "$.customers[*].orders"])
def test_fields_of_the_object_around_the_list(path: str) -> None:
    shape = Shape(path, envelope={"customer": "^.id", "at": "meta.at"})
    assert texts(shape, BODY) == [
        b'{"n":1,"customer":7,"at":"2025-01-15"}',
        b'{"n":2,"customer":7,"at":"2025-01-15"}',
        b'{"n":3,"customer":9,"at":"2025-01-15"}',
    ]


def test_the_object_around_a_plain_list() -> None:
    body = b'{"data": {"n": 7.50, "items": [{"a": 1}]}, "n": 2}'
    for path in ("data.items", "$.data.items", "$.data.items[*]", "$.data.items[0:5]"):
        assert texts(Shape(path, envelope={"n": "^.n"}), body) == [b'{"a": 1,"n":7.50}']


@pytest.mark.parametrize(
    ("path", "envelope", "text"),
    [
        ("data.items", "meta.gone", 'no "meta.gone" in the body, where envelope.x looks'),
        ("data.items", "^.gone", 'no "gone" in the object around the list'),
        ("$..orders", "^.gone", 'there are the keys "id", "orders"'),
        ("$.page[1][*]", "^.gone", 'there are the keys "meta"'),
    ],
)
def test_an_envelope_field_that_is_not_there(path: str, envelope: str, text: str) -> None:
    with pytest.raises(PageError) as caught:
        Shape(path, envelope={"x": envelope}).split(BODY)
    assert text in str(caught.value)
    assert Shape(path, envelope={"x": envelope + "?"}).split(BODY).records > 0


def test_an_envelope_field_that_collides_with_a_key_is_refused() -> None:
    with pytest.raises(PageError, match='have a key "id" of their own'):
        Shape("data.items", envelope={"id": "meta.at"}).split(BODY)


def test_an_envelope_field_with_odd_tokens_keeps_its_bytes() -> None:
    body = b'{"m": {"x": NaN}, "a": [{"b": [{"c": 1}], "x": "\\ud800"}]}'
    shape = Shape("$.a[*].b", envelope={"m": "m", "x": "^.x"})
    assert texts(shape, body) == [b'{"c": 1,"m":{"x": NaN},"x":"\\ud800"}']


def test_many_small_lists_become_few_blocks() -> None:
    customers = [{"id": n, "orders": [{"n": n}, {"n": -n}]} for n in range(2000)]
    shape = Shape("$[*].orders", envelope={"customer": "^.id"}, keep_originals=True)
    split = shape.split(json.dumps(customers).encode())
    (lines,) = split.lines
    assert lines.records == 4000
    rows = [json.loads(line) for line in lines.data.splitlines()]
    assert rows[:2] == [{"n": 0, "customer": 0}, {"n": 0, "customer": 0}]
    assert rows[-1] == {"n": -1999, "customer": 1999}
    assert lines.originals is not None
    assert lines.originals[-1] == b'{"n": -1999}'
