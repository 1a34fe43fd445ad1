from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bronze_engine.config.loading.fault import Fault
from bronze_engine.config.loading.merge import merge, overrides_tree

pytestmark = pytest.mark.unit

KEYS = st.sampled_from(["a", "b", "c"])
LEAVES = st.integers() | st.text(max_size=5) | st.lists(st.integers(), max_size=3)
TABLES: st.SearchStrategy[dict[str, Any]] = st.recursive(
    st.dictionaries(KEYS, LEAVES, max_size=3),
    lambda inner: st.dictionaries(KEYS, inner | LEAVES, max_size=3),
    max_leaves=12,
)


def paths(table: dict[str, Any]) -> dict[tuple[str, ...], Any]:
    found: dict[tuple[str, ...], Any] = {}
    for key, value in table.items():
        if isinstance(value, dict):
            found.update({(key, *rest): leaf for rest, leaf in paths(value).items()})
        else:
            found[(key,)] = value
    return found


def places(table: dict[str, Any]) -> list[tuple[str, ...]]:
    """The paths of all leaves, and of all tables."""
    found: list[tuple[str, ...]] = []
    for key, value in table.items():
        found.append((key,))
        if isinstance(value, dict):
            found += [(key, *rest) for rest in places(value)]
    return found


@given(TABLES, TABLES)
def test_every_leaf_above_wins_and_the_others_of_below_stay(
    base: dict[str, Any], over: dict[str, Any]
) -> None:
    merged, above = paths(merge(base, over)), paths(over)
    for path, leaf in above.items():
        assert merged[path] == leaf
    for path, leaf in paths(base).items():
        if path not in above and is_free(path, over):
            assert merged[path] == leaf
    assert merged.keys() <= above.keys() | paths(base).keys()


def is_free(path: tuple[str, ...], over: dict[str, Any]) -> bool:
    """Whether `over` has tables only, or nothing, on the way to a path, and nothing at it."""
    inner: Any = over
    for key in path:
        if not isinstance(inner, dict):
            return False
        if key not in inner:
            return True
        inner = inner[key]
    return False


@given(TABLES, TABLES, TABLES)
def test_merging_is_associative(a: dict[str, Any], b: dict[str, Any], c: dict[str, Any]) -> None:
    # A leaf between two tables hides the lowest one for good, in either order of merging: also
    # where all that it holds are tables without keys.
    left = merge(merge(a, b), c)
    right = merge(a, merge(b, c))
    hidden = any(p[: len(q)] == q for p in places(a) for q in paths(b) if len(q) < len(p))
    if not hidden:
        assert left == right


@given(TABLES, TABLES)
def test_nothing_is_changed_and_nothing_is_shared(
    base: dict[str, Any], over: dict[str, Any]
) -> None:
    before = copy.deepcopy((base, over))
    result = merge(base, over)
    spoil(result)
    assert (base, over) == before


def spoil(value: Any) -> None:
    if isinstance(value, dict):
        for inner in value.values():
            spoil(inner)
        value["spoiled"] = True
    elif isinstance(value, list):
        value.append("spoiled")


@given(TABLES)
def test_an_empty_table_changes_nothing(table: dict[str, Any]) -> None:
    assert merge(table, {}) == table == merge({}, table)


@pytest.mark.parametrize("path", [("source",), ("source", "paginator"), ("auth",)])
def test_another_type_replaces_the_table(path: tuple[str, ...]) -> None:
    def nest(table: dict[str, Any]) -> dict[str, Any]:
        for key in reversed(path):
            table = {key: table}
        return table

    base = nest({"type": "page", "start": 1})
    assert merge(base, nest({"type": "none"})) == nest({"type": "none"})
    assert merge(base, nest({"start": 2})) == nest({"type": "page", "start": 2})
    assert merge(base, nest({"type": "page", "n": 2})) == nest({"type": "page", "start": 1, "n": 2})


def test_a_parameter_called_type_is_no_tag() -> None:
    base = {"source": {"params": {"type": "a", "b": 1}}}
    over = {"source": {"params": {"type": "c"}}}
    assert merge(base, over) == {"source": {"params": {"type": "c", "b": 1}}}


def test_false_takes_only_tables_away_that_may_be_left_out() -> None:
    base = {"incremental": {"cursor": "u"}, "output": {"load_columns": True}}
    over = {"incremental": False, "output": {"load_columns": False}}
    assert merge(base, over) == {"output": {"load_columns": False}}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1", 1),
        ("1.5", 1.5),
        ("true", True),
        ('"x"', "x"),
        ("[1, 2]", [1, 2]),
        ("{a = 1}", {"a": 1}),
        ("256MiB", "256MiB"),
        ("snappy", "snappy"),
        ("", ""),
        ("a=b", "a=b"),
        ("1\nb = 2", "1\nb = 2"),
        ("1 # x", 1),
        ("${VAR}", "${VAR}"),
    ],
)
def test_the_value_of_a_set_is_toml_or_else_a_text(text: str, value: object) -> None:
    faults: list[Fault] = []
    assert overrides_tree([f'a."b.c"={text}'], faults) == {"a": {"b.c": value}}
    assert faults == []


def test_later_sets_win() -> None:
    faults: list[Fault] = []
    assert overrides_tree(["a.b=1", "a.c=2", "a.b=3"], faults) == {"a": {"b": 3, "c": 2}}
    assert overrides_tree(["a=1", "a.b=2"], faults) == {"a": {"b": 2}}
    assert faults == []


@given(st.text(max_size=20), st.text(max_size=20))
def test_no_text_breaks_a_set(key: str, value: str) -> None:
    faults: list[Fault] = []
    tree = overrides_tree([f"{key}={value}"], faults)
    assert bool(tree) != bool(faults)
