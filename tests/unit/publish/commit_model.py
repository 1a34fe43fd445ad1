"""The commit protocol as a machine whose every state is visited.

Two writers at a time, `runs` runs and `collections` garbage collections in all. Each may
crash before any step; a lease may seem stale at any time, for no clock is trusted; the put
of the manifest may be applied and answered, applied and not answered, lost, or delayed and
applied at any later time, even after its sender is dead. The steps are those of
`bronze_engine.publish.steps`.

A mutant is the protocol with one of its precautions left out. Each must be caught, or the
precaution, or this model, is worth nothing.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Hashable, Iterator, Mapping
from typing import Any, Final, Literal, NamedTuple, Protocol, TypeVar, get_args

from bronze_engine.publish.steps import GcStep, Step

__all__ = ["GC_MUTANTS", "MUTANTS", "Machine", "Model", "Mutant", "Violation", "explore"]

S = TypeVar("S", bound=Hashable)

Mutant = Literal[
    "unconditional_put",
    "reap_before_commit",
    "reap_any_generation",
    "names_without_run",
    "names_in_place",
    "no_read_back",
    "watermark_first",
    "discard_in_doubt",
    "gc_without_fence",
    "fence_without_lineage",
]
GC_MUTANTS: Final[tuple[Mutant, ...]] = ("gc_without_fence", "fence_without_lineage")
MUTANTS: Final[tuple[Mutant, ...]] = tuple(
    mutant for mutant in get_args(Mutant) if mutant not in GC_MUTANTS
)

FILES: Final = 2
FIRST_GC: Final = 100
"""Writers are numbered: runs from 1, garbage collections from here."""
DELAYED_AT_MOST: Final = 2


class File(NamedTuple):
    """A visible file: what its name says, and whose bytes it has."""

    generation: int
    run: int
    number: int
    owner: int


class Put(NamedTuple):
    """A put of the manifest on its way."""

    expect: int
    generation: int
    run: int
    holds: tuple[int, int]


class Stored(NamedTuple):
    """What the store holds, and what is on its way there."""

    generation: int = 0
    run: int = 0
    """Of the manifest: who put it; 0 where there is none."""
    holds: tuple[int, int] = (0, 0)
    """Generation and run of the files that the manifest names; void and absent name none."""
    version: int = 0
    files: frozenset[File] = frozenset()
    watermark: int = 0
    checksums: int = 0
    lease: int = 0
    delayed: frozenset[Put] = frozenset()
    commits: tuple[tuple[int, int], ...] = ()


class Writer(NamedTuple):
    """A run or a garbage collection, at the step that it takes next."""

    run: int
    step: Step | GcStep
    version: int = 0
    generation: int = 0
    """The one that it would commit; of a gc without a fence the one that stands."""
    holds: tuple[int, int] = (0, 0)
    """What the manifest names that it would commit."""
    number: int = 0
    is_in_doubt: bool = False
    dead: tuple[File, ...] = ()


Pair = tuple[Writer | None, Writer | None]
"""Which of the two is first means nothing: the earlier one is, so that no state comes twice."""


class State(NamedTuple):
    stored: Stored
    writers: Pair
    started: int
    collections: int
    ended: tuple[tuple[int, str], ...]
    """Run and outcome, in order."""


class Violation(NamedTuple):
    what: str
    trace: tuple[str, ...]


Next = tuple[str, Stored, Writer | str]
"""A label, the store, and the writer after it, or how its run ended."""


class Model:
    def __init__(self, *, runs: int, collections: int = 0, mutant: Mutant | None = None) -> None:
        self.runs = runs
        self.collections = collections
        self.mutant = mutant
        self.steps: dict[Step, Callable[[Stored, Writer], Iterator[Next]]] = {
            "lease": self.lease,
            "read_base": self.read_base,
            "stage": self.stage,
            "complete": self.complete,
            "commit": self.commit,
            "read_back": self.read_back,
            "checksums": self.checksums,
            "watermark": self.watermark,
            "list": self.list,
            "reap": self.reap,
            "release": self.release,
        }
        self.gc_steps: dict[GcStep, Callable[[Stored, Writer], Iterator[Next]]] = {
            "lease": self.lease,
            "read_base": self.read_base,
            "look": self.look,
            "fence": self.commit,
            "read_back": self.read_back,
            "checksums": self.checksums,
            "list": self.list,
            "reap": self.reap,
            "watermark": self.watermark,
            "release": self.release,
        }

    def start(self) -> State:
        return State(Stored(), (None, None), 0, 0, ())

    def successors(self, state: State) -> Iterator[tuple[str, State]]:
        stored, writers, started, collections, ended = state
        for put in stored.delayed:
            late = stored._replace(delayed=stored.delayed - {put})
            yield "late put", state._replace(stored=self.apply(late, put) or late)
        for place, writer in enumerate(writers):
            if writer is None:
                if started < self.runs:
                    begun = _put(writers, place, Writer(started + 1, "lease"))
                    yield "start", state._replace(writers=begun, started=started + 1)
                if collections < self.collections:
                    begun = _put(writers, place, Writer(FIRST_GC + collections, "lease"))
                    yield (
                        "start gc",
                        state._replace(writers=begun, collections=collections + 1),
                    )
                continue
            left = _put(writers, place, None)
            crashed = (*ended, (writer.run, "crash"))
            yield "crash", state._replace(writers=left, ended=crashed)
            for label, after, result in self._step(stored, writer):
                name = f"{writer.run}: {label}"
                if isinstance(result, str):
                    over = (*ended, (writer.run, result))
                    yield name, state._replace(stored=after, writers=left, ended=over)
                else:
                    moved = _put(writers, place, result)
                    yield name, state._replace(stored=after, writers=moved)

    def _step(self, stored: Stored, writer: Writer) -> Iterator[Next]:
        steps: Any = self.gc_steps if _is_gc(writer) else self.steps
        found: Iterator[Next] = steps[writer.step](stored, writer)
        return found

    def lease(self, stored: Stored, writer: Writer) -> Iterator[Next]:
        taken = stored._replace(lease=writer.run)
        yield "lease", taken, writer._replace(step="read_base")
        if stored.lease:
            yield "lease is held", stored, "STATE001"

    def read_base(self, stored: Stored, writer: Writer) -> Iterator[Next]:
        if self.mutant == "reap_before_commit":
            named = self.named(stored.generation, stored.run)
            kept = frozenset(file for file in stored.files if file[:3] in named)
            stored = stored._replace(files=kept)
        generation = stored.generation + 1
        read = writer._replace(version=stored.version, generation=generation)
        if _is_gc(writer):
            yield "read_base", stored, read._replace(step="look", holds=stored.holds)
        else:
            yield "read_base", stored, read._replace(step="stage", holds=(generation, writer.run))

    def look(self, stored: Stored, writer: Writer) -> Iterator[Next]:
        """Staged files are not modelled: gc may always have seen one of the next generation."""
        yield "look: one may be alive", stored, writer._replace(step="fence")
        plain = writer._replace(step="list", generation=writer.generation - 1)
        if self.mutant == "gc_without_fence":
            plain = writer._replace(step="list")
        elif any(file.generation >= writer.generation for file in stored.files):
            return
        if stored.version:
            yield "look: all are dead", stored, plain

    def stage(self, stored: Stored, writer: Writer) -> Iterator[Next]:
        if self.mutant == "watermark_first":
            stored = stored._replace(watermark=max(stored.watermark, writer.generation))
        yield "stage", stored, writer._replace(step="complete")
        yield "stage fails", stored, "failed"

    def complete(self, stored: Stored, writer: Writer) -> Iterator[Next]:
        generation, run, number = self.name(writer.generation, writer.run, writer.number)
        others = frozenset(file for file in stored.files if file[:3] != (generation, run, number))
        files = others | {File(generation, run, number, writer.run)}
        done = writer.number + 1 == FILES
        after = writer._replace(
            step="commit" if done else "complete", number=0 if done else writer.number + 1
        )
        yield "complete", stored._replace(files=files), after
        yield "complete fails", self.discard(stored, writer), "failed"

    def commit(self, stored: Stored, writer: Writer) -> Iterator[Next]:
        put = Put(writer.version, writer.generation, writer.run, writer.holds)
        back = writer._replace(step="read_back")
        applied = self.apply(stored, put)
        if applied is not None:
            yield "commit", applied, writer._replace(step="checksums")
            yield "commit, answer lost", applied, back._replace(is_in_doubt=True)
        elif self.mutant == "no_read_back":
            yield "commit conflicts", stored, "STATE001"
        else:
            yield "commit conflicts", stored, back
        yield "commit lost", stored, back._replace(is_in_doubt=True)
        if len(stored.delayed) < DELAYED_AT_MOST:
            delayed = stored._replace(delayed=stored.delayed | {put})
            yield "commit delayed", delayed, back._replace(is_in_doubt=True)
        if not writer.is_in_doubt:
            yield "commit refused", self.discard(stored, writer), "failed"

    def read_back(self, stored: Stored, writer: Writer) -> Iterator[Next]:
        if stored.run == writer.run:
            yield "read_back: mine", stored, writer._replace(step="checksums")
        elif self._is_in_lineage(stored, writer):
            # The files of a run are named no more; a gc goes on, its fence stands.
            yield (
                "read_back: superseded",
                stored,
                writer._replace(step="checksums") if _is_gc(writer) else "superseded",
            )
        elif stored.version == writer.version:
            again = writer._replace(step="fence" if _is_gc(writer) else "commit")
            yield "read_back: still the base", stored, again
            left = self.discard(stored, writer)
            if writer.is_in_doubt and self.mutant != "discard_in_doubt":
                left = stored
            yield "read_back: unknown", left, "unknown"
        else:
            yield "read_back: another's", self.discard(stored, writer), "STATE001"

    def checksums(self, stored: Stored, writer: Writer) -> Iterator[Next]:
        after = stored._replace(checksums=max(stored.checksums, writer.generation))
        yield "checksums", after, writer._replace(step="list" if _is_gc(writer) else "watermark")

    def watermark(self, stored: Stored, writer: Writer) -> Iterator[Next]:
        after = stored._replace(watermark=max(stored.watermark, writer.generation))
        yield "watermark", after, writer._replace(step="release" if _is_gc(writer) else "list")

    def list(self, stored: Stored, writer: Writer) -> Iterator[Next]:
        named = self.named(*writer.holds)
        dead = tuple(
            sorted(
                file
                for file in stored.files
                if file[:3] not in named
                and (file.generation <= writer.generation or self.mutant == "reap_any_generation")
            )
        )
        yield "list", stored, writer._replace(step="reap", dead=dead)

    def reap(self, stored: Stored, writer: Writer) -> Iterator[Next]:
        if not writer.dead:
            yield (
                "reaped",
                stored,
                writer._replace(step="watermark" if _is_gc(writer) else "release"),
            )
            return
        name = writer.dead[0][:3]
        left = frozenset(file for file in stored.files if file[:3] != name)
        yield "reap", stored._replace(files=left), writer._replace(dead=writer.dead[1:])

    def release(self, stored: Stored, writer: Writer) -> Iterator[Next]:
        free = stored._replace(lease=0) if stored.lease == writer.run else stored
        yield "release", free, "collected" if _is_gc(writer) else "ok"

    def apply(self, stored: Stored, put: Put) -> Stored | None:
        """The store after a put of the manifest; None where its expectation fails."""
        if stored.version != put.expect and self.mutant != "unconditional_put":
            return None
        return stored._replace(
            generation=put.generation,
            run=put.run,
            holds=put.holds,
            version=stored.version + 1,
            commits=(*stored.commits, (put.generation, put.run)),
        )

    def discard(self, stored: Stored, writer: Writer) -> Stored:
        """The store after a run that can't commit any more has removed its files; gc has none."""
        if _is_gc(writer):
            return stored
        named = self.named(writer.generation, writer.run)
        return stored._replace(
            files=frozenset(file for file in stored.files if file[:3] not in named)
        )

    def _is_in_lineage(self, stored: Stored, writer: Writer) -> bool:
        if self.mutant == "fence_without_lineage" and stored.run >= FIRST_GC:
            return False
        return (writer.generation, writer.run) in stored.commits

    def name(self, generation: int, run: int, number: int) -> tuple[int, int, int]:
        if self.mutant == "names_in_place":
            return 0, 0, number
        return generation, 0 if self.mutant == "names_without_run" else run, number

    def named(self, generation: int, run: int) -> set[tuple[int, int, int]]:
        return {self.name(generation, run, number) for number in range(FILES)}

    def fault(self, state: State) -> str | None:
        """What must never be, if it is."""
        stored = state.stored
        generation, run = stored.holds
        if run:
            owners = {file[:3]: file.owner for file in stored.files}
            for name in self.named(generation, run):
                if name not in owners:
                    return f"the manifest of run {stored.run} names a file that is gone"
                if owners[name] != run:
                    return f"the manifest of run {stored.run} names bytes of {owners[name]}"
        if stored.watermark > stored.generation:
            return "the watermark is past the data"
        if stored.checksums > stored.generation:
            return "the checksums are of a generation that was never committed"
        if [generation for generation, _ in stored.commits] != list(
            range(1, len(stored.commits) + 1)
        ):
            return f"a commit overwrote one that it had not seen: {stored.commits}"
        committed = {run for _, run in stored.commits}
        for run, outcome in state.ended:
            if outcome in {"STATE001", "failed"} and run in committed:
                return f"run {run} ended as {outcome} and is committed"
            if outcome in {"ok", "superseded"} and run not in committed:
                return f"run {run} ended as {outcome} and is not committed"
        return self._orphan(state)

    def _orphan(self, state: State) -> str | None:
        """After a run that ended well, alone, only files of runs that broke may be left."""
        stored = state.stored
        if state.writers != (None, None) or stored.delayed or not state.ended:
            return None
        if state.ended[-1] != (stored.run, "ok"):
            return None
        broken = {run for run, outcome in state.ended if outcome in {"crash", "unknown"}}
        for file in stored.files:
            if file.owner != stored.run and file.owner not in broken:
                return f"an orphan of run {file.owner} is left"
        return None


