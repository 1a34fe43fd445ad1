"""A wrong configuration ends with CFG001 and status 2 before anything is sent or written."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from tests.integration.cli.command import (
    DATE,
    PIPELINE,
    Bronze,
    in_background,
    paged,
    shop,
    tree,
    url_of,
)

pytestmark = pytest.mark.integration


class Wrong(msgspec.Struct, frozen=True):
    """A fault, and what its message must hold."""

    text: str = ""
    """Added to the file."""
    options: tuple[str, ...] = ()
    says: tuple[str, ...] = ()
    name: str = PIPELINE


HTTP = '[pipelines.team.two.source]\ntype = "http"\napi = "shop"\npath = "/x"\n'
BOTH = '[apis.shop.auth]\ntype = "bearer"\ntoken = "one-two-three"\nusername = "me"\n'

WRONG = {
    "wrong type": Wrong(
        options=("--set", "source.paginator.page_size=many"),
        says=("pipelines.team.orders.source.paginator.page_size", "whole number"),
    ),
    "unknown key": Wrong(
        text='[pipelines.team.orders.output]\ncompresion = "zstd"\n',
        says=("pipelines.team.orders.output.compresion", 'did you mean "compression"'),
    ),
    "unknown table": Wrong(text="[pipeline.x]\n", says=("pipeline", 'did you mean "pipelines"')),
    "unknown key of --set": Wrong(
        options=("--set", "source.pth=/y"),
        says=("pipelines.team.orders.source.pth", 'did you mean "path"'),
    ),
    "--set without a value": Wrong(
        options=("--set", "source.path"), says=("`source.path` is no assignment",)
    ),
    "missing variable": Wrong(
        text='[apis.shop.headers]\nX-Key = "${NOWHERE_SET}"\n',
        says=("apis.shop.headers.X-Key", "NOWHERE_SET"),
    ),
    "missing secret file": Wrong(
        text='[apis.shop.headers]\nX-Key = "${file:nowhere}"\n',
        says=("apis.shop.headers.X-Key", "nowhere"),
    ),
    "../ in a name": Wrong(
        text='[pipelines."team.../../etc"]\nextends = "team.orders"\n', says=("team.../../etc",)
    ),
    "../ in system": Wrong(
        options=("--set", "system=../up"), says=("pipelines.team.orders.system", "../up")
    ),
    "bad date": Wrong(options=("--date", "2025-02-30"), says=("--date", "2025-02-30")),
    "date with a time": Wrong(options=("--date", "2025-02-03T00:00"), says=("YYYY-MM-DD",)),
    "negative rate": Wrong(
        options=("--set", "apis.shop.rate_limit.rps=-1"),
        says=("apis.shop.rate_limit.rps", "above 0", "-1"),
    ),
    "both auths": Wrong(text=BOTH, says=("apis.shop.auth", "username")),
    "two pipelines at one place": Wrong(
        text='[pipelines.team.two]\nentity = "orders"\n' + HTTP,
        says=("team/orders", "pipelines.team.two"),
    ),
    "a pipeline twice": Wrong(
        text=f'[pipelines."{PIPELINE}"]\n' + HTTP.replace("team.two", f'"{PIPELINE}"'),
        says=(PIPELINE,),
    ),
    "a table twice": Wrong(text="[engine]\n", says=("engine",)),
    "no TOML": Wrong(text="= 3\n", says=("pipelines.toml",)),
    "unknown pipeline": Wrong(
        name="team.order", says=('"team.order"', 'did you mean "team.orders"')
    ),
    "missing file": Wrong(
        options=("--config", "nowhere.toml"), says=("nowhere.toml", "bronze init")
    ),
    "a wait that is none": Wrong(options=("--wait", "soon"), says=("--wait", "soon")),
    "a log file that can't be": Wrong(
        options=("--log-file", "nowhere/x.log"), says=("--log-file nowhere/x.log",)
    ),
    "unknown timezone": Wrong(
        options=("--set", "engine.timezone=Europe/Nowhere"), says=("engine.timezone",)
    ),
}


@pytest.mark.parametrize("fault", WRONG)
def test_cfg001_exit_2_and_nothing_is_sent(fault: str, bronze: Bronze) -> None:
    wrong = WRONG[fault]
    shop(bronze.folder, wrong.text)
    date = () if "--date" in wrong.options else ("--date", DATE)
    with in_background(paged([{"id": 1}])) as server:
        where = () if fault in ("no TOML", "a table twice") else url_of(server)
        ran = bronze("run", wrong.name, *date, *where, *wrong.options)
        assert server.connections == 0
    assert ran.status == 2, ran.err
    assert ran.out == ""
    assert len(ran.errors) == 1
    assert ran.errors[0].startswith("CFG001 ")
    for text in wrong.says:
        assert text in ran.errors[0]
    assert not (bronze.folder / "lake").exists()
    assert "Traceback" not in ran.err


def test_all_faults_of_a_file_are_told_at_once(bronze: Bronze) -> None:
    shop(bronze.folder, "[pipelines.team.orders.output]\ncompresion = 1\nmax_rows_per_file = 0\n")
    (error,) = bronze("run", PIPELINE).errors
    assert "compresion" in error
    assert "max_rows_per_file" in error


def test_a_command_line_that_is_none_prints_its_usage(bronze: Bronze) -> None:
    for arguments in (["bogus"], ["run"], ["run", PIPELINE, "--bogus"]):
        ran = bronze(*arguments)
        assert (ran.status, ran.out) == (2, "")
        assert ran.err.startswith("Usage: ")
    assert tree(bronze.folder) == {}


def test_the_config_is_found_by_the_variable(
    bronze: Bronze, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop(tmp_path)
    (tmp_path / "pipelines.toml").rename(tmp_path / "mine.toml")
    monkeypatch.setenv("BRONZE_CONFIG", "mine.toml")
    assert PIPELINE in bronze.well("list").out


def test_the_environment_and_dotenv_have_their_say(
    bronze: Bronze, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop(bronze.folder, '[pipelines.team.orders.source.params]\nday = "${DAY:-none}"\n')
    (bronze.folder / ".env").write_text("DAY=monday\nBRONZE_TARGET_ROOT=from-dotenv\n")
    monkeypatch.setenv("BRONZE_TARGET_ROOT", str(bronze.folder / "elsewhere"))
    monkeypatch.setenv("BRONZE_API_RPS", "250")
    with in_background(paged([{"id": 1}])) as server:
        ran = bronze.well("run", PIPELINE, "--date", DATE, "--json", *url_of(server))
        assert {seen.query["day"] for seen in server.seen} == {"monday"}
        plan = bronze.well("plan", PIPELINE, "--json", *url_of(server)).json
    assert ran.json["partition"] == f"{bronze.folder}/elsewhere/team/orders/dt={DATE}"
    assert plan["limits"]["rate"].startswith("250")
