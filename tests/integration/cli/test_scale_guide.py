"""docs/scale.md: its manifest and its DAG run the commands that they show, over a real server."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any, final

import pytest
import yaml  # type: ignore[import-untyped]

from bronze_engine import errors
from tests.documents import GUIDE, ROOT, Document
from tests.integration.cli.command import Bronze, environment, in_background
from tests.integration.http_server import Seen, Server, answer

pytestmark = pytest.mark.integration

SCALE = Document("docs/scale.md")
NAMES = [f"team.t{number}" for number in range(4)]
NEVER = {2, 3, 8, 70}

TABLES = """\
[engine]
target = "lake"
[apis.shop]
base_url = "http://127.0.0.1:1"
retry = { attempts = 1 }
"""


def manifest() -> Any:
    (block,) = SCALE.blocks("yaml", "Kubernetes")
    return yaml.safe_load(block)


@contextmanager
def shop(folder: Path, broken: set[str], asked: list[str]) -> Iterator[Server]:
    async def handle(seen: Seen, _: object) -> bytes:
        asked.append(seen.path)
        if seen.path in broken:
            broken.remove(seen.path)
            return answer(status=404)
        return answer([{"id": 1}])

    with in_background(handle) as server:
        text = TABLES.replace("http://127.0.0.1:1", server.url)
        for name in NAMES:
            text += f'[pipelines.{name}]\nsource = {{ type = "http", api = "shop", '
            text += f'path = "/{name}", params = {{ day = "{{run_date}}" }} }}\n'
        (folder / "pipelines.toml").write_text(text)
        yield server


def test_a_pod_runs_its_share_and_once_more_what_is_missing(tmp_path: Path) -> None:
    pod = manifest()["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert pod["restartPolicy"] == "Never"  # podFailurePolicy needs it
    asked: list[str] = []
    with shop(tmp_path, {"/team.t0"}, asked):
        done = subprocess.run(
            [*container["command"], *container["args"]],
            cwd=tmp_path,
            env=environment(
                JOB_COMPLETION_INDEX="0",
                SHARDS="1",
                PATH=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            ),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert done.returncode == 0, done.stderr
    assert sorted(asked) == sorted([*(f"/{name}" for name in NAMES), "/team.t0"])
    assert len(list(tmp_path.glob("lake/team/*/dt=*/_metadata.json"))) == len(NAMES)


def test_the_manifest_gives_up_what_no_retry_mends() -> None:
    spec = manifest()["spec"]
    never, drained = spec["podFailurePolicy"]["rules"]
    assert never["action"] == "FailIndex"  # which only a job with backoffLimitPerIndex may have
    assert spec["backoffLimitPerIndex"] > 0
    assert set(never["onExitCodes"]["values"]) == NEVER == no_retry_mends()
    assert drained["action"] == "Ignore"
    (container,) = spec["template"]["spec"]["containers"]
    shards = {each["name"]: each["value"] for each in container["env"]}["SHARDS"]
    assert spec["completionMode"] == "Indexed"
    assert int(shards) == spec["completions"]


def no_retry_mends() -> set[int]:
    """By the table of docs/operations.md."""
    rows = re.findall(r"^\| (\d+) \|[^|]*\|[^|]*\| ([^|]*) \|", GUIDE.text, re.MULTILINE)
    return {int(status) for status, retry in rows if retry.strip("* ").startswith(("never", "no"))}


@final
class FailForGoodError(Exception):
    """Stands in for AirflowFailException."""


class Task:
    """Stands in for what `task` makes of a function."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        return self.function(*arguments, **named)

    def expand(self, *, shard: list[str]) -> list[str]:
        for each in shard:
            self.function(shard=each, ds="2025-01-15")
        return shard


def decorator(*functions: Callable[..., Any], **_: Any) -> Any:
    return Task(functions[0]) if functions else Task


@pytest.fixture
def airflow(monkeypatch: pytest.MonkeyPatch) -> None:
    """As much of Airflow as the DAG asks for; the real one has a hundred dependencies."""
    sdk, exceptions = ModuleType("airflow.sdk"), ModuleType("airflow.exceptions")
    vars(sdk).update(dag=decorator, task=decorator)
    vars(exceptions).update(AirflowFailException=FailForGoodError)
    for module in (ModuleType("airflow"), sdk, exceptions):
        monkeypatch.setitem(sys.modules, module.__name__, module)


def dag(run: Callable[..., int]) -> dict[str, Any]:
    """The names of the DAG's file, with `run` in place of starting a process."""
    (block,) = SCALE.blocks("python", "Airflow")
    names: dict[str, Any] = {}
    head, call = block.rsplit("\n\n", 1)
    exec(head.replace("SHARDS = 100", "SHARDS = 2"), names)  # noqa: S102  # what the guide shows
    names["program"] = names["bronze_batch"]
    names["bronze_batch"] = run
    exec(call, names)  # noqa: S102
    return names


@pytest.mark.usefixtures("airflow")
def test_the_dag_runs_every_share_and_once_more_what_is_missing(
    bronze: Bronze, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def run(*options: str) -> int:
        return bronze("batch", *options, "--wait", "60s", "--json-log").status

    with shop(bronze.folder, {"/team.t1"}, asked):
        names = dag(run)
    assert sorted(asked) == sorted([*(f"/{name}" for name in NAMES), "/team.t1"])
    assert len(list(bronze.folder.glob("lake/team/*/dt=2025-01-15/_metadata.json"))) == len(NAMES)
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent))
    assert names["program"]("--help") == 0


@pytest.mark.usefixtures("airflow")
@pytest.mark.parametrize("status", [0, *sorted(NEVER), 4, 5, 6, 7, 9, 130])
def test_a_task_fails_for_good_where_no_retry_can_help(status: int) -> None:
    land = dag(lambda *_: 0)["land"]
    land.function.__globals__["bronze_batch"] = lambda *_: status
    if status == 0:
        land(shard="0/2", ds="2025-01-15")
        return
    with pytest.raises(FailForGoodError if status in NEVER else RuntimeError, match=str(status)):
        land(shard="0/2", ds="2025-01-15")


def test_commands_of_dask_are_those_that_it_has() -> None:
    install, *daemons, batch = map(shlex.split, SCALE.blocks("sh", "Dask")[0].splitlines())
    assert install == ["pip", "install", "bronze-engine[dask]"]
    for program, command, *arguments in daemons:
        tool = Path(sys.executable).parent / program
        done = subprocess.run(
            [tool, command, "--help"], capture_output=True, text=True, timeout=60, check=True
        )
        assert all(each in done.stdout for each in arguments if each.startswith("--"))
    assert batch[:2] == ["bronze", "batch"]


def test_every_link_leads_somewhere() -> None:
    for link in SCALE.links():
        path, _, anchor = link.partition("#")
        target = SCALE.path.parent / path if path else SCALE.path
        assert target.exists(), link
        if anchor:
            assert anchor in Document(str(target.resolve().relative_to(ROOT))).anchors(), link


def test_exit_codes_are_those_of_the_package() -> None:
    assert {errors.ConfigError.exit_code, errors.AuthError.exit_code} < NEVER
    assert errors.QualityError.exit_code in NEVER
    assert errors.BronzeError.exit_code in NEVER
