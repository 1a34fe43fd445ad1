"""The commit: what is refused, what is read back, what is left alone when in doubt."""

from __future__ import annotations

import msgspec
import pytest

from bronze_engine.errors import (
    CommitUnknown,
    Conflict,
    OutcomeUnknown,
    RetryError,
    StateError,
    StoreError,
)
from bronze_engine.model.manifest import Checksums, Manifest
from bronze_engine.model.manifest_json import decode_manifest, encode_manifest
from bronze_engine.model.part import ABSENT, ANY, Expect, StoredObject, Version
from bronze_engine.model.silver import SilverTable
from bronze_engine.publish.base import read_base
from bronze_engine.publish.commit import COMMIT_SECONDS, LINEAGE_LENGTH, publish
from bronze_engine.publish.reap import reap
from bronze_engine.store.memory import MemoryStore
from bronze_engine.testing import ManualClock
from bronze_engine.testing.faults import FaultyStore, Script, inject
from bronze_engine.testing.stores import keys_of, read_all, staged_keys

from .runs import MANIFEST_KEY, PARTITION, PIPELINE, manifest_of, publish_run, stage_run

pytestmark = pytest.mark.unit


class OddStore(FaultyStore):
    """A store whose puts and gets of the manifest answer as a test says."""

    def __init__(self, store: MemoryStore) -> None:
        super().__init__(store, Script())
        self.before_put: list[BaseException | None] = []
        self.after_put: list[BaseException | None] = []
        self.gets: list[BaseException | None] = []
        self.puts = 0

    async def put(self, key: str, body: bytes, /, *, expect: Expect) -> Version:
        if key != MANIFEST_KEY:
            return await super().put(key, body, expect=expect)
        self.puts += 1
        raise_next(self.before_put)
        version = await super().put(key, body, expect=expect)
        raise_next(self.after_put)
        return version

    async def get(self, key: str, /) -> StoredObject | None:
        if key == MANIFEST_KEY and self.puts:
            raise_next(self.gets)
        return await super().get(key)


def raise_next(errors: list[BaseException | None]) -> None:
    error = errors.pop(0) if errors else None
    if error is not None:
        raise error


async def current(store: MemoryStore) -> Manifest | None:
    found = await store.get(MANIFEST_KEY)
    return None if found is None else decode_manifest(found.body, MANIFEST_KEY)


async def files_of(store: MemoryStore) -> list[str]:
    return [key for key in await keys_of(store, f"{PARTITION}/") if not key.endswith(".json")]


@pytest.mark.asyncio
async def test_commit_writes_manifest_and_checksums() -> None:
    store = MemoryStore()
    published = await publish_run(store, "r1")
    assert published.warnings == ()
    assert published.manifest.generation == 1
    assert await read_all(store, MANIFEST_KEY) == published.body
    checksums = msgspec.json.decode(
        await read_all(store, f"{PARTITION}/_checksums.json"), type=Checksums
    )
    assert (checksums.generation, checksums.run) == (1, "r1")
    assert [(file.path, file.sha256) for file in checksums.files] == [
        (file.name, file.sha256) for file in published.manifest.files
    ]


@pytest.mark.asyncio
async def test_zero_rows_commit_a_manifest_without_files() -> None:
    store = MemoryStore()
    base = await read_base(store, PARTITION, pipeline=PIPELINE)
    await publish(store, base, manifest_of("r1", 1), [], ManualClock())
    assert await keys_of(store) == [f"{PARTITION}/_checksums.json", MANIFEST_KEY]


def test_manifest_is_for_people_and_always_the_same() -> None:
    manifest = msgspec.structs.replace(manifest_of("r1", 1), quality={"b": "2", "a": "1"})
    body = encode_manifest(manifest)
    assert body.startswith(b'{\n  "format_version": 1,\n  "pipeline": "team.orders",\n')
    assert body.endswith(b"\n}\n")
    other = msgspec.structs.replace(manifest, quality={"a": "1", "b": "2"})
    assert encode_manifest(other) == body
    assert decode_manifest(body, "m") == other


def test_unknown_keys_of_a_manifest_are_ignored() -> None:
    body = encode_manifest(manifest_of("r1", 1)).replace(b"{", b'{"invented": [1],', 1)
    assert decode_manifest(body, "m") == manifest_of("r1", 1)


