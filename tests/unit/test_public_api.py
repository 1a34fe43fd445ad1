"""The public names, what they say of themselves, what importing them costs, and the wheel."""

from __future__ import annotations

import inspect
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import bronze_engine
from bronze_engine import plugins, testing
from bronze_engine.telemetry import events

pytestmark = pytest.mark.unit

ROOT = Path(__file__).parents[2]

NAMES = [
    "SYSTEM_CLOCK",
    "AuthError",
    "Backfill",
    "BackfillReport",
    "Batch",
    "BatchReport",
    "BatchRun",
    "BatchStream",
    "BronzeError",
    "CircuitOpen",
    "Clock",
    "CommitUnknown",
    "Config",
    "ConfigError",
    "Engine",
    "EngineStatistics",
    "EntityState",
    "ExtractError",
    "GcReport",
    "History",
    "Hook",
    "Manifest",
    "Monitoring",
    "PageError",
    "PipelineStatus",
    "QualityError",
    "Reader",
    "RetryError",
    "RunPlan",
    "RunReport",
    "StateError",
    "StoreError",
    "VerifyReport",
    "__version__",
    "load_config",
    "open_engine",
    "open_monitoring",
    "open_partition",
    "open_reader",
    "open_table",
    "partition_files",
    "read_manifest",
    "read_partition",
    "stream_partition",
]
"""One that goes breaks somebody, one that comes is a promise: both need a changelog line."""

CALLABLES = [
    bronze_engine.load_config,
    bronze_engine.open_engine,
    bronze_engine.open_monitoring,
    bronze_engine.open_partition,
    bronze_engine.open_reader,
    bronze_engine.open_table,
    bronze_engine.partition_files,
    bronze_engine.read_manifest,
    bronze_engine.read_partition,
    bronze_engine.stream_partition,
    *(
        method
        for kind in (
            bronze_engine.Engine,
            bronze_engine.Batch,
            bronze_engine.BatchStream,
            bronze_engine.Config,
            bronze_engine.EntityState,
            bronze_engine.Reader,
        )
        for name, method in vars(kind).items()
        if inspect.isfunction(method) and not name.startswith("_")
    ),
]


def test_the_public_names_are_these() -> None:
    assert bronze_engine.__all__ == NAMES
    for name in NAMES:
        assert hasattr(bronze_engine, name)


def test_nothing_else_lies_in_the_root() -> None:
    names = {
        name
        for name, value in vars(bronze_engine).items()
        if not name.startswith("_") and not inspect.ismodule(value)
    }
    assert names <= set(NAMES)


@pytest.mark.parametrize("name", [name for name in NAMES if name != "__version__"])
def test_every_public_name_says_what_it_is(name: str) -> None:
    value = getattr(bronze_engine, name)
    kind = value if inspect.isclass(value) or inspect.isfunction(value) else type(value)
    text = inspect.getdoc(kind)
    assert text
    # msgspec and Protocol would give one of their own: the signature, or that of a base.
    assert kind.__doc__ is not None
    assert not text.startswith(f"{name}(")


@pytest.mark.parametrize("function", CALLABLES, ids=lambda function: function.__qualname__)
def test_every_public_function_says_what_it_does(function: object) -> None:
    text = inspect.getdoc(function)
    assert text
    assert text[0].isupper()


@pytest.mark.parametrize(
    "function",
    [
        bronze_engine.load_config,
        bronze_engine.Engine.run,
        bronze_engine.Engine.verify,
        bronze_engine.Config.pipeline,
        bronze_engine.open_reader,
        bronze_engine.read_manifest,
        bronze_engine.open_partition,
        bronze_engine.read_partition,
    ],
    ids=lambda function: function.__qualname__,
)
def test_what_raises_says_what_it_raises(function: object) -> None:
    text = inspect.getdoc(function) or ""
    assert "Error" in text.partition("Raises ")[2]


THIRD_PARTIES = {
    f"{module.__name__}.{name}": getattr(module, name)
    for module in (plugins, testing, events)
    for name in module.__all__
}


@pytest.mark.parametrize("name", THIRD_PARTIES)
def test_what_third_parties_import_says_what_it_is(name: str) -> None:
    value = THIRD_PARTIES[name]
    if not inspect.isclass(value) and not inspect.isfunction(value):
        return  # a union, an alias or a constant, told beside its definition
    if not value.__module__.startswith("bronze_engine"):
        return  # a Version is a str
    assert value.__doc__
    assert not value.__doc__.startswith(f"{value.__name__}(")


