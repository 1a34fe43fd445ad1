"""Candidates run in turn, and only what is right counts."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from benchmarks.harness import comparison, environment
from benchmarks.harness.comparison import ROWS, Case, compare
from benchmarks.harness.landed import Landed
from benchmarks.harness.measure import Candidate, Kind, Measured, Skipped

pytestmark = pytest.mark.unit


def candidate(name: str, kind: Kind = "library") -> Candidate:
    return Candidate(name, name, kind, Path(sys.executable), "nothing")


OURS, RIVAL = candidate("ours", "ours"), candidate("rival")


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Who ran, in order. Candidates do nothing, in as many seconds as `speeds` says."""
    seen: list[str] = []

    def measure(which: Candidate, job: Mapping[str, Any], check: Callable[[], int]) -> Measured:
        seen.append(which.name)
        assert Path(job["out"]).is_dir()
        if which.name == "absent":
            raise Skipped("no wheel")
        if which.name == "broken":
            raise RuntimeError("it ended with 1")
        seconds = 30.0 if which.name == "slow" else 1.0
        return Measured(check(), seconds, 1.0, 1.0, 2**20)

    monkeypatch.setattr(comparison, "measure", measure)
    return seen


def work(*candidates: Candidate, **fields: Any) -> Case:
    return Case(
        name="rows",
        title="Ten rows",
        unit=ROWS,
        candidates=candidates,
        job={},
        check=fields.pop("check", lambda _candidate, _out: Landed(10)),
        **fields,
    )


def test_all_run_in_turn_in_every_round(ran: list[str]) -> None:
    found = compare(work(OURS, RIVAL), 2)["outcomes"]
    assert ran == ["ours", "rival"] * 2
    assert [len(each["runs"]) for each in found.values()] == [2, 2]
    assert found["rival"]["landed"]["amount"] == 10


def test_only_those_that_were_named_run(ran: list[str]) -> None:
    compare(work(OURS, RIVAL), 1, ["rival"])
    assert ran == ["rival"]


def test_only_those_that_run_are_prepared_before_the_first_round(
    ran: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def make_rivals() -> None:
        raise Skipped("no network")

    monkeypatch.setattr(comparison, "make_rivals", make_rivals)
    case = work(OURS, RIVAL, replace(RIVAL, name="elsewhere", python=Path("/nowhere/python")))
    case = replace(case, prepare=lambda candidate: ran.append(f"prepare {candidate.name}"))
    found = compare(case, 1, ["ours", "elsewhere"])["outcomes"]
    assert ran == ["prepare ours", "ours"]
    assert found["elsewhere"]["skipped"] == "no network"


def test_a_rival_that_can_not_run_is_skipped_with_its_reason(ran: list[str]) -> None:
    found = compare(work(OURS, candidate("absent"), candidate("broken")), 2)["outcomes"]
    assert ran == ["ours", "absent", "broken", "ours"]
    assert found["absent"]["skipped"] == "no wheel"
    assert found["broken"]["skipped"] == "it ended with 1"


def test_rivals_whose_environment_can_not_be_made_are_skipped(
    ran: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(environment, "_install", lambda: False)
    absent = replace(RIVAL, python=Path("/nowhere/python"))
    found = compare(work(OURS, absent), 2)["outcomes"]
    assert ran == ["ours", "ours"]
    assert found["rival"]["skipped"] == "the rivals' environment could not be made"


@pytest.mark.usefixtures("ran")
def test_ours_is_never_skipped() -> None:
    with pytest.raises(RuntimeError, match="ended with 1"):
        compare(work(candidate("broken", "ours")), 1)


def test_a_wrong_result_stops_everything(ran: list[str]) -> None:
    def check(which: Candidate, _out: Path) -> Landed:
        assert which.name != "rival", "landed 9 rows of 10"
        return Landed(10)

    with pytest.raises(AssertionError, match="9 rows of 10"):
        compare(work(OURS, RIVAL, check=check), 3)
    assert ran == ["ours", "rival"]


def test_a_slow_rival_runs_once(ran: list[str]) -> None:
    found = compare(work(OURS, candidate("slow")), 3)["outcomes"]
    assert ran == ["ours", "slow", "ours", "ours"]
    assert len(found["slow"]["runs"]) == 1


def test_a_proof_runs_once(ran: list[str]) -> None:
    compare(work(OURS, is_proof=True), 3)
    assert ran == ["ours"]


def test_nothing_of_a_run_is_left(ran: list[str]) -> None:
    places: list[Path] = []

    def check(_candidate: Candidate, out: Path) -> Landed:
        places.append(out)
        return Landed(10)

    compare(work(OURS, check=check), 2)
    assert len(set(places)) == 2
    assert not any(place.exists() for place in places)
    assert ran
