"""`bronze tune` and `bronze run --profile` as people type them."""

from __future__ import annotations

import signal
import tomllib
from typing import Any

import pytest

from bronze_engine.clock import SYSTEM_CLOCK
from bronze_engine.config.loading.merge import merge
from bronze_engine.inspection.toml import render
from tests.integration.cli.command import (
    DATE,
    PIPELINE,
    Bronze,
    in_background,
    paged,
    shop,
    start,
    tree,
    url_of,
)
from tests.integration.http_server import Seen, answer
from tests.measuring import measured

pytestmark = pytest.mark.integration

SIZED = """
[pipelines.team.orders.source.paginator]
size_param = "size"
page_size = 20
total_path = "total"
"""
TUNE = ("tune", PIPELINE, "--date", DATE, "--seconds", "0.2", "--rounds", "1")


async def endless(seen: Seen, _: object) -> bytes:
    page, size = int(seen.query.get("page", 1)), min(80, int(seen.query.get("size", 20)))
    await SYSTEM_CLOCK.sleep(0.02)  # so that larger pages are faster on any machine
    rows = [{"id": page * 1000 + at, "name": f"n{at}"} for at in range(size)]
    return answer({"data": rows, "total": 10**9})


def sized(folder: Any) -> None:
    shop(folder)
    path = folder / "pipelines.toml"
    source = 'path = "/x"\n'
    text = path.read_text().replace(source, f'{source}records = "data"\n')
    path.write_text(text + SIZED.split("\n", 2)[2])  # the table stands there already


@measured
def test_what_is_printed_is_pasted_and_loads(bronze: Bronze) -> None:
    sized(bronze.folder)
    with in_background(endless) as server:
        ran = bronze.well(
            *TUNE,
            "--json",
            "--plot",
            "tune.svg",
            *url_of(server),
            "--set",
            "apis.shop.concurrency=1",
        )
        report = ran.json
        assert report["configured"]["rows_per_second"] > 0
        path = bronze.folder / "pipelines.toml"
        pasted = merge(tomllib.loads(path.read_text()), tomllib.loads(report["toml"]))
        path.write_text(render(pasted))
        listed = bronze.well("plan", PIPELINE, "--date", DATE, "--json", *url_of(server))
    size = pasted["pipelines"]["team"]["orders"]["source"]["paginator"]["page_size"]
    assert size in (40, 80)
    assert f"size={size}" in listed.json["first"]
    assert (bronze.folder / "tune.svg").read_text().startswith("<?xml")
    assert not list((bronze.folder / "lake").rglob("*.*"))  # nothing has landed


def test_curves_bounds_and_toml_are_printed(bronze: Bronze) -> None:
    sized(bronze.folder)
    with in_background(endless) as server:
        ran = bronze.well(*TUNE, *url_of(server))
    lines = ran.out.splitlines()
    assert "  records a page" in lines
    assert any(line.startswith("As configured: ") and "rows/s" in line for line in lines)
    assert max(map(len, lines[: lines.index("  records a page") + 6])) <= 80


def test_a_source_with_little_to_read_says_so(bronze: Bronze) -> None:
    shop(bronze.folder)
    with in_background(paged([{"id": 1}], [{"id": 2}])) as server:
        ran = bronze(*TUNE, *url_of(server))
        assert ran.status == 4
        assert "3 pages are all that there is" in ran.errors[0]
    with in_background(paged()) as server:
        ran = bronze(*TUNE, *url_of(server))
    assert ran.status == 4
    assert "--date" in ran.errors[0]


def test_a_picture_of_another_kind_is_refused_before_a_request(bronze: Bronze) -> None:
    shop(bronze.folder)
    with in_background(paged([{"id": 1}])) as server:
        ran = bronze(*TUNE, "--plot", "tune.pdf", *url_of(server))
        assert not server.seen
    assert ran.status == 2
    assert ".png or .svg" in ran.errors[0]


def test_ctrl_c_leaves_nothing(bronze: Bronze) -> None:
    sized(bronze.folder)
    with in_background(endless) as server:
        arguments = ("tune", PIPELINE, "--date", DATE, "--seconds", "60", *url_of(server))
        with start(["-m", "bronze_engine", *arguments], bronze.folder) as process:
            while len(server.seen) < 30:
                assert process.poll() is None
            process.send_signal(signal.SIGINT)
            assert process.wait(10) == 130
    assert [path for path in tree(bronze.folder) if path.startswith("lake/")] == []


def test_a_profile_is_printed_and_stands_in_the_report(bronze: Bronze) -> None:
    shop(bronze.folder)
    pages = [[{"id": page * 100 + at} for at in range(50)] for page in range(5)]
    with in_background(paged(*pages)) as server:
        told = bronze.well("run", PIPELINE, "--date", DATE, "--profile", *url_of(server)).out
        report = bronze.well("run", PIPELINE, "--date", DATE, "--json", *url_of(server)).json
    heads = next(line for line in told.splitlines() if line.startswith("stage"))
    assert heads.split() == ["stage", "jobs", "work", "s", "CPU", "s", "wait", "s", "busy", "queue"]
    stages = {each["stage"]: each for each in report["profile"]["stages"]}
    assert stages["fetch"]["jobs"] == 6  # the empty one, too
    assert {"split", "decode", "encode", "hash", "upload", "commit"} <= stages.keys()
    assert report["profile"]["verdict"]["bound"]
    assert ("Bounded by" in told) or ("too short to tell" in told)
