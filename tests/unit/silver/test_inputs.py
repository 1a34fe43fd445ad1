"""Which generations a run of Silver takes in, and which of a table's dates count."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime

import msgspec
import pytest

from bronze_engine.errors import StateError
from bronze_engine.model.manifest import FORMAT_VERSION, Load, Manifest, SourceInfo
from bronze_engine.model.silver import BronzeInput, SilverTable
from bronze_engine.silver.inputs.inputs import Landed, Work, select

pytestmark = pytest.mark.unit

NAME = "team.orders"
DAYS = [date(2025, 3, day) for day in range(1, 6)]


def landed(day: date, *, generation: int = 1, epoch: int = 1, load: Load = "incremental") -> Landed:
    manifest = Manifest(
        format_version=FORMAT_VERSION,
        pipeline=NAME,
        system="team",
        entity="orders",
        run_date=day,
        run=f"r{generation}",
        attempt="a",
        generation=generation,
        epoch=epoch,
        written_at=datetime(2025, 4, 1, tzinfo=UTC),
        load=load,
        source=SourceInfo(type="http", location="x"),
        row_count=10,
    )
    return Landed(manifest=manifest, sha256=f"{day} {generation}")


def table(
    inputs: Sequence[BronzeInput], *, load: Load = "incremental", config_hash: str = "c"
) -> Manifest:
    silver = SilverTable(
        kind="state",
        history="current",
        deletes="ignore",
        unique_columns=("id",),
        order_by=(),
        inputs=tuple(inputs),
    )
    return msgspec.structs.replace(
        landed(inputs[-1].run_date, load=load).manifest, silver=silver, config_hash=config_hash
    )


def decide(
    bronze: Sequence[Landed],
    base: Manifest | None = None,
    *,
    asked: Sequence[date] | None = None,
    rebuild: bool = False,
    config_hash: str = "c",
    judges_lateness: bool = False,
) -> Work:
    return select(
        NAME,
        {one.run_date: one for one in bronze},
        base,
        asked=asked,
        rebuild=rebuild,
        config_hash=config_hash,
        judges_lateness=judges_lateness,
    )


def counted(work: Work) -> list[date]:
    return [one.run_date for one in work.counted]


def test_a_first_run_takes_in_the_newest_epoch() -> None:
    bronze = [landed(DAYS[0], epoch=1), landed(DAYS[1], epoch=2), landed(DAYS[2], epoch=2)]
    work = decide(bronze)
    assert counted(work) == DAYS[1:3]
    assert work.taken_in == work.counted
    assert (work.run_date, work.epoch) == (DAYS[2], 2)
    assert work.rebuild is not None
    assert [one.change for one in work.inputs] == ["new", "new"]


def test_full_loads_count_whatever_their_epoch() -> None:
    bronze = [landed(day, epoch=number, load="full") for number, day in enumerate(DAYS)]
    bronze[1] = landed(DAYS[1], epoch=9, load="incremental")
    assert counted(decide(bronze)) == [DAYS[0], *DAYS[2:]]


def test_only_what_is_new_is_taken_in() -> None:
    bronze = [landed(day) for day in DAYS[:3]]
    base = table([one.as_input() for one in bronze[:2]])
    work = decide(bronze, base)
    assert (work.new, work.relanded, work.rebuild) == ((DAYS[2],), (), None)
    assert [one.run_date for one in work.taken_in] == [DAYS[2]]
    assert decide(bronze[:2], base).is_nothing


def test_a_date_that_is_the_first_no_more_is_judged_anew_where_lateness_matters() -> None:
    bronze = [landed(day) for day in DAYS[:3]]
    base = table([one.as_input() for one in bronze[1:2]])
    work = decide(bronze, base, judges_lateness=True)
    assert (work.new, work.relanded) == ((DAYS[0], DAYS[2]), (DAYS[1],))
    assert decide(bronze[1:], base, judges_lateness=True).relanded == ()
    assert decide(bronze, base).relanded == ()


def test_dates_that_were_not_asked_for_stay_pending() -> None:
    bronze = [landed(day) for day in DAYS]
    base = table([bronze[0].as_input()])
    work = decide(bronze, base, asked=[DAYS[2]])
    assert counted(work) == [DAYS[0], DAYS[2]]
    assert [one.run_date for one in work.pending] == [DAYS[1], DAYS[3], DAYS[4]]
    assert [one.change for one in work.pending] == ["new"] * 3


def test_a_date_that_was_landed_again_is_always_taken_in() -> None:
    bronze = [landed(day) for day in DAYS[:3]]
    base = table([one.as_input() for one in bronze[:2]])
    bronze[0] = landed(DAYS[0], generation=2)
    work = decide(bronze, base, asked=[DAYS[2]])
    assert (work.new, work.relanded) == ((DAYS[2],), (DAYS[0],))
    told = {one.run_date: (one.change, one.before, one.generation) for one in work.inputs}
    assert told == {DAYS[0]: ("re-landed", 1, 2), DAYS[2]: ("new", None, 1)}


def test_a_rebuild_reads_again_what_the_table_has() -> None:
    bronze = [landed(day) for day in DAYS[:3]]
    base = table([one.as_input() for one in bronze[:2]])
    bronze[1] = landed(DAYS[1], generation=2)
    told = [one.change for one in decide(bronze, base, rebuild=True).inputs]
    assert told == ["again", "re-landed", "new"]


def test_a_new_epoch_makes_all_anew() -> None:
    bronze = [landed(DAYS[0]), landed(DAYS[1], epoch=2)]
    base = table([bronze[0].as_input()])
    work = decide(bronze, base)
    assert counted(work) == [DAYS[1]]
    assert work.rebuild == "a new epoch has begun"


def test_an_old_epochs_date_is_none_of_the_table() -> None:
    bronze = [landed(DAYS[0], epoch=1), landed(DAYS[1], epoch=2)]
    base = table([bronze[1].as_input()])
    work = decide(bronze, base, asked=[DAYS[0]])
    assert work.is_nothing
    assert work.pending == ()


def test_another_load_or_configuration_makes_all_anew() -> None:
    bronze = [landed(DAYS[0], load="full")]
    base = table([bronze[0].as_input()], load="full")
    assert decide(bronze, base).is_nothing
    assert "[silver] has changed" in str(decide(bronze, base, config_hash="d").rebuild)
    assert decide(bronze, base, rebuild=True).rebuild == "it was asked for"
    bronze.append(landed(DAYS[1], epoch=0))
    assert 'load = "full"' in str(decide(bronze, base).rebuild)


def test_dates_that_retention_took_stay_until_a_rebuild() -> None:
    old, new = landed(DAYS[0]), landed(DAYS[1])
    base = table([old.as_input(rejected=3)])
    work = decide([new], base)
    assert work.retained == (old.as_input(rejected=3),)
    assert work.new == (DAYS[1],)
    assert [(one.run_date, one.change) for one in work.inputs] == [
        (DAYS[1], "new"),
        (DAYS[0], "gone"),
    ]
    rebuilt = decide([new], base, rebuild=True)
    assert (counted(rebuilt), rebuilt.retained) == ([DAYS[1]], ())


def test_rows_that_bronze_has_no_more_are_not_lost_by_the_way() -> None:
    base = table([landed(DAYS[0]).as_input()])
    with pytest.raises(StateError, match=r"holds 2025-03-01.*\[silver\] has changed.*--rebuild"):
        decide([landed(DAYS[1])], base, config_hash="d")


def test_a_table_whose_bronze_is_all_gone_stands() -> None:
    assert decide([], table([landed(DAYS[0]).as_input()])).is_nothing


@pytest.mark.parametrize(
    ("asked", "step"),
    [
        (None, r"`bronze run team.orders --only bronze`"),
        ([], r"`bronze run team.orders --only bronze`"),
        ([DAYS[0]], r"`bronze run team.orders --date 2025-03-01 --only bronze`"),
        (
            [DAYS[0], DAYS[1]],
            r"`bronze backfill team.orders --from 2025-03-01 --to 2025-03-02 --only bronze`",
        ),
    ],
    ids=["all", "none", "one", "range"],
)
def test_nothing_to_read_is_state001(asked: list[date] | None, step: str) -> None:
    with pytest.raises(StateError, match=f"no committed Bronze.* run it first .{step}"):
        decide([] if asked is None else [landed(DAYS[4])], asked=asked)
