"""What can be wrong with what lies in Bronze, and what a run of Silver says to it."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from datetime import date
from pathlib import Path
from typing import Any, Final

import msgspec
import pyarrow as pa
import pytest

from bronze_engine import open_engine
from bronze_engine.clock import SYSTEM_CLOCK
from bronze_engine.config.load import load_config
from bronze_engine.contracts import Store
from bronze_engine.errors import StoreError
from bronze_engine.model.manifest_json import decode_manifest
from bronze_engine.model.part import ANY
from bronze_engine.model.report import RunReport
from bronze_engine.publish.checksums import checksums_of

from .lake import NAME, Lake
from .oracle import Landed, Table

__all__ = ["DAMAGES", "Damage", "OpenStore", "Scene", "Tree"]

Tree = dict[str, bytes]
"""Keys of a store, and what they hold."""
OpenStore = Callable[[], AbstractAsyncContextManager[Store]]
DAYS: Final = tuple(date(2025, 3, day) for day in (1, 2, 3))
BRONZE: Final = "team/orders/"
HERE: Final = f"{BRONZE}dt=2025-03-03/"
PART: Final = f"{HERE}part-g00000002-r2-00000-00000.parquet"
MANIFEST: Final = f"{HERE}_metadata.json"
COLUMNS: Final[dict[str, Any]] = {"id": pa.int64(), "at": pa.date32(), "v": pa.string()}
SCHEMA: Final = pa.schema(list(COLUMNS.items()))


class Damage(msgspec.Struct, frozen=True):
    """Something done to the lake after a date was landed, for the second time."""

    name: str
    do: Callable[[Tree, Tree], None]
    """Changes the first tree; the second is as it was after the date's first landing."""
    named: str
    """The key that the error names."""
    told: str
    """What else it says."""
    is_readable: bool = False
    """Whether a run that does not mind can read it all the same."""


