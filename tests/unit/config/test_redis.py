"""[engine] limits: the URL of a Redis server, and what is no such URL."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from bronze_engine import open_engine
from bronze_engine.adapters import shared_tokens
from bronze_engine.clock import SYSTEM_CLOCK
from bronze_engine.config.redis import UNTOLD_PROCESSES, parse_redis_url
from bronze_engine.errors import ConfigError
from bronze_engine.limits.redis.tokens import RedisTokens
from bronze_engine.workers import Workers
from tests.unit.config.files import API, ORDERS, load

pytestmark = pytest.mark.unit


def test_a_url_says_it_all() -> None:
    address = parse_redis_url("rediss://me:p%40ss%2F@redis.example.com:6380/3?processes=6")
    assert (address.host, address.port, address.database) == ("redis.example.com", 6380, 3)
    assert (address.is_tls, address.user, address.processes) == (True, "me", 6)
    assert address.password is not None
    assert address.password.reveal() == "p@ss/"
    assert str(address) == "rediss://redis.example.com:6380/3"
    assert "p@ss" not in repr(address)


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("redis://localhost", "redis://localhost:6379/0"),
        ("redis://localhost/", "redis://localhost:6379/0"),
        ("redis://:secret@[::1]:7000/1", "redis://[::1]:7000/1"),
    ],
)
def test_what_it_leaves_out_is_as_redis_has_it(url: str, told: str) -> None:
    address = parse_redis_url(url)
    assert str(address) == told
    assert address.processes == UNTOLD_PROCESSES
    assert not address.is_tls


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("http://h:6379/0", "has another scheme; write redis://host:6379/0"),
        ("localhost:6379", "has another scheme"),
        ("", "has another scheme"),
        ("redis:///0", "has no host"),
        ("redis://h:port/0", "is no URL"),
        ("redis://h:70000/0", "is no URL"),
        ("redis://me:pass/word@h/0", "is no URL"),
        ("redis://h/shop", "has a path that is no number of a database"),
        ("redis://h/0/1", "has a path that is no number of a database"),
        ("redis://me:pass@word@h/0", "has a # or a second @"),
        ("redis://h/0#x", "has a # or a second @"),
        ("redis://h/0?ssl_cert_reqs=none", "has an unknown parameter; known is ?processes=n"),
        ("redis://h/0?processes=0", "has processes that are no number from 1 on"),
        ("redis://h/0?processes=2&processes=3", "has more after the ?"),
        ("redis://h/0?processes", "has processes that are no number"),
    ],
)
def test_what_is_none_is_refused_before_anything_is_opened(
    tmp_path: Path, url: str, message: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, f'[engine]\nlimits = "{url}"\n')
    assert f"engine.limits: {message}" in str(caught.value)
    assert "pass" not in str(caught.value).replace("password", "")


@pytest.mark.parametrize(
    "url",
    ["redis://someone-9:${PW}@h:1/0", "${REDIS_URL}", "redis://someone-9:CANARY-1@h:1/0"],
)
def test_its_password_is_hidden_and_its_host_is_not(tmp_path: Path, url: str) -> None:
    environ = {"PW": "CANARY-1", "REDIS_URL": "redis://someone-9:CANARY-1@h:1/0"}
    config = load(tmp_path, f'[engine]\nlimits = "{url}"\n', environ=environ)
    assert config.secrets == {"CANARY-1"}
    assert "CANARY" not in repr(config.engine)
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, f'[engine]\nlimits = "{url}?x=1"\n', environ=environ)
    assert "CANARY" not in str(caught.value)


def test_no_hash_of_a_pipeline_changes_by_it(tmp_path: Path) -> None:
    text = API + ORDERS
    before = load(tmp_path, text).pipeline("myteam.orders")
    after = load(tmp_path, '[engine]\nlimits = "redis://h:1/0"\n' + text).pipeline("myteam.orders")
    assert before.config_hash == after.config_hash


@pytest.mark.asyncio
async def test_it_decides_who_counts(tmp_path: Path) -> None:
    shared = load(tmp_path, '[engine]\nlimits = "redis://127.0.0.1:1/0?processes=4"\n').engine
    alone = load(tmp_path, "").engine
    with Workers(1) as workers:
        assert await shared_tokens(alone, workers, SYSTEM_CLOCK) is None
        tokens = await shared_tokens(shared, workers, SYSTEM_CLOCK)
        assert isinstance(tokens, RedisTokens)
        assert tokens.processes == 4
        await tokens.aclose()


@pytest.mark.asyncio
async def test_without_the_extra_the_engine_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = load(tmp_path, '[engine]\nlimits = "redis://127.0.0.1:1/0"\n')
    monkeypatch.delitem(sys.modules, "bronze_engine.limits.redis.tokens")
    for name in [each for each in sys.modules if each.partition(".")[0] == "redis"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "redis", None)
    monkeypatch.setitem(sys.modules, "redis.asyncio", None)
    with pytest.raises(ConfigError, match=r'pip install "bronze-engine\[redis\]"'):
        async with open_engine(config):
            pass
