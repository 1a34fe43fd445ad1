"""`after`: what a pipeline comes after in a batch."""

from __future__ import annotations

import pytest

from bronze_engine.config.load import Config, parse_config
from bronze_engine.errors import ConfigError

pytestmark = pytest.mark.unit

API = '[apis.shop]\nbase_url = "http://127.0.0.1:9"\n'


def config_of(**afters: list[str]) -> Config:
    text = API
    for name, after in afters.items():
        text += f"[pipelines.team.{name}]\nafter = {after}\n"
        text += f'[pipelines.team.{name}.source]\ntype = "http"\napi = "shop"\npath = "/{name}"\n'
    return parse_config(text, environ={})


def test_names_are_those_of_the_team_or_whole() -> None:
    config = config_of(a=[], b=["a", "team.a"], c=["team.b", "a"])
    assert config.pipeline("team.a").after == ()
    assert config.pipeline("team.b").after == ("team.a",)
    assert config.pipeline("team.c").after == ("team.b", "team.a")


def test_an_unknown_name_is_refused_with_the_nearest_one() -> None:
    config = config_of(orders=[], items=["order"])
    with pytest.raises(ConfigError, match=r'there is no pipeline "team\.order"') as caught:
        config.pipeline("team.items")
    assert "team.orders" in str(caught.value)
    assert "after" in str(caught.value)


def test_a_pipeline_can_not_come_after_itself() -> None:
    with pytest.raises(ConfigError, match=r'names "team\.a" itself'):
        config_of(a=["a"]).pipeline("team.a")


def test_a_circle_is_spelled_out() -> None:
    config = config_of(a=["b"], b=["x", "c"], c=["a"], x=[])
    circle = "a circle: team.a -> team.b -> team.c -> team.a"
    with pytest.raises(ConfigError, match=circle):
        config.pipeline("team.a")
    with pytest.raises(ConfigError, match=r"a circle: team\.b -> team\.c -> team\.a -> team\.b"):
        config.pipeline("team.b")
    assert config.pipeline("team.x").after == ()


def test_what_leads_into_a_circle_is_not_in_it() -> None:
    config = config_of(a=["b"], b=["c"], c=["b"])
    assert config.pipeline("team.a").after == ("team.b",)
    with pytest.raises(ConfigError, match=r"a circle: team\.b -> team\.c -> team\.b"):
        config.pipeline("team.b")


def test_the_hash_of_rows_knows_nothing_of_it() -> None:
    config = config_of(a=[], b=["a"])
    other = config_of(a=[], b=[])
    assert config.pipeline("team.b").config_hash == other.pipeline("team.b").config_hash