def _flip(tree: Tree, _: Tree) -> None:
    body = bytearray(tree[PART])
    body[len(body) // 2] ^= 1
    tree[PART] = bytes(body)


def _cut(tree: Tree, _: Tree) -> None:
    tree[PART] = tree[PART][:-7]


def _empty(tree: Tree, _: Tree) -> None:
    tree[PART] = b""


def _remove(tree: Tree, _: Tree) -> None:
    del tree[PART]


def _swap(tree: Tree, before: Tree) -> None:
    tree[PART] = before[PART.replace("g00000002-r2", "g00000001-r1")]


def _put_back(tree: Tree, before: Tree) -> None:
    tree[MANIFEST] = before[MANIFEST]


def _put_back_with_files(tree: Tree, before: Tree) -> None:
    for key in [
        key for key in tree if key.startswith(HERE) and not key.endswith("_checksums.json")
    ]:
        del tree[key]
    for key, body in before.items():
        if key.startswith(HERE) and not key.endswith("_checksums.json"):
            tree[key] = body


def _change(tree: Tree, _: Tree) -> None:
    manifest = json.loads(tree[MANIFEST])
    manifest["load"] = "full"
    tree[MANIFEST] = json.dumps(manifest).encode()


def _count_up(tree: Tree, _: Tree) -> None:
    tree[MANIFEST] = tree[MANIFEST].replace(b'"generation": 2', b'"generation": 3')


def _flip_manifest(tree: Tree, _: Tree) -> None:
    tree[MANIFEST] = tree[MANIFEST].replace(b'"generation": 2', b'"generation"; 2')


def _cut_manifest(tree: Tree, _: Tree) -> None:
    tree[MANIFEST] = tree[MANIFEST][:-3]


def _misplace(tree: Tree, _: Tree) -> None:
    tree[MANIFEST] = tree[MANIFEST.replace("03-03", "03-02")]


DAMAGES: Final = (
    Damage("flipped-byte", _flip, PART, "has sha256 "),
    Damage("cut-short", _cut, PART, "bytes, where its manifest says "),
    Damage("empty", _empty, PART, "has 0 bytes"),
    Damage("missing", _remove, PART, "exist"),
    Damage("file-of-another-generation", _swap, PART, "where its manifest says ", is_readable=True),
    Damage("manifest-put-back", _put_back, MANIFEST, "is of generation 1"),
    Damage(
        "generation-put-back", _put_back_with_files, MANIFEST, "of generation 1", is_readable=True
    ),
    Damage("manifest-changed", _change, MANIFEST, "it was changed", is_readable=True),
    Damage(
        "manifest-of-a-later-generation",
        _count_up,
        MANIFEST,
        "is of generation 3",
        is_readable=True,
    ),
    Damage("manifest-flipped-byte", _flip_manifest, MANIFEST, "is damaged"),
    Damage("manifest-cut-short", _cut_manifest, MANIFEST, "is damaged"),
    Damage("manifest-of-another-date", _misplace, MANIFEST, "is the manifest of team/orders/dt=2"),
)


class Scene:
    """A table of two dates, and a third that was landed twice since, and damaged."""

    def __init__(self, folder: Path, stores: str = "") -> None:
        table = Table(columns=("id", "at", "v"), keys=("id",), order=("at",))
        self.lake = Lake(folder, table, SCHEMA, load="incremental")
        self.stores = stores
        self.overrides: tuple[str, ...] = ()
        """Of the configuration, as the command line has them."""
        self.tree: Tree = {}

    def configure(self, **more: object) -> None:
        text = self.lake.toml(**more)
        if self.stores:  # in place of the lake's own
            text = re.sub(r"\[stores\.lake\][^\[]*", "", text)
        (self.lake.folder / "pipelines.toml").write_text(f"{text}\n{self.stores}")

    def land(self, day: int, generation: int = 1) -> None:
        rows = tuple(
            {"id": key, "at": DAYS[day], "v": f"{day}.{generation}.{key}"}
            for key in range(day, day + 3)
        )
        self.lake.land(Landed(run_date=DAYS[day], files=(rows,), generation=generation))
        folder = self.lake.root / BRONZE / f"dt={DAYS[day]}"
        body = (folder / "_metadata.json").read_bytes()
        checksums = checksums_of(decode_manifest(body, "_metadata.json"), body)
        (folder / "_checksums.json").write_bytes(msgspec.json.encode(checksums))

    def read(self) -> Tree:
        """Bronze, as it lies on the disk."""
        files = (path for path in (self.lake.root / BRONZE).rglob("*") if path.is_file())
        return {path.relative_to(self.lake.root).as_posix(): path.read_bytes() for path in files}

    async def put(self, store: Store, tree: Tree) -> None:
        """Make Bronze be so."""
        for key in [found.key async for found in store.scan(BRONZE)]:
            if key not in tree:
                await store.delete(key)
        for key, body in tree.items():
            await store.put(key, body, expect=ANY)

    async def silver(self, *, rebuild: bool = False) -> RunReport:
        path = self.lake.folder / "pipelines.toml"
        config = load_config(path, environ={}, overrides=self.overrides)
        async with open_engine(config, clock=SYSTEM_CLOCK) as engine:
            return await engine.silver(NAME, rebuild=rebuild)

    async def prepare(self, opened: OpenStore, damage: Damage) -> None:
        """Two dates in the table; the third lies there as the damage leaves it."""
        self.configure()
        for day in (0, 1):
            self.land(day)
        async with opened() as store:
            await self.put(store, self.read())
        await self.silver()
        self.land(2)
        before = self.read()
        self.land(2, generation=2)
        self.tree = self.read()
        damaged = dict(self.tree)
        damage.do(damaged, before)
        assert damaged != self.tree
        async with opened() as store:
            await self.put(store, damaged)

    async def check_refused(self, opened: OpenStore, damage: Damage) -> None:
        """The run is STG001 and says what and where, and the table is as it was."""
        async with opened() as store:
            before = await table_of(store)
        with pytest.raises(StoreError, match=re.escape(damage.told)) as caught:
            await self.silver()
        assert str(caught.value).startswith("STG001 ")
        assert damage.named in str(caught.value)
        async with opened() as store:
            assert await table_of(store) == before

    async def check_mended(self, opened: OpenStore) -> None:
        """With Bronze put right the next run takes it in."""
        async with opened() as store:
            await self.put(store, self.tree)
        await self.silver()
        async with opened() as store:
            found = await table_of(store)
        manifest = decode_manifest(found["silver/team/orders/_metadata.json"], "_metadata.json")
        assert manifest.silver is not None
        inputs = [(each.run_date, each.generation) for each in manifest.silver.inputs]
        assert inputs == [(DAYS[0], 1), (DAYS[1], 1), (DAYS[2], 2)]
        assert manifest.row_count == 5
        for file in manifest.files:
            body = found[f"silver/team/orders/{file.name}"]
            assert hashlib.sha256(body).hexdigest() == file.sha256


async def table_of(store: Store) -> Tree:
    """Everything that lies in the table's folder."""
    tree: Tree = {}
    for key in [found.key async for found in store.scan("silver/")]:
        async with store.read(key) as chunks:
            tree[key] = b"".join([chunk async for chunk in chunks])
    return tree
