"""Names, globs and tags: what they find, how they narrow each other, and what finds nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from bronze_engine.batch.selection import select
from bronze_engine.config.load import Config
from bronze_engine.errors import ConfigError
from tests.unit.run.harness import config_of, load_text

pytestmark = pytest.mark.unit

TAGS = {
    "shop.orders": '["hourly", "money"]',
    "shop.items": '["hourly"]',
    "shop.stores": "[]",
    "crm.people": '["daily"]',
    "crm.broken": '["hourly"]',
}


@pytest.fixture
def config(tmp_path: Path) -> Config:
    text = '[apis.shop]\nbase_url = "http://127.0.0.1:9"\n'
    for name, tags in TAGS.items():
        path = "${NOT_SET}" if name == "crm.broken" else "/x"
        text += f"[pipelines.{name}]\ntags = {tags}\n"
        text += f'source = {{ type = "http", api = "shop", path = "{path}" }}\n'
    return load_text(text, folder=tmp_path)


@pytest.mark.parametrize(
    ("asked", "tags", "found"),
    [
        ([], [], ["crm.broken", "crm.people", "shop.items", "shop.orders", "shop.stores"]),
        (["shop.stores", "crm.people"], [], ["shop.stores", "crm.people"]),
        (["shop.*"], [], ["shop.items", "shop.orders", "shop.stores"]),
        (["*o*rs"], [], ["shop.orders"]),
        (["shop.o*", "shop.*", "shop.items"], [], ["shop.orders", "shop.items", "shop.stores"]),
        (["shop.?t[eo]*"], [], ["shop.items", "shop.stores"]),
        ([], ["daily", "money"], ["crm.people", "shop.orders"]),
        (["shop.*"], ["hourly"], ["shop.items", "shop.orders"]),
        ([], ["hourly"], ["crm.broken", "shop.items", "shop.orders"]),
    ],
)
def test_what_is_found(config: Config, asked: list[str], tags: list[str], found: list[str]) -> None:
    assert list(select(config, asked, tags)) == found


@pytest.mark.parametrize(
    ("asked", "tags", "told"),
    [
        (["shop.order"], [], 'there is no pipeline "shop.order"; did you mean "shop.orders"?'),
        (["shop"], [], "\"shop\" is no pipeline; write 'shop.*' for the 3 of that team"),
        (
            ["shop.oders*"],
            [],
            'no pipeline is named like "shop.oders*"; did you mean "shop.orders"',
        ),
        ([], ["hourli"], 'no pipeline has the tag "hourli"; did you mean "hourly"?'),
        (["crm.people"], ["hourly"], 'none of the 1 pipelines that "crm.people" names has the tag'),
    ],
)
def test_what_finds_nothing_is_told_with_the_nearest(
    config: Config, asked: list[str], tags: list[str], told: str
) -> None:
    with pytest.raises(ConfigError) as refused:
        select(config, asked, tags)
    assert told in str(refused.value)


def test_all_that_finds_nothing_is_told_at_once(config: Config) -> None:
    with pytest.raises(ConfigError) as refused:
        select(config, ["shop.order", "x.*", "shop.items"], ["hourli"])
    for each in ('"shop.order"', '"x.*"', '"hourli"'):
        assert each in str(refused.value)
    assert '"shop.items" ' not in str(refused.value)


def test_of_thousands_of_names_a_few_are_shown(tmp_path: Path) -> None:
    config = config_of(pipelines=[f"team.t{number:04}" for number in range(2_000)], folder=tmp_path)
    with pytest.raises(ConfigError, match=r'"team.t0019" and 1,980 more') as refused:
        select(config, ["quite.different"])
    assert "t0020" not in str(refused.value)


def test_a_file_without_a_pipeline_is_the_wrong_one(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="toml has no pipeline"):
        select(load_text("", folder=tmp_path))


def test_tags_of_the_command_line_and_of_defaults_count(tmp_path: Path) -> None:
    text = '[defaults]\ntags = ["usual"]\n[pipelines.a.b.source]\ntype = "http"\n'
    assert select(load_text(text, folder=tmp_path), (), ["usual"]) == ("a.b",)
    over = load_text(text, 'tags=["set"]', folder=tmp_path)
    assert select(over, (), ["set"]) == ("a.b",)