@pytest.mark.asyncio
async def test_lineage_holds_the_last_sixteen_newest_first() -> None:
    store = MemoryStore()
    for number in range(20):
        published = await publish_run(store, f"r{number}")
    lineage = published.manifest.lineage
    assert len(lineage) == LINEAGE_LENGTH == 16
    assert [each.run for each in lineage] == [f"r{number}" for number in range(19, 3, -1)]
    assert [each.generation for each in lineage] == list(range(20, 4, -1))


@pytest.mark.asyncio
async def test_manifest_of_another_pipeline_needs_adopt() -> None:
    store = MemoryStore()
    await publish_run(store, "r1")
    with pytest.raises(StateError, match=r"belongs to pipeline 'team\.orders'.*--adopt"):
        await read_base(store, PARTITION, pipeline="other.orders")
    base = await read_base(store, PARTITION, pipeline="other.orders", adopt=True)
    assert base.generation == 1


@pytest.mark.asyncio
async def test_manifest_of_a_newer_format_is_refused_by_name() -> None:
    store = MemoryStore()
    await store.put(MANIFEST_KEY, b'{"format_version": 2, "engine_version": "9.1"}', expect=ANY)
    with pytest.raises(StateError, match=r"bronze-engine 9\.1 \(format 2.*upgrade"):
        await read_base(store, PARTITION, pipeline=PIPELINE, adopt=True)


@pytest.mark.asyncio
@pytest.mark.parametrize("body", [b"", b"[]", b"{", b'{"format_version": 1}', b"\xff"])
async def test_what_is_no_manifest_is_state001(body: bytes) -> None:
    store = MemoryStore()
    await store.put(MANIFEST_KEY, body, expect=ANY)
    with pytest.raises(StateError, match="is no manifest"):
        await read_base(store, PARTITION, pipeline=PIPELINE)


@pytest.mark.asyncio
async def test_manifest_that_does_not_fit_its_base_or_files_is_our_own_fault() -> None:
    store = MemoryStore()
    base = await read_base(store, PARTITION, pipeline=PIPELINE)
    manifest, staged = await stage_run(store, base, "r1")
    for wrong, files in ((manifest_of("r1", 2), []), (manifest, staged[1:])):
        with pytest.raises(ValueError, match=r"generation|exactly the staged"):
            await publish(store, base, wrong, files, ManualClock())


@pytest.mark.asyncio
async def test_a_commit_may_keep_the_captured_pages_of_its_base_and_nothing_else_of_it() -> None:
    store = MemoryStore()
    before = (await publish_run(store, "r1")).manifest
    base = await read_base(store, PARTITION, pipeline=PIPELINE)
    made, staged = await stage_run(store, base, "r2")
    data, rejects, own_pages = staged
    await store.discard(own_pages)
    keeping = msgspec.structs.replace(made, pages=before.pages)
    for wrong in (
        msgspec.structs.replace(keeping, files=before.files),
        msgspec.structs.replace(keeping, files=(*keeping.files, *before.files)),
    ):
        with pytest.raises(ValueError, match="exactly the staged"):
            await publish(store, base, wrong, [data, rejects], ManualClock())
    published = await publish(store, base, keeping, [data, rejects], ManualClock())
    await reap(store, PARTITION, published.manifest)
    left = {key.removeprefix(f"{PARTITION}/") for key in await keys_of(store, f"{PARTITION}/")}
    assert left == {*published.manifest.names, "_checksums.json", "_metadata.json"}
    assert published.manifest.pages == before.pages


@pytest.mark.asyncio
async def test_a_commit_may_keep_some_files_of_its_base_as_they_are() -> None:
    store = MemoryStore()
    first = (await publish_run(store, "r1")).manifest
    base = await read_base(store, PARTITION, pipeline=PIPELINE)
    made, staged = await stage_run(store, base, "r2")
    (kept,), (new,) = first.files, made.files
    both = msgspec.structs.replace(made, files=(kept, new))
    for wrong, names in (
        (msgspec.structs.replace(made, files=(new, kept)), {kept.name}),  # not before the new one
        (
            msgspec.structs.replace(
                made, files=(msgspec.structs.replace(kept, sha256="0" * 64), new)
            ),
            {kept.name},
        ),
        (both, {kept.name, "part-g00000001-r0-00000-00000.parquet"}),  # the base names no such one
        (made, {kept.name}),
        (both, set[str]()),
    ):
        with pytest.raises(ValueError, match=r"stand first|is to stay|exactly"):
            await publish(store, base, wrong, staged, ManualClock(), kept=names)
    second = await publish(store, base, both, staged, ManualClock(), kept={kept.name})
    await reap(store, PARTITION, second.manifest)
    base = await read_base(store, PARTITION, pipeline=PIPELINE)
    made, staged = await stage_run(store, base, "r3")
    dropping = msgspec.structs.replace(made, files=(new, *made.files))
    third = await publish(store, base, dropping, staged, ManualClock(), kept={new.name})
    reaped = await reap(store, PARTITION, third.manifest)
    assert kept.name in reaped.removed
    left = {key.removeprefix(f"{PARTITION}/") for key in await keys_of(store, f"{PARTITION}/")}
    assert left == {*third.manifest.names, "_checksums.json", "_metadata.json"}
    assert new.name in left