CONSUMER = """
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import date
import bronze_engine as bronze
from bronze_engine.plugins import (
    CustomSource, Decoder, Emit, Preview, Request, Resources, Secret, Slice, Source, Store,
    StoreResources,
)
from bronze_engine.telemetry.events import Event, RunFinished


class Queue(CustomSource, frozen=True, kw_only=True, tag="queue"):
    key: Secret


class Reading:
    token: str | None = None

    def preview(self) -> Preview:
        return Preview(location="queue:", first="a message", slices=())

    async def check(self) -> str:
        return "it is there"

    async def slices(self) -> AsyncIterator[Slice]:
        yield Slice(index=0, label="all")

    async def read(self, piece: Slice, emit: Emit, /) -> Slice | None:
        return None

    def decoder(self) -> Decoder:
        raise NotImplementedError


class QueueType:
    config = Queue

    @asynccontextmanager
    async def open(
        self, config: Queue, request: Request, resources: Resources, /
    ) -> AsyncIterator[Source]:
        yield Reading()

    def floor_bytes(self, config: Queue, /) -> int:
        return 1

    def slices_at_once(self, config: Queue, /) -> int:
        return 1


def told(event: Event, /) -> None:
    if isinstance(event, RunFinished):
        print(event.report.rows)


def opened(config: object, resources: StoreResources) -> AbstractAsyncContextManager[Store]:
    raise NotImplementedError


async def main(clock: bronze.Clock, hook: bronze.Hook = told) -> int:
    config: bronze.Config = bronze.load_config("pipelines.toml", structs=[Queue])
    async with bronze.open_engine(
        config, hooks=[hook], clock=clock, sources={"queue": QueueType()}, stores={"shelf": opened}
    ) as engine:
        day = date(2025, 1, 15)
        report: bronze.RunReport = await engine.run("team.orders", run_date=day)
        batch = bronze.Batch(engine, [("team.orders", day)], max_parallel=2)
        whole: bronze.BatchReport = await batch.run()
        rows = 0
        async with engine.batches("team.orders", run_date=day) as stream:
            async for each in stream:
                rows += each.num_rows
        return report.rows + len(whole.runs) + rows
"""


@pytest.mark.slow
def test_a_typed_program_of_somebody_elses_type_checks(tmp_path: Path) -> None:
    (tmp_path / "consumer.py").write_text(CONSUMER)
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--config-file", "", "consumer.py"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    assert done.stdout.startswith("Success"), done.stdout


HEAVY = {"aiobotocore", "aiohttp", "asyncpg", "azure", "httpx", "pandas", "rich", "typer", "yarl"}
"""Half a second and more together: they come with the source, the store or the command line."""


def test_importing_the_package_imports_no_client() -> None:
    code = "import bronze_engine, sys; print(*{name.partition('.')[0] for name in sys.modules})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert "pyarrow" in loaded
    assert not loaded & HEAVY


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """The names in a wheel that is built from the checkout."""
    folder = tmp_path_factory.mktemp("wheel")
    # The build backend itself: environments that uv has made hold no pip.
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)],
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    [built] = folder.iterdir()
    assert built.name == f"bronze_engine-{bronze_engine.__version__}-py3-none-any.whl"
    with zipfile.ZipFile(built) as archive:
        return set(archive.namelist())


def test_the_wheel_holds_the_package_and_what_it_reads(wheel: set[str]) -> None:
    source = {
        str(path.relative_to(ROOT / "src"))
        for path in (ROOT / "src/bronze_engine").rglob("*")
        if path.is_file() and path.suffix != ".pyc"
    }
    assert {"bronze_engine/py.typed", "bronze_engine/demo/pipelines.toml"} <= source
    assert {name for name in wheel if ".dist-info/" not in name} == source | {"bronze_command.py"}


def test_the_wheel_holds_the_licence_and_the_command(wheel: set[str]) -> None:
    information = {name.partition(".dist-info/")[2] for name in wheel if ".dist-info/" in name}
    assert {"METADATA", "entry_points.txt", "licenses/LICENSE"} <= information
