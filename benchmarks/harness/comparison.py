"""One piece of work, several candidates: all in turn, several rounds, every result checked."""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Final

from benchmarks.harness.environment import make_rivals
from benchmarks.harness.landed import Landed
from benchmarks.harness.measure import Candidate, Measured, Skipped, measure

__all__ = ["BYTES", "ROWS", "SLOW_SECONDS", "Case", "Check", "Outcome", "Unit", "compare"]

SLOW_SECONDS: Final = 20
"""A rival that takes longer runs in the first round alone."""


@dataclass(frozen=True)
class Unit:
    """In what a page tells what was done."""

    rate: str
    """`rows/s`."""
    cpu: str
    """`CPU-s a million rows`."""
    amount: float = 1.0
    """How many make one of the rate's."""
    cpu_amount: float = 1e6
    """How many the CPU seconds are told of."""


ROWS: Final = Unit("rows/s", "CPU-s a million rows")
BYTES: Final = Unit("MiB/s", "CPU-s a GiB", 1024**2, 1024**3)

Prepare = Callable[[Candidate], None]
"""What a candidate needs to have made before its first round."""
Check = Callable[[Candidate, Path], Landed]
"""Of a candidate and its folder: what has landed. Raises AssertionError where it is not right."""


def _has_all(_: Candidate) -> None:
    """Most candidates need nothing."""


@dataclass(frozen=True)
class Case:
    """The work, and who does it. The first candidate is compared with the others."""

    name: str
    title: str
    unit: Unit
    candidates: Sequence[Candidate]
    job: Mapping[str, Any]
    check: Check
    prepare: Prepare = _has_all
    asked: Mapping[str, float] = field(default_factory=dict)
    """What the project asks of itself: its rate to that of a candidate."""
    asked_mib: float | None = None
    """How much resident memory ours may take."""
    headline: str = ""
    """Its name in the summary, where it stands there."""
    is_proof: bool = False
    """It shows that results are right, once, and its figures are not kept."""


@dataclass
class Outcome:
    """What became of a candidate."""

    label: str
    kind: str
    runs: list[Measured] = field(default_factory=list)
    """One a round; fewer where it is slow."""
    landed: Landed | None = None
    skipped: str = ""
    """Why it could not run."""


def compare(case: Case, rounds: int, only: Sequence[str] = ()) -> dict[str, Any]:
    """Run the candidates, or `only` those. Returns the figures of the case.

    A rival that can't run is skipped, with its reason. Raises AssertionError where a result is
    wrong, and RuntimeError where ours fails.
    """
    chosen = [each for each in case.candidates if not only or each.name in only]
    outcomes = {each.name: Outcome(each.label, each.kind) for each in chosen}
    for candidate in chosen:
        with suppress(Skipped):  # it is told when the candidate is to run
            _find_python(candidate)
            case.prepare(candidate)
    for number in range(1 if case.is_proof else rounds):
        for candidate in chosen:
            outcome = outcomes[candidate.name]
            if outcome.skipped or _is_slow(outcome):
                continue
            try:
                run = _run(candidate, case, outcome)
            except (Skipped, RuntimeError) as error:
                if candidate.kind == "ours":
                    raise
                outcome.skipped = str(error)
                print(f"{candidate.name}: skipped, {error}", file=sys.stderr)
                continue
            outcome.runs.append(run)
            print(
                f"{case.name} round {number + 1} {candidate.name}:"
                f" {run.amount / case.unit.amount / run.seconds:,.0f} {case.unit.rate},"
                f" {run.cpu_seconds / run.amount * case.unit.cpu_amount:.2f} {case.unit.cpu}",
                file=sys.stderr,
            )
    return {
        "title": case.title,
        "unit": asdict(case.unit),
        "asked": dict(case.asked),
        "asked_mib": case.asked_mib,
        "headline": case.headline,
        "outcomes": {name: asdict(outcome) for name, outcome in outcomes.items()},
    }


def _is_slow(outcome: Outcome) -> bool:
    return outcome.kind != "ours" and any(run.seconds > SLOW_SECONDS for run in outcome.runs)


def _find_python(candidate: Candidate) -> None:
    """Raises Skipped where its environment can't be made."""
    if not candidate.python.exists():
        make_rivals()


def _run(candidate: Candidate, case: Case, outcome: Outcome) -> Measured:
    _find_python(candidate)
    out = Path(tempfile.mkdtemp(prefix=f"bench-{candidate.name}-"))
    try:
        job = {**case.job, "out": out}
        return measure(candidate, job, partial(_check, candidate, case, out, outcome))
    finally:
        shutil.rmtree(out)


def _check(candidate: Candidate, case: Case, out: Path, outcome: Outcome) -> int:
    outcome.landed = case.check(candidate, out)
    return outcome.landed.amount