@pytest.mark.asyncio
async def test_keys_that_are_gone_are_kept_files_too() -> None:
    store = MemoryStore()
    first = (await publish_run(store, "r1")).manifest
    (gone,) = first.files
    table = SilverTable(
        kind="state",
        history="current",
        deletes="hard",
        unique_columns=("id",),
        order_by=(),
        inputs=(),
        deleted=(gone,),
    )
    base = await read_base(store, PARTITION, pipeline=PIPELINE)
    base = msgspec.structs.replace(
        base, manifest=msgspec.structs.replace(first, files=(), silver=table)
    )
    made, staged = await stage_run(store, base, "r2")
    with pytest.raises(ValueError, match="is to stay"):
        await publish(store, base, made, staged, ManualClock(), kept={gone.name})
    made = msgspec.structs.replace(made, silver=table)
    published = await publish(store, base, made, staged, ManualClock(), kept={gone.name})
    assert gone.name not in (await reap(store, PARTITION, published.manifest)).removed


@pytest.mark.asyncio
@pytest.mark.parametrize("error", [OutcomeUnknown("lost"), Conflict("sent twice")])
async def test_applied_put_with_a_bad_answer_is_our_commit(error: BaseException) -> None:
    store = OddStore(MemoryStore())
    store.after_put = [error]
    published = await publish_run(store, "r1")
    assert published.manifest.run == "r1"
    assert store.puts == 1


@pytest.mark.asyncio
async def test_lost_put_is_sent_again() -> None:
    clock = ManualClock()
    store = OddStore(MemoryStore())
    store.before_put = [OutcomeUnknown("lost"), OutcomeUnknown("lost")]
    published = await clock.drive(publish_run(store, "r1", clock))
    assert published.manifest.run == "r1"
    assert store.puts == 3


@pytest.mark.asyncio
async def test_reading_back_survives_a_store_that_fails_for_a_while() -> None:
    clock = ManualClock()
    store = OddStore(MemoryStore())
    store.after_put = [OutcomeUnknown("lost")]
    store.gets = [StoreError("down"), RetryError("open"), StoreError("down")]
    published = await clock.drive(publish_run(store, "r1", clock))
    assert published.manifest.run == "r1"
    assert clock.monotonic() == 3.0


@pytest.mark.asyncio
@pytest.mark.parametrize("applied", [False, True])
async def test_unknown_outcome_deletes_nothing_and_says_that_a_rerun_is_safe(
    applied: bool,
) -> None:
    clock = ManualClock()
    memory = MemoryStore()
    store = OddStore(memory)
    answers = store.after_put if applied else store.before_put
    answers.append(OutcomeUnknown("lost"))
    store.gets = [StoreError("down")] * 100
    with pytest.raises(CommitUnknown, match="running again is safe") as caught:
        await clock.drive(publish_run(store, "r1", clock))
    assert caught.value.code == "STG001"
    assert clock.monotonic() == COMMIT_SECONDS
    assert len(await files_of(memory)) == 3
    assert (await current(memory) is not None) == applied


@pytest.mark.asyncio
async def test_lost_puts_without_end_are_unknown_within_one_deadline() -> None:
    clock = ManualClock()
    memory = MemoryStore()
    store = OddStore(memory)
    store.before_put = [OutcomeUnknown("lost") for _ in range(1000)]
    with pytest.raises(CommitUnknown):
        await clock.drive(publish_run(store, "r1", clock))
    assert clock.monotonic() == COMMIT_SECONDS
    assert len(await files_of(memory)) == 3


