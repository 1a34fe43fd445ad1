"""The protocol holds in every state that it can reach, and the model is that protocol."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from multiprocessing import get_context
from typing import Any, Final

import pytest

from bronze_engine.model.part import ANY
from bronze_engine.publish.lease import lease_key
from bronze_engine.publish.names import data_name
from bronze_engine.publish.steps import CHAIN_STEPS, GC_STEPS, STEPS, GcStep, Step
from bronze_engine.state import hint
from bronze_engine.store.memory import MemoryStore
from bronze_engine.testing.faults import inject

from .chain_model import CHAIN_MUTANTS, ChainModel, ChainMutant
from .commit_model import GC_MUTANTS, MUTANTS, Machine, Model, Mutant, Violation, explore
from .runs import ENTITY, MANIFEST_KEY, PARTITION, RUN_DATE, SYSTEM, whole_gc, whole_run

pytestmark = pytest.mark.unit

LEASE_KEY = lease_key(SYSTEM, ENTITY, RUN_DATE)

Explored = tuple[int, Violation | None]
LARGE: Final[dict[str, Machine[Any]]] = {
    "two runs and a gc": Model(runs=2, collections=1),
    "three runs": Model(runs=3),
    "three runs of a chain": ChainModel(runs=3),
    # 25 steps deep: more than half of all states that three runs can reach.
    "gives_back_for_others": ChainModel(runs=3, mutant="gives_back_for_others"),
}


@pytest.fixture(scope="module")
def explored() -> Iterator[Callable[[str], Explored]]:
    """What became of a large model: two are explored at a time, each by a process."""
    with get_context("spawn").Pool(2) as pool:
        found = {name: pool.apply_async(visit, (large,)) for name, large in LARGE.items()}
        yield lambda name: found[name].get()


def visit(model: Machine[Any]) -> Explored:
    gc.disable()  # states make no cycles, and to look for some takes a fifth of the time
    return explore(model)


def test_model_has_the_steps_of_the_protocol() -> None:
    assert tuple(Model(runs=1).steps) == STEPS
    assert tuple(Model(runs=1, collections=1).gc_steps) == GC_STEPS


@pytest.mark.asyncio
async def test_a_run_takes_the_steps_of_the_model_in_order() -> None:
    store = MemoryStore()
    orphan = data_name(generation=1, run="dead", slice=0, number=0)
    await store.put(f"{PARTITION}/{orphan}", b"x", expect=ANY)
    plain = inject(MemoryStore())
    await whole_run(plain, "r1")
    commit = plain.script.operations.index(("put", MANIFEST_KEY)) + 1

    faulty = inject(store, commit, "fail_after")  # the answer is lost: it has to read back
    await whole_run(faulty, "r1")
    taken: list[Step] = []
    for method, key in faulty.script.operations:
        step = step_of(method, key, taken)
        if step is not None and taken[-1:] != [step]:
            taken.append(step)
    assert tuple(taken) == STEPS


@pytest.mark.asyncio
async def test_a_gc_takes_the_steps_of_the_model_in_order() -> None:
    async def littered() -> MemoryStore:
        store = MemoryStore()
        await whole_run(store, "r1")
        orphan = data_name(generation=2, run="dead", slice=0, number=0)
        await store.put(f"{PARTITION}/{orphan}", b"x", expect=ANY)
        return store

    plain = inject(await littered())
    await whole_gc(plain)
    fence = plain.script.operations.index(("put", MANIFEST_KEY)) + 1

    faulty = inject(await littered(), fence, "fail_after")
    await whole_gc(faulty)
    taken: list[GcStep] = []
    for method, key in faulty.script.operations:
        step = gc_step_of(method, key, taken)
        if step is not None and taken[-1:] != [step]:
            taken.append(step)
    assert tuple(taken) == GC_STEPS


def gc_step_of(method: str, key: str, taken: list[GcStep]) -> GcStep | None:
    match method, key:
        case "put", _ if key == MANIFEST_KEY:
            return "fence"
        case (("scan" | "scan_staged"), _):
            return "list" if "fence" in taken else "look"
        case ("get", _) if key == MANIFEST_KEY and "checksums" in taken:
            return None  # the hint looks whether it is true
    step = step_of(method, key, ["commit"] if "fence" in taken else [])
    assert step not in {"stage", "complete", "commit"}
    return step  # type: ignore[return-value]  # the others are steps of both


def step_of(method: str, key: str, taken: list[Step]) -> Step | None:
    match method, key:
        case "now", _:
            return None  # the store's clock: for the lease's record
        case _, _ if key == LEASE_KEY:
            return "release" if "commit" in taken else "lease"
        case "get", _ if key == MANIFEST_KEY:
            return "read_back" if "commit" in taken else "read_base"
        case "put", _ if key == MANIFEST_KEY:
            return "commit"
        case _, _ if key == f"{PARTITION}/_checksums.json":
            return "checksums"
        case _, _ if key == hint.key_of(SYSTEM, ENTITY):
            return "watermark"
        case (("stage" | "part" | "seal"), _):
            return "stage"
        case "complete", _:
            return "complete"
        case (("scan" | "scan_staged"), _):
            return "list"
        case (("delete" | "discard"), _):
            return "reap"
    raise AssertionError(f"{method} {key} belongs to no step")


def test_two_runs_hold_in_every_state() -> None:
    states, violation = explore(Model(runs=2))
    assert violation is None
    assert states > 9_000


@pytest.mark.parametrize(("runs", "collections"), [(1, 1), (0, 2)])
def test_garbage_collection_holds_in_every_state(runs: int, collections: int) -> None:
    states, violation = explore(Model(runs=runs, collections=collections))
    assert violation is None
    assert states > 1_000


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_two_runs_and_a_gc_hold_in_every_state(explored: Callable[[str], Explored]) -> None:
    states, violation = explored("two runs and a gc")
    assert violation is None
    assert states > 560_000


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_three_runs_hold_in_every_state(explored: Callable[[str], Explored]) -> None:
    states, violation = explored("three runs")
    assert violation is None
    assert states > 440_000


@pytest.mark.parametrize("mutant", MUTANTS)
def test_mutant_is_caught(mutant: Mutant) -> None:
    _, violation = explore(Model(runs=2, mutant=mutant))
    assert violation is not None
    assert violation.trace


@pytest.mark.parametrize("mutant", GC_MUTANTS)
def test_mutant_of_gc_is_caught(mutant: Mutant) -> None:
    _, violation = explore(Model(runs=1, collections=1, mutant=mutant))
    assert violation is not None
    assert any(label.startswith("100: ") for label in violation.trace)


def test_two_runs_on_two_dates_of_a_chain_hold_in_every_state() -> None:
    states, violation = explore(ChainModel(runs=2))
    assert violation is None
    assert states > 1_000


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_three_runs_on_two_dates_of_a_chain_hold_in_every_state(
    explored: Callable[[str], Explored],
) -> None:
    states, violation = explored("three runs of a chain")
    assert violation is None
    assert states > 300_000


@pytest.mark.parametrize(
    ("mutant", "runs"),
    [("no_entity_fence", 2), ("no_confirmation", 2), ("forgets_those_before", 3)],
)
def test_mutant_of_a_chain_is_caught(mutant: ChainMutant, runs: int) -> None:
    _, violation = explore(ChainModel(runs=runs, mutant=mutant))
    assert violation is not None
    assert "the windows overlap" in violation.what
    assert violation.trace


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_mutant_of_a_chain_of_three_runs_is_caught(explored: Callable[[str], Explored]) -> None:
    _, violation = explored("gives_back_for_others")
    assert violation is not None
    assert "the windows overlap" in violation.what
    assert violation.trace


def test_chain_model_has_the_steps_of_a_chain() -> None:
    assert tuple(ChainModel(runs=1).steps) == CHAIN_STEPS
    assert len(CHAIN_MUTANTS) == 4  # each has its case above
