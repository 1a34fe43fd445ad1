"""docs/limits.md: its example loads, and its numbers are those of the code."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pytest

from bronze_engine.config.redis import UNTOLD_PROCESSES, parse_redis_url
from bronze_engine.limits.redis.scripts import LEASE_OF_MINUTE, MINUTE_SECONDS
from bronze_engine.limits.tokens import AHEAD_SECONDS, MOST_AHEAD_SECONDS, SETTLING_SECONDS
from tests.documents import ROOT, Document
from tests.unit.config.files import load

pytestmark = pytest.mark.unit

GUIDE: Final = Document("docs/limits.md")


def test_the_example_loads_and_names_the_server(tmp_path: Path) -> None:
    (table,) = GUIDE.blocks("toml", "Between processes")
    config = load(tmp_path, table, environ={"REDIS_PASSWORD": "open-sesame"})
    assert config.engine.limits is not None
    address = parse_redis_url(config.engine.limits.reveal())
    assert str(address) == "rediss://redis.example.com:6379/0"
    assert config.secrets == {"open-sesame"}
    assert config.pipeline("team.orders").source is not None


def test_the_server_of_compose_is_the_one_it_names() -> None:
    assert 'ports: ["127.0.0.1:6379:6379"]' in (ROOT / "compose.yaml").read_text()
    assert parse_redis_url("redis://localhost:6379/0").port == 6379
    assert 'limits = "redis://localhost:6379/0"' in GUIDE.section("Deployments")


def test_its_numbers_are_those_of_the_code() -> None:
    assert f"what is due within {AHEAD_SECONDS * 1000:g} ms" in GUIDE.text
    assert f"within one, of {MOST_AHEAD_SECONDS * 1000:g} ms at most" in GUIDE.text
    without = " ".join(GUIDE.section("Without Redis").split())
    settles = f"For {SETTLING_SECONDS:g} s from then on"
    assert f"{settles} its share and Redis must both grant ({SETTLING_SECONDS + 60:g} s" in without
    assert "after 1, 2, 4 and then every 8 seconds" in without  # as test_shared has it
    assert UNTOLD_PROCESSES == 10
    assert "such a process takes a tenth of the rate" in without
    assert pytest.approx(60.1) == MINUTE_SECONDS
    assert "ARGV: process, count, microseconds of a minute, capacity" in LEASE_OF_MINUTE


def test_every_command_of_the_scripts_is_one_that_the_user_may_use() -> None:
    (line,) = GUIDE.blocks("text", "The server")
    allowed = {each.removeprefix("+").upper() for each in line.split() if each.startswith("+")}
    folder = ROOT / "src/bronze_engine/limits/redis/scripts.py"
    used = {part.split("'")[0] for part in folder.read_text().split("redis.call('")[1:]}
    assert used <= allowed
    assert allowed - used == {"SELECT", "EVAL", "EVALSHA", "ZREM"}


def test_its_links_lead_somewhere() -> None:
    for link in GUIDE.links():
        name, _, anchor = link.partition("#")
        other = Document(f"docs/{name}") if name.endswith(".md") else GUIDE
        assert (GUIDE.path.parent / name).exists()
        assert not anchor or anchor in other.anchors()
