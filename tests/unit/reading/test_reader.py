"""What was committed is what is read: on a directory, and through any store."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from datetime import UTC, date, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.dataset as ds
import pytest

from bronze_engine import (
    ConfigError,
    Reader,
    StateError,
    load_config,
    open_partition,
    open_reader,
    partition_files,
    read_manifest,
    read_partition,
    stream_partition,
)
from bronze_engine.config.stores.store import StoreConfig
from bronze_engine.model.manifest_json import decode_manifest, encode_manifest
from bronze_engine.model.part import ANY
from bronze_engine.reading import committed, portions
from bronze_engine.store.memory import MemoryStore
from tests.unit.reading.landed import (
    DAY,
    FILES,
    LATE,
    NAME,
    PARTITION,
    ROWS,
    Interrupted,
    land,
    land_in,
    lending,
    local,
    table_of,
)

pytestmark = pytest.mark.unit

OpenReader = Callable[[], AbstractContextManager[Reader]]


@pytest.fixture(params=["directory", "store"])
def landed(request: pytest.FixtureRequest, tmp_path: Path) -> OpenReader:
    """A target with one committed partition: on disk, and in memory behind the contract."""
    if request.param == "directory":
        asyncio.run(land_in(local(tmp_path), 1))
        return lambda: open_reader(tmp_path / "lake")
    store = MemoryStore()
    asyncio.run(land(store, 1))
    return lambda: open_reader(local(tmp_path), stores=lending(store))


@pytest.fixture
def reader(landed: OpenReader) -> Iterator[Reader]:
    with landed() as reader:
        yield reader


EXPECTED = pa.concat_tables(
    [table_of(1, number) for number in range(FILES)], promote_options="default"
)


def test_a_dataset_holds_exactly_the_committed_rows(reader: Reader) -> None:
    orders = reader.open_partition(NAME, DAY)
    assert isinstance(orders, ds.Dataset)
    assert orders.schema == EXPECTED.schema
    assert orders.to_table().equals(EXPECTED)
    assert orders.count_rows() == len(EXPECTED)
    assert orders.to_table(columns=["id"], filter=ds.field("id") >= 550)["id"].to_pylist() == [
        *range(550, 600)
    ]
    assert orders.head(3).equals(EXPECTED.slice(0, 3))


def test_a_column_that_a_file_lacks_is_null_there(reader: Reader) -> None:
    late = reader.open_partition(NAME, DAY).to_table(columns=[LATE])[LATE]
    assert late.slice(0, ROWS).null_count == ROWS
    assert late.slice(ROWS).null_count == 0


def test_a_table_is_whole_or_what_was_asked_for(reader: Reader) -> None:
    assert reader.read_partition(NAME, DAY).equals(EXPECTED)
    some = reader.read_partition(
        NAME, DAY, columns=("text", LATE), filter=ds.field(LATE) == "late 7"
    )
    assert some.column_names == ["text", LATE]
    assert some["text"].to_pylist() == ["row 7 of 1", "row 7 of 1"]


def test_a_stream_has_the_same_rows_in_the_same_order(reader: Reader) -> None:
    stream = reader.stream_partition(NAME, DAY)
    assert stream.schema == EXPECTED.schema
    assert pa.Table.from_batches(list(stream), stream.schema).equals(EXPECTED)
    some = reader.stream_partition(NAME, DAY, columns=["id"], filter=ds.field("id") < 3)
    assert some.schema.names == ["id"]
    assert some.read_all()["id"].to_pylist() == [0, 1, 2]
    assert reader.stream_partition(NAME, DAY, filter=ds.field("id") < 0).read_all().num_rows == 0


def test_a_stream_goes_by_row_groups_where_a_file_has_many(
    reader: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(portions, "PIECE_ROWS", 110)
    held: list[int] = []

    class Noting(ds.FileSystemDataset):
        def to_table(self, *args: Any, **options: Any) -> pa.Table:
            table = super().to_table(*args, **options)
            held.append(table.num_rows)
            return table

    monkeypatch.setattr(portions, "ds", SimpleNamespace(FileSystemDataset=Noting))
    stream = reader.stream_partition(NAME, DAY)
    assert pa.Table.from_batches(list(stream), stream.schema).equals(EXPECTED)
    assert held == [400, 200]  # six pieces of two row groups each, four at a time


@pytest.mark.parametrize(
    ("rows", "sizes", "pieces"),
    [
        ([], [], []),
        ([60, 60, 60], [1, 1, 1], [[0], [1], [2]]),
        ([50, 50, 50], [1, 1, 1], [[0, 1], [2]]),
        ([10, 10, 10], [60, 40, 1], [[0, 1], [2]]),
        ([500, 1, 1], [1, 1, 1], [[0], [1, 2]]),
    ],
)
def test_row_groups_are_joined_to_pieces(
    rows: list[int], sizes: list[int], pieces: list[list[int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(portions, "PIECE_ROWS", 100)
    monkeypatch.setattr(portions, "PIECE_BYTES", 100)
    groups = [
        SimpleNamespace(id=at, num_rows=of_rows, total_byte_size=of_bytes)
        for at, (of_rows, of_bytes) in enumerate(zip(rows, sizes, strict=True))
    ]
    assert list(portions._joined(groups)) == pieces


def test_files_are_told_with_their_whole_place(reader: Reader, tmp_path: Path) -> None:
    manifest = reader.read_manifest(NAME, DAY)
    assert (manifest.run, manifest.row_count) == ("run-1", FILES * ROWS)
    expected = [f"{tmp_path}/lake/{PARTITION}/{file.name}" for file in manifest.files]
    assert list(reader.partition_files(NAME, DAY)) == expected
    opened = reader.open_partition(NAME, DAY)
    assert isinstance(opened, ds.FileSystemDataset)
    assert opened.files == expected


def test_no_rows_are_an_empty_dataset_with_the_columns(tmp_path: Path) -> None:
    store = MemoryStore()
    manifest = asyncio.run(land(store, 1))
    none = msgspec.structs.replace(manifest, files=(), row_count=0)
    unknown = msgspec.structs.replace(none, arrow_schema="", schema=())
    for written, schema in ((none, EXPECTED.schema), (unknown, pa.schema([]))):
        key = f"{PARTITION}/_metadata.json"
        asyncio.run(store.put(key, encode_manifest(written), expect=ANY))
        with open_reader(local(tmp_path), stores=lending(store)) as reader:
            assert reader.open_partition(NAME, DAY).schema == schema
            assert reader.open_partition(NAME, DAY).to_table().num_rows == 0
            assert reader.read_partition(NAME, DAY).schema == schema
            assert reader.stream_partition(NAME, DAY).read_all().schema == schema
            assert reader.partition_files(NAME, DAY) == ()


def test_what_was_not_committed_is_a_state_error(reader: Reader) -> None:
    for read in (
        reader.read_manifest,
        reader.open_partition,
        reader.read_partition,
        reader.stream_partition,
        reader.partition_files,
    ):
        with pytest.raises(StateError, match=r"STATE001 .*nothing was committed there"):
            read(NAME, date(2025, 1, 16))
        with pytest.raises(StateError, match="nothing was committed there"):
            read("shop.customers", DAY)
    with pytest.raises(StateError, match=r"the date, or run the pipeline for that date"):
        reader.read_manifest("shop.customers", DAY)


def test_a_table_that_was_not_made_is_told_as_one(reader: Reader) -> None:
    with pytest.raises(StateError, match=r"name .*dt=YYYY-MM-DD.*table .`bronze silver`"):
        reader.at("silver/shop/orders").manifest()


def test_a_void_partition_is_as_good_as_none(tmp_path: Path) -> None:
    store = MemoryStore()
    manifest = asyncio.run(land(store, 1, files=0))
    void = encode_manifest(msgspec.structs.replace(manifest, status="void"))
    asyncio.run(store.put(f"{PARTITION}/_metadata.json", void, expect=ANY))
    with (
        open_reader(local(tmp_path), stores=lending(store)) as reader,
        pytest.raises(StateError, match="is void: nothing was committed there"),
    ):
        reader.open_partition(NAME, DAY)


def test_a_missing_or_cut_file_is_told_before_anything_is_read(tmp_path: Path) -> None:
    asyncio.run(land_in(local(tmp_path), 1))
    file = Path(partition_files(tmp_path / "lake", NAME, DAY)[1])
    whole = file.read_bytes()
    file.write_bytes(whole[:-1])
    with pytest.raises(StateError, match=rf"{file} has {len(whole) - 1} bytes, although gen"):
        open_partition(tmp_path / "lake", NAME, DAY)
    file.unlink()
    with pytest.raises(StateError, match=rf"{file} is missing, although generation 1 names it"):
        read_partition(tmp_path / "lake", NAME, DAY)


def test_a_manifest_can_not_lead_out_of_the_target(tmp_path: Path) -> None:
    manifest = asyncio.run(land_in(local(tmp_path), 1))
    file = msgspec.structs.replace(manifest.files[0], name="../../../../secret.parquet")
    evil = encode_manifest(msgspec.structs.replace(manifest, files=(file,)))
    (tmp_path / "secret.parquet").write_bytes(b"x" * file.size_bytes)
    (tmp_path / "lake" / PARTITION / "_metadata.json").write_bytes(evil)
    with pytest.raises(Exception, match="begins with a dot"):
        open_partition(tmp_path / "lake", NAME, DAY)


def test_more_files_than_are_held_open_are_read_all_the_same(
    reader: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(committed, "HELD_FILES", 1)
    assert reader.read_partition(NAME, DAY).equals(EXPECTED)
    assert reader.stream_partition(NAME, DAY).read_all().equals(EXPECTED)


# How a target and a name are written.


@pytest.fixture
def lake(tmp_path: Path) -> Path:
    asyncio.run(land_in(local(tmp_path), 1))
    return tmp_path / "lake"


def test_a_target_is_a_path_a_text_or_a_store(
    lake: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    store: StoreConfig = local(tmp_path)
    for target in (lake, str(lake), "lake", "./lake", store):
        assert read_manifest(target, NAME, DAY).run == "run-1"
        assert partition_files(target, NAME, DAY)[0].startswith(f"{lake}/")
        assert open_partition(target, NAME, DAY).count_rows() == len(EXPECTED)
        assert read_partition(target, NAME, DAY, columns=["id"]).column_names == ["id"]
        assert stream_partition(target, NAME, DAY, columns=["id"]).schema.names == ["id"]


def test_a_configuration_knows_its_pipelines(lake: Path, tmp_path: Path) -> None:
    (tmp_path / "pipelines.toml").write_text(
        '[stores.lake]\ntype = "local"\npath = "lake"\n[apis.a]\nbase_url = "http://127.0.0.1:9"\n'
        '[pipelines.team.sales]\nsystem = "shop"\nentity = "orders"\ntarget = "lake"\n'
        '[pipelines.team.sales.source]\ntype = "http"\napi = "a"\npath = "/orders"\n'
    )
    config = load_config(tmp_path / "pipelines.toml", environ={})
    assert read_manifest(config, "team.sales", DAY).run == "run-1"
    assert read_partition(config, "team.sales", DAY).equals(EXPECTED)
    assert read_manifest(config.store("lake"), NAME, DAY).run == "run-1"
    with pytest.raises(ConfigError, match=r'there is no pipeline "shop\.orders"'):
        read_manifest(config, NAME, DAY)
    assert lake.exists()


@pytest.mark.parametrize("given", [datetime(2025, 1, 15, 23, tzinfo=UTC), "2025-01-15"])
def test_a_run_date_that_is_no_date_is_refused(lake: Path, given: Any) -> None:
    for read in (read_manifest, partition_files, open_partition, read_partition, stream_partition):
        with pytest.raises(TypeError, match=r"such as date\(2025, 1, 15\), and not .*2025"):
            read(lake, NAME, given)


def test_a_name_is_two_parts_of_a_path(lake: Path) -> None:
    assert read_manifest(lake, "shop/orders", DAY).run == "run-1"
    for name in ("orders", "a.b.c", "a/b/c", ""):
        with pytest.raises(ConfigError, match=r'names no entity; write "system\.entity"'):
            read_manifest(lake, name, DAY)
    for name in ("../lake.orders", "shop/..", "_state/shop", "shop./orders"):
        with pytest.raises(ConfigError):
            read_manifest(lake, name, DAY)
    with pytest.raises(StateError, match=r"shop\.eu/orders"):
        read_manifest(lake, "shop.eu/orders", DAY)


def test_a_target_that_is_none_is_a_configuration_error() -> None:
    with pytest.raises(ConfigError, match="no store"):
        read_manifest("ftp://lake/bronze", NAME, DAY)


def test_reading_writes_nothing_and_makes_no_directory(tmp_path: Path) -> None:
    with pytest.raises(StateError):
        read_manifest(tmp_path / "nowhere", NAME, DAY)
    assert not (tmp_path / "nowhere").exists()


# What it costs.


def test_a_small_file_is_one_request_and_sizes_cost_none(tmp_path: Path) -> None:
    store = Interrupted(MemoryStore())
    manifest = asyncio.run(land(store, 1))
    with open_reader(local(tmp_path), stores=lending(store)) as reader:
        store.calls.clear()
        orders = reader.open_partition(NAME, DAY)
        assert store.calls == [f"get {PARTITION}/_metadata.json", f"scan {PARTITION}/"]
        store.calls.clear()
        orders.to_table()
        assert sorted(store.calls) == sorted(
            f"read {PARTITION}/{file.name} 0 {file.size_bytes}" for file in manifest.files
        )


def test_the_golden_manifest_is_read(tmp_path: Path) -> None:
    golden = Path(__file__).parents[1] / "publish/golden/manifest-1.json"
    store = MemoryStore()
    key = f"{PARTITION}/_metadata.json"
    asyncio.run(store.put(key, golden.read_bytes(), expect=ANY))
    with open_reader(local(tmp_path), stores=lending(store)) as reader:
        assert reader.read_manifest(NAME, DAY) == decode_manifest(golden.read_bytes(), key)


def test_a_newer_manifest_says_to_upgrade(tmp_path: Path) -> None:
    store = MemoryStore()
    body = b'{"format_version": 99, "engine_version": "9.0"}'
    asyncio.run(store.put(f"{PARTITION}/_metadata.json", body, expect=ANY))
    with (
        open_reader(local(tmp_path), stores=lending(store)) as reader,
        pytest.raises(StateError, match=r"written by bronze-engine 9\.0.*upgrade"),
    ):
        reader.open_partition(NAME, DAY)