class Machine(Protocol[S]):
    """What can be explored. States are compared and hashed."""

    def start(self) -> S: ...

    def successors(self, state: S, /) -> Iterator[tuple[str, S]]: ...

    def fault(self, state: S, /) -> str | None: ...


def explore(model: Machine[S]) -> tuple[int, Violation | None]:
    """Visit states breadth first; how many there were, and the first fault with its trace."""
    start = model.start()
    came_from: dict[S, tuple[S, str] | None] = {start: None}
    todo = deque([start])
    while todo:
        state = todo.popleft()
        what = model.fault(state)
        if what is not None:
            return len(came_from), Violation(what, _trace(came_from, state))
        for label, after in model.successors(state):
            if after not in came_from:
                came_from[after] = (state, label)
                todo.append(after)
    return len(came_from), None


def _is_gc(writer: Writer) -> bool:
    return writer.run >= FIRST_GC


def _put(writers: Pair, place: int, writer: Writer | None) -> Pair:
    other = writers[1 - place]
    if writer is None or (other is not None and other.run < writer.run):
        return other, writer
    return writer, other


def _trace(came_from: Mapping[S, tuple[S, str] | None], state: S) -> tuple[str, ...]:
    labels: list[str] = []
    step = came_from[state]
    while step is not None:
        labels.append(step[1])
        step = came_from[step[0]]
    return tuple(reversed(labels))
