"""Shards: every pipeline in exactly one, what depends on each other together, and evenly."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bronze_engine.batch.shard import Shard, deal, parse_shard, share_of
from bronze_engine.errors import ConfigError
from tests.unit.run.harness import config_of, load_text

pytestmark = pytest.mark.unit

NAMES = st.lists(st.from_regex(r"[ab]\.[a-z]{1,4}", fullmatch=True), unique=True, max_size=40)


def none(_: str) -> Iterable[str]:
    return ()


@given(names=NAMES, count=st.integers(1, 12), data=st.data())
def test_each_pipeline_is_in_one_shard_with_what_it_depends_on(
    names: list[str], count: int, data: st.DataObject
) -> None:
    others = st.sampled_from([*names, "not.selected"])
    after: Mapping[str, list[str]] = {
        name: data.draw(st.lists(others, max_size=2)) for name in names
    }
    shards = deal(names, count, after.__getitem__)
    assert len(shards) == count
    assert sorted(name for shard in shards for name in shard) == sorted(names)
    where = {name: number for number, shard in enumerate(shards) for name in shard}
    for name, before in after.items():
        assert {where[other] for other in before if other in where} <= {where[name]}


@given(names=NAMES, count=st.integers(1, 12))
def test_no_shard_has_more_than_its_fair_share(names: list[str], count: int) -> None:
    sizes = [len(shard) for shard in deal(names, count, none)]
    assert max(sizes) <= -(-len(names) // count)


@given(names=NAMES, count=st.integers(1, 12), data=st.data())
def test_the_order_of_names_changes_nothing(
    names: list[str], count: int, data: st.DataObject
) -> None:
    mixed = data.draw(st.permutations(names))
    one = [set(shard) for shard in deal(names, count, none)]
    assert one == [set(shard) for shard in deal(mixed, count, none)]


def test_names_are_dealt_the_same_on_every_machine() -> None:
    names = [f"team.t{number}" for number in range(8)]
    assert deal(names, 3, none) == (
        ("team.t0", "team.t1"),
        ("team.t3", "team.t6", "team.t7"),
        ("team.t2", "team.t4", "team.t5"),
    )


def test_few_move_where_one_is_added() -> None:
    names = [f"team{number % 7}.t{number}" for number in range(1_000)]
    before = {name: at for at, shard in enumerate(deal(names, 20, none)) for name in shard}
    moved = []
    for number in range(5):
        dealt = deal([*names, f"new.n{number}"], 20, none)
        after = {name: at for at, shard in enumerate(dealt) for name in shard}
        moved.append(sum(after[name] != before[name] for name in names))
    assert max(moved) < 200


def test_dependencies_are_those_of_the_configuration(tmp_path: Path) -> None:
    text = "".join(
        f"[pipelines.{name}]\nafter = {after}\n"
        for name, after in (
            ("shop.items", '["orders"]'),
            ("shop.orders", "[]"),
            ("crm.people", '["shop.items"]'),
            ("crm.alone", "[]"),
        )
    )
    config = load_text(text, folder=tmp_path)
    shares = [share_of(config, config.names, Shard(index, 2)) for index in range(2)]
    assert sorted(shares) == [("crm.alone",), ("crm.people", "shop.items", "shop.orders")]


def test_the_dates_of_a_pipeline_stay_together(tmp_path: Path) -> None:
    config = config_of(pipelines=["t.a", "t.b"], folder=tmp_path)
    shares = [share_of(config, config.names, Shard(index, 3)) for index in range(3)]
    assert sorted(shares) == [(), ("t.a",), ("t.b",)]


def test_shards_are_read() -> None:
    assert parse_shard("0/1") == Shard(0, 1)
    assert str(parse_shard("07/100")) == "7/100"
    assert parse_shard("99999/100000") == Shard(99_999, 100_000)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("4/4", "the indexes are 0 to 3"),
        ("0/0", "no i/n"),
        ("/4", "no i/n"),
        ("-1/4", "no i/n"),
        ("1", "no i/n"),
        ("1/x", "no i/n"),
        ("0/100001", "100,000 copies are the most"),
        ("\u0661/\u0664", "no i/n"),
    ],
)
def test_what_is_no_shard_is_refused(text: str, told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        parse_shard(text)
