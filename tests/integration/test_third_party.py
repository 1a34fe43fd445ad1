"""The worked third-party package: built, installed, checked by its own tests, and run."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest

from bronze_engine import ConfigError, load_config, open_engine, read_partition
from bronze_engine.config.loading.describe import json_schema

pytestmark = pytest.mark.integration

PACKAGE = Path(__file__).parents[2] / "examples/third_party"
DAY = date(2025, 1, 15)
LANDED = "mail/messages/dt=2025-01-15"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of installed packages with this one in it, as `pip install --target` leaves it."""
    folder = tmp_path_factory.mktemp("site")
    wheels = tmp_path_factory.mktemp("wheels")
    # The build backend itself: environments that uv has made hold no pip.
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(wheels)],
        cwd=PACKAGE,
        capture_output=True,
        check=True,
    )
    [wheel] = wheels.iterdir()
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
    return folder


def python(site: Path, *arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(site), "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


@pytest.fixture
def project(tmp_path: Path) -> Path:
    shutil.copy(PACKAGE / "pipelines.toml", tmp_path)
    shutil.copytree(PACKAGE / "mail", tmp_path / "mail")
    return tmp_path


def bronze(
    site: Path, project: Path, *arguments: str, exit_code: int = 0
) -> subprocess.CompletedProcess[str]:
    done = python(site, "-m", "bronze_engine", *arguments, folder=project)
    assert done.returncode == exit_code, done.stderr
    return done


@pytest.mark.slow
def test_its_own_tests_pass(site: Path) -> None:
    done = python(site, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests", folder=PACKAGE)
    assert done.returncode == 0, done.stdout
    assert " passed" in done.stdout


def test_a_run_lands_its_source_in_its_store(site: Path, project: Path) -> None:
    done = bronze(site, project, "run", "mail.messages", "--date", "2025-01-15", "--json")
    assert json.loads(done.stdout)["rows"] == 2
    rows = read_partition(project / "bronze", "mail.messages", run_date=DAY)
    first, second = rows.to_pylist()
    assert first["subject"] == "The engine"
    assert first["text"] == "It weaves algebraical patterns.\nFrom here on it is up to us.\n\n"
    assert second["recipients"] == "ada@example.com, alan@example.com"
    [line] = (project / "commits.ndjson").read_text().splitlines()
    assert json.loads(line) == {"partition": LANDED, "generation": 1, "rows": 2}
    left = [path.name for path in (project / "bronze").rglob(".*")]
    assert left == []


def test_a_check_asks_it(site: Path, project: Path) -> None:
    checked = bronze(site, project, "check", "mail.messages", "--json")
    assert "1 mailboxes in" in checked.stdout


@pytest.fixture
def installed(site: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The package, importable in this process."""
    monkeypatch.syspath_prepend(str(site))
    yield
    for name in [name for name in sys.modules if name.partition(".")[0] == "bronze_mailbox"]:
        del sys.modules[name]


@pytest.mark.asyncio
@pytest.mark.usefixtures("installed")
async def test_a_plan_says_where_it_reads(project: Path) -> None:
    async with open_engine(load_config(project / "pipelines.toml")) as engine:
        plan = await engine.plan("mail.messages", run_date=DAY)
    assert str(project / "mail/*.mbox") in repr(plan)


@pytest.mark.asyncio
@pytest.mark.usefixtures("installed")
async def test_readers_find_its_store(project: Path) -> None:
    config = load_config(project / "pipelines.toml")
    async with open_engine(config) as engine:
        await engine.run("mail.messages", run_date=DAY)
    rows = await asyncio.to_thread(  # noqa: TID251  # a reader blocks
        read_partition, config.store("lake"), "mail.messages", run_date=DAY
    )
    assert rows.num_rows == 2
    again = (project / "commits.ndjson").read_text().splitlines()
    assert len(again) == 1


@pytest.mark.usefixtures("installed")
def test_the_schema_knows_its_tables() -> None:
    definitions = json_schema()["$defs"]
    assert definitions["MboxConfig"]["properties"]["at_once"]["default"] == 4
    store = definitions["AnnouncedConfig"]["properties"]
    assert store["store"]["type"] == "string"
    assert "name" not in store


FAULTS = [
    ('folder = "mail"', 'foldr = "mail"', 'foldr: unknown key; did you mean "folder"?'),
    ('type = "mbox"', 'type = "mbx"', 'unknown type "mbx"; did you mean "mbox"?'),
    ('folder = "mail"', 'folder = "mail"\npattern = "a/b"', "pattern: is of names within"),
    ('store = "disk"', 'store = "disc"', 'there is no store "disc"; did you mean "disk"?'),
    ('store = "disk"', 'store = "lake"', "lies within itself: lake -> lake"),
    ('store = "disk"', "", "store: missing; it names an entry of [stores]"),
]


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize(("old", "new", "says"), FAULTS)
def test_its_faults_are_told_as_our_own(project: Path, old: str, new: str, says: str) -> None:
    file = project / "pipelines.toml"
    file.write_text(file.read_text().replace(old, new))
    with pytest.raises(ConfigError) as caught:
        load_config(file).pipeline("mail.messages")
    assert says in str(caught.value)


def test_without_the_package_the_type_is_unknown(project: Path) -> None:
    with pytest.raises(ConfigError, match='unknown type "announced"'):
        load_config(project / "pipelines.toml").pipeline("mail.messages")
