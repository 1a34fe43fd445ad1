"""What comes after what: order, skipping, and that nothing is ever run too early or forgotten."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bronze_engine.batch.order import Key, Order, plan_order
from bronze_engine.config.load import parse_config
from bronze_engine.config.pipeline import Pipeline

pytestmark = pytest.mark.unit

DAYS = tuple(date(2025, 1, day) for day in (1, 2, 3))
API = '[apis.shop]\nbase_url = "http://127.0.0.1:9"\n'
CHAIN = 'load = "incremental"\n'
CHAIN_TABLE = '[pipelines.team.{name}.incremental]\ncursor = "at"\n'
DATED_TABLE = (
    CHAIN_TABLE
    + 'window = "date"\nstart_param = "since"\nend_param = "until"\ncursor_type = "date"\n'
)


def pipelines_of(
    afters: Mapping[str, Sequence[str]], tables: Mapping[str, str] | None = None
) -> dict[str, Pipeline]:
    text = API
    for name, after in afters.items():
        table = (tables or {}).get(name, "")
        load = CHAIN if table else ""
        text += f"[pipelines.team.{name}]\n{load}after = {list(after)}\n" + table.format(name=name)
        text += f'[pipelines.team.{name}.source]\ntype = "http"\napi = "shop"\npath = "/{name}"\n'
    config = parse_config(text, environ={})
    return {f"team.{name}": config.pipeline(f"team.{name}") for name in afters}


def keys_of(*names: str, days: Sequence[date] = DAYS[:1]) -> list[Key]:
    return [(f"team.{name}", day) for name in names for day in days]


def test_a_run_waits_for_those_of_its_date_that_it_comes_after() -> None:
    pipelines = pipelines_of({"items": ["orders"], "orders": []})
    runs = keys_of("items", "orders", days=DAYS[:2])
    order, _ = plan_order(runs, pipelines, full_refresh=())
    assert order.ready == tuple(keys_of("orders", days=DAYS[:2]))
    first, second = DAYS[:2]
    assert order.end(("team.orders", second), committed=True).ready == (("team.items", second),)
    assert order.end(("team.orders", first), committed=True).ready == (("team.items", first),)


def test_what_is_not_in_the_batch_is_not_waited_for() -> None:
    pipelines = pipelines_of({"items": ["orders"], "orders": []})
    order, _ = plan_order(
        keys_of("items"), {"team.items": pipelines["team.items"]}, full_refresh=()
    )
    assert order.ready == tuple(keys_of("items"))


def test_what_comes_after_a_failure_is_skipped_and_what_comes_after_that() -> None:
    pipelines = pipelines_of({"a": [], "b": ["a"], "c": ["b"], "d": ["c", "x"], "x": []})
    order, _ = plan_order(keys_of("a", "b", "c", "d", "x"), pipelines, full_refresh=())
    a, b, c, d, x = keys_of("a", "b", "c", "d", "x")
    ended = order.end(a, committed=False)
    assert ended.ready == ()
    assert dict(ended.skipped) == {b: a, c: b, d: c}
    assert order.end(x, committed=True) == type(ended)()


def test_the_dates_of_a_chain_follow_each_other_whatever_becomes_of_them() -> None:
    pipelines = pipelines_of({"a": []}, {"a": CHAIN_TABLE})
    first, second, third = keys_of("a", days=DAYS)
    order, _ = plan_order([third, first, second], pipelines, full_refresh=())
    assert order.ready == (first,)
    assert order.end(first, committed=False).ready == (second,)
    assert order.end(second, committed=True).ready == (third,)


def test_a_skipped_date_of_a_chain_lets_the_next_one_begin() -> None:
    pipelines = pipelines_of({"a": [], "b": ["a"]}, {"b": CHAIN_TABLE})
    runs = keys_of("a", "b", days=DAYS[:2])
    a1, a2, b1, b2 = runs
    order, _ = plan_order(runs, pipelines, full_refresh=())
    assert order.end(a2, committed=True).ready == ()
    ended = order.end(a1, committed=False)
    assert (ended.skipped, ended.ready) == (((b1, a1),), (b2,))


@pytest.mark.parametrize(("table", "lead"), [(CHAIN_TABLE, 0), (DATED_TABLE, 2)])
def test_one_date_of_a_full_refresh_begins_the_epoch_of_the_others(table: str, lead: int) -> None:
    pipelines = pipelines_of({"a": []}, {"a": table})
    runs = keys_of("a", days=DAYS)
    order, refreshing = plan_order(runs, pipelines, full_refresh={"team.a"})
    assert refreshing == {runs[lead]}
    assert order.ready == (runs[lead],)
    skipped = order.end(runs[lead], committed=False).skipped
    assert {key for key, _ in skipped} == set(runs) - {runs[lead]}


def test_every_date_of_a_full_load_is_an_epoch_by_itself() -> None:
    runs = keys_of("a", days=DAYS)
    order, refreshing = plan_order(runs, pipelines_of({"a": []}), full_refresh={"team.a"})
    assert refreshing == set(runs)
    assert order.ready == tuple(runs)


class Node(msgspec.Struct, frozen=True):
    """A run by its number: what it needs and follows have lower ones, so there is no circle."""

    needs: frozenset[int]
    follows: frozenset[int]
    commits: bool


@st.composite
def graphs(draw: st.DrawFn) -> list[Node]:
    count = draw(st.integers(1, 12))
    before = [
        st.just(frozenset[int]())
        if not number
        else st.frozensets(st.integers(0, number - 1), max_size=3)
        for number in range(count)
    ]
    return [
        Node(draw(before[number]), draw(before[number]), draw(st.booleans()))
        for number in range(count)
    ]


@given(graphs(), st.randoms(use_true_random=False))
def test_each_run_ends_once_and_none_is_run_before_what_it_comes_after(
    graph: list[Node], random: object
) -> None:
    keys = [("team.a", date.fromordinal(number + 1)) for number in range(len(graph))]
    order = Order(
        keys,
        needs={keys[at]: [keys[b] for b in node.needs] for at, node in enumerate(graph)},
        follows={keys[at]: [keys[b] for b in node.follows] for at, node in enumerate(graph)},
    )
    ready = list(order.ready)
    became: dict[int, str] = {}
    while ready:
        ready.sort(key=lambda _key: random.random())  # type: ignore[attr-defined]  # a Random
        at = keys.index(ready.pop())
        assert at not in became
        assert all(became[other] == "committed" for other in graph[at].needs)
        assert all(other in became for other in graph[at].follows)
        became[at] = "committed" if graph[at].commits else "failed"
        ended = order.end(keys[at], committed=graph[at].commits)
        for key, cause in ended.skipped:
            behind = keys.index(key)
            assert behind not in became
            assert keys.index(cause) in graph[behind].needs
            assert became[keys.index(cause)] != "committed"
            became[behind] = "skipped"
        ready += ended.ready
    assert set(became) == set(range(len(graph)))
    for at, node in enumerate(graph):
        stands = all(became[other] == "committed" for other in node.needs)
        assert (became[at] == "skipped") is not stands
