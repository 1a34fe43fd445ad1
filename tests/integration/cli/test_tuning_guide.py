"""docs/tuning.md: its commands and its Python are run over the pipeline that it shows."""

from __future__ import annotations

import asyncio
import shlex
import tomllib
from typing import Any, get_args

import pytest

from bronze_engine.model.profile import Bound, Stage
from bronze_engine.tune import TuneBounds
from tests.documents import Document
from tests.integration.cli.command import Bronze, in_background
from tests.integration.http_server import Seen, answer
from tests.measuring import measured

TUNING = Document("docs/tuning.md")
QUICK = ("--seconds", "0.1", "--rounds", "1")


async def handle(seen: Seen, _: object) -> bytes:
    """An API at some distance: larger pages bring more, on whatever machine that is."""
    await asyncio.sleep(0.02)  # noqa: TID251  # the server's own pace
    page, size = int(seen.query.get("page", 1)), min(100, int(seen.query["page_size"]))
    rows = [{"id": page * 1000 + at, "name": f"n{at}"} for at in range(size)]
    return answer({"data": rows, "total": 10**9})


@pytest.mark.slow
@pytest.mark.integration
@measured
def test_what_the_guide_shows_is_what_happens(
    bronze: Bronze, monkeypatch: pytest.MonkeyPatch
) -> None:
    (toml,) = TUNING.blocks("toml")
    path = bronze.folder / "pipelines.toml"
    path.write_text(toml)
    (commands,) = TUNING.blocks("sh")
    with in_background(handle) as server:
        monkeypatch.setenv("SHOP_URL", server.url)
        for line in commands.splitlines():
            program, *arguments = shlex.split(line)
            assert program == "bronze"
            report = bronze.well(*arguments, *QUICK, "--json").json
            assert report["requests"] <= 5000
            assert {each["name"] for each in report["curves"]} >= {"page_size", "concurrency"}
        (python,) = TUNING.blocks("python")
        names: dict[str, Any] = {}
        exec(python, names)  # noqa: S102  # what the guide shows
        told = asyncio.run(names["tuned"](str(path)))
    assert tomllib.loads(told)["pipelines"]["myteam"]["orders"]["source"]["paginator"]
    assert (bronze.folder / "tune.png").read_bytes().startswith(b"\x89PNG")
    assert not list((bronze.folder / "bronze").rglob("*.parquet"))


@pytest.mark.unit
def test_the_guide_names_every_stage_and_every_bound() -> None:
    stages = TUNING.section("Reading a profile")
    assert all(f"| `{stage}` |" in stages for stage in get_args(Stage))
    bounds = TUNING.section("What bounds a run")
    names = {"decode": "decode CPU", "encode": "Parquet CPU"}
    for bound in get_args(Bound):
        assert bound == "nothing" or names.get(bound, bound) in bounds


@pytest.mark.unit
def test_the_guide_tells_the_defaults_of_the_code() -> None:
    assert f"({TuneBounds().requests:,} where nothing is said" in TUNING.text


@pytest.mark.unit
def test_links_lead_somewhere() -> None:
    for link in TUNING.links():
        name, _, anchor = link.partition("#")
        assert not name
        assert anchor in TUNING.anchors()


@pytest.mark.unit
def test_lines_are_no_longer_than_elsewhere() -> None:
    assert max(map(len, TUNING.text.splitlines())) <= 140