@pytest.mark.asyncio
async def test_refusals_without_end_are_a_store_error_and_leave_no_file() -> None:
    clock = ManualClock()
    memory = MemoryStore()
    store = OddStore(memory)
    store.before_put = [Conflict("409") for _ in range(1000)]
    with pytest.raises(StoreError, match="nothing was committed") as caught:
        await clock.drive(publish_run(store, "r1", clock))
    assert not isinstance(caught.value, CommitUnknown)
    assert await keys_of(memory) == []


@pytest.mark.asyncio
async def test_definite_failure_after_a_lost_put_is_still_in_doubt() -> None:
    clock = ManualClock()
    memory = MemoryStore()
    store = OddStore(memory)
    store.before_put = [OutcomeUnknown("lost"), *(StoreError("down") for _ in range(1000))]
    with pytest.raises(CommitUnknown):
        await clock.drive(publish_run(store, "r1", clock))
    assert len(await files_of(memory)) == 3


@pytest.mark.asyncio
async def test_definite_failure_removes_the_completed_files() -> None:
    memory = MemoryStore()
    store = OddStore(memory)
    store.before_put = [StoreError("full")]
    with pytest.raises(StoreError, match="full"):
        await publish_run(store, "r1")
    assert await keys_of(memory) == []


@pytest.mark.asyncio
async def test_losing_run_is_told_who_won_and_leaves_no_file() -> None:
    store = MemoryStore()
    base = await read_base(store, PARTITION, pipeline=PIPELINE)
    manifest, staged = await stage_run(store, base, "r2")
    await publish_run(store, "r1")
    with pytest.raises(StateError, match="run r1 committed generation 1") as caught:
        await publish(store, base, manifest, staged, ManualClock())
    assert caught.value.context["run"] == "r1"
    assert all("-r1-" in key for key in await files_of(store))


@pytest.mark.asyncio
async def test_files_reaped_by_a_faster_run_are_state001_too() -> None:
    store = MemoryStore()
    base = await read_base(store, PARTITION, pipeline=PIPELINE)
    manifest, staged = await stage_run(store, base, "r2")
    await publish_run(store, "r1")
    for one in staged:
        await store.discard(one)
    with pytest.raises(StateError, match="run r1 committed generation 1"):
        await publish(store, base, manifest, staged, ManualClock())


@pytest.mark.asyncio
async def test_manifest_removed_meanwhile_is_state001() -> None:
    store = MemoryStore()
    await publish_run(store, "r1")
    base = await read_base(store, PARTITION, pipeline=PIPELINE)
    manifest, staged = await stage_run(store, base, "r2")
    await store.delete(MANIFEST_KEY)
    with pytest.raises(StateError, match="was removed"):
        await publish(store, base, manifest, staged, ManualClock())


@pytest.mark.asyncio
async def test_commit_that_was_built_upon_before_its_answer_came_is_a_success() -> None:
    clock = ManualClock()
    memory = MemoryStore()

    class Overtaken(OddStore):
        async def get(self, key: str, /) -> StoredObject | None:
            if key == MANIFEST_KEY and self.puts == 1:
                self.puts += 1
                await publish_run(memory, "r2", clock)
            return await super().get(key)

    store = Overtaken(memory)
    store.after_put = [OutcomeUnknown("lost")]
    published = await clock.drive(publish_run(store, "r1", clock))
    assert published.superseded_by == "r2"
    assert "replaced by run r2" in published.warnings[0]
    checksums = msgspec.json.decode(
        await read_all(memory, f"{PARTITION}/_checksums.json"), type=Checksums
    )
    assert checksums.run == "r2"


@pytest.mark.asyncio
async def test_checksums_that_can_not_be_written_are_a_warning() -> None:
    store = MemoryStore()
    operations = inject(store)
    await publish_run(operations, "r1")
    at = operations.script.operations.index(("put", f"{PARTITION}/_checksums.json")) + 1
    published = await publish_run(inject(MemoryStore(), at, "fail_before"), "r1")
    assert "checksums" in published.warnings[0]


@pytest.mark.asyncio
async def test_base_of_nothing_is_generation_zero_and_absence() -> None:
    base = await read_base(MemoryStore(), PARTITION, pipeline=PIPELINE)
    assert (base.generation, base.version, base.manifest) == (0, ABSENT, None)
    assert await staged_keys(MemoryStore()) == []
