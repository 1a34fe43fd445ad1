"""Two dates of one chain as a machine whose every state is visited: the claim and its fence.

The source holds one row, number 1. The window of a date begins at the high of the earlier date
and ends at the low of the later one, or at 1; so together the two must hold the row at most
once, and one that begins above it may only stand while the other holds it. Two runs at a time,
`runs` in all, each of either date. Each may crash before any step, and its lease may seem
stale at any time; the put of a manifest may be applied and answered, applied or not without an
answer, or applied at any later time, even after its sender is dead. The steps are those of
`bronze_engine.publish.steps.CHAIN_STEPS`; what a commit does to files is `commit_model`'s.

A mutant is the protocol with one of its precautions left out.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, Literal, NamedTuple, get_args

from bronze_engine.publish.steps import ChainStep

__all__ = ["CHAIN_MUTANTS", "ChainModel", "ChainMutant"]

ChainMutant = Literal[
    "no_entity_fence",
    "no_confirmation",
    "forgets_those_before",
    "gives_back_for_others",
]
CHAIN_MUTANTS: Final[tuple[ChainMutant, ...]] = get_args(ChainMutant)

DATES: Final = (0, 1)
LAST: Final = 1
"""The highest cursor of the source."""
DELAYED_AT_MOST: Final = 2


class Manifest(NamedTuple):
    version: int = 0
    run: int = 0
    """Who put it last; a fence leaves what it found."""
    window: tuple[int, int] | None = None
    """(low, high]; None where the date is absent or void."""


class Put(NamedTuple):
    """A put of a manifest on its way."""

    date: int
    expect: int
    run: int
    window: tuple[int, int]


Claimant = tuple[int, int]
"""Run and date."""


class Stored(NamedTuple):
    """What the store holds, and what is on its way there."""

    manifests: tuple[Manifest, ...] = (Manifest(), Manifest())
    claim_version: int = 0
    claimant: Claimant | None = None
    unfenced: tuple[Claimant, ...] = ()
    delayed: frozenset[Put] = frozenset()
    committed: frozenset[int] = frozenset()


class Writer(NamedTuple):
    """A run at the step that it takes next."""

    run: int
    date: int
    step: ChainStep = "lease"
    claim_version: int = 0
    todo: tuple[Claimant, ...] = ()
    """Claimants before that are still to be fenced, or of a claim that was read to be put."""
    base: int | None = None
    """The version that its commit expects; None until it is read."""
    own: tuple[int, int] | None = None
    """What stood there."""
    window: tuple[int, int] = (0, LAST)
    is_in_doubt: bool = False


Pair = tuple[Writer | None, Writer | None]
"""Which of the two is first means nothing: the earlier one is, so that no state comes twice."""


class State(NamedTuple):
    stored: Stored = Stored()
    writers: Pair = (None, None)
    started: int = 0


Next = tuple[str, Stored, Writer | None]
"""A label, the store, and the writer after it; None where its run has ended."""


class ChainModel:
    def __init__(self, *, runs: int, mutant: ChainMutant | None = None) -> None:
        self.runs = runs
        self.mutant = mutant
        self.steps = {
            "lease": self.lease,
            "claim": self.claim,
            "fence": self.fence,
            "survey": self.survey,
            "confirm": self.confirm,
            "commit": self.commit,
            "read_back": self.read_back,
            "give_back": self.give_back,
        }

    def start(self) -> State:
        return State()

    def successors(self, state: State) -> Iterator[tuple[str, State]]:
        stored, writers, started = state
        for put in stored.delayed:
            late = stored._replace(delayed=stored.delayed - {put})
            yield "late put", state._replace(stored=self.apply(late, put) or late)
        for place, writer in enumerate(writers):
            if writer is None:
                if started < self.runs:
                    for date in DATES:
                        begun = _put(writers, place, Writer(started + 1, date))
                        label = f"{started + 1}: start on {date}"
                        yield label, state._replace(writers=begun, started=started + 1)
                continue
            yield f"{writer.run}: crash", state._replace(writers=_put(writers, place, None))
            for label, after, result in self.steps[writer.step](stored, writer):
                moved = _put(writers, place, result)
                yield f"{writer.run}: {label}", state._replace(stored=after, writers=moved)

    def lease(self, stored: Stored, writer: Writer) -> Iterator[Next]:
        """It keeps nobody out: it may be judged stale at any time. Then the claim is read."""
        last = {date: run for run, date in stored.unfenced}  # of each date
        if stored.claimant is not None:
            last[stored.claimant[1]] = stored.claimant[0]
        before = tuple((run, date) for date, run in last.items())
        read = writer._replace(step="claim", claim_version=stored.claim_version, todo=before)
        yield "lease", stored, read

    def claim(self, stored: Stored, writer: Writer) -> Iterator[Next]:
        if stored.claim_version != writer.claim_version:
            yield "claimed by another", stored, None
            return
        unfenced = () if self.mutant == "forgets_those_before" else writer.todo
        yield (
            "claim",
            stored._replace(
                claim_version=stored.claim_version + 1,
                claimant=(writer.run, writer.date),
                unfenced=unfenced,
            ),
            writer._replace(step="fence", claim_version=stored.claim_version + 1),
        )

    def fence(self, stored: Stored, writer: Writer) -> Iterator[Next]:
        """Reading and putting in one: a put that finds another version is tried again."""
        others = tuple(one for one in writer.todo if one[1] != writer.date)
        kept = tuple(one for one in writer.todo if one[1] == writer.date)
        if not others or self.mutant == "no_entity_fence":
            yield "all are fenced", stored, writer._replace(step="survey", todo=kept)
            return
        run, date = others[0]
        after = writer._replace(todo=(*others[1:], *kept))
        if run in stored.committed:
            yield "it has committed", stored, after
            return
        found = stored.manifests[date]
        bumped = _manifest(stored, date, found._replace(version=found.version + 1))
        yield "fence", bumped, after

    def survey(self, stored: Stored, writer: Writer) -> Iterator[Next]:
        """The base first, then the other date: what stands there may change in between."""
        own, other = stored.manifests[writer.date], stored.manifests[1 - writer.date].window
        if writer.base is None:
            yield "survey: base", stored, writer._replace(base=own.version, own=own.window)
            return
        end, begin = (None, other) if writer.date == 0 else (other, None)
        low = writer.own[0] if writer.own else end[1] if end else 0
        high = begin[0] if begin else LAST
        if low > high or (end and end[1] > low):
            yield "survey: the windows overlap", stored, writer._replace(step="give_back")
            return
        yield "survey", stored, writer._replace(step="confirm", window=(low, high))

    def confirm(self, stored: Stored, writer: Writer) -> Iterator[Next]:
        if self.mutant == "no_confirmation":
            yield "not confirmed", stored, writer._replace(step="commit")
        elif stored.claim_version != writer.claim_version:
            yield "taken over", stored, None
        else:
            version = stored.claim_version + 1
            yield (
                "confirm",
                stored._replace(claim_version=version, unfenced=writer.todo),
                writer._replace(step="commit", claim_version=version),
            )

    def commit(self, stored: Stored, writer: Writer) -> Iterator[Next]:
        assert writer.base is not None
        put = Put(writer.date, writer.base, writer.run, writer.window)
        back = writer._replace(step="read_back")
        applied = self.apply(stored, put)
        if applied is not None:
            yield "commit", applied, writer._replace(step="give_back", todo=())
            yield "commit, answer lost", applied, back._replace(is_in_doubt=True)
        else:
            yield "commit conflicts", stored, back
        yield "commit lost", stored, back._replace(is_in_doubt=True)
        if len(stored.delayed) < DELAYED_AT_MOST:
            delayed = stored._replace(delayed=stored.delayed | {put})
            yield "commit delayed", delayed, back._replace(is_in_doubt=True)
        if not writer.is_in_doubt:
            yield "the run fails before it", stored, writer._replace(step="give_back")

    def read_back(self, stored: Stored, writer: Writer) -> Iterator[Next]:
        if writer.run in stored.committed:
            yield "read_back: mine", stored, writer._replace(step="give_back", todo=())
        elif stored.manifests[writer.date].version == writer.base:
            yield "read_back: still the base", stored, writer._replace(step="commit")
            if writer.is_in_doubt:
                yield "read_back: unknown", stored, None  # the claim stays
        else:
            yield "read_back: another's", stored, writer._replace(step="give_back")

    def give_back(self, stored: Stored, writer: Writer) -> Iterator[Next]:
        if stored.claim_version != writer.claim_version:
            yield "taken over before it was given back", stored, None
            return
        yield (
            "give_back",
            stored._replace(
                claim_version=stored.claim_version + 1,
                claimant=None,
                unfenced=() if self.mutant == "gives_back_for_others" else writer.todo,
            ),
            None,
        )

    def apply(self, stored: Stored, put: Put) -> Stored | None:
        """The store after a put of a manifest; None where its expectation fails."""
        found = stored.manifests[put.date]
        if found.version != put.expect:
            return None
        after = _manifest(stored, put.date, Manifest(put.expect + 1, put.run, put.window))
        return after._replace(committed=stored.committed | {put.run})

    def fault(self, state: State) -> str | None:
        """What must never be, if it is."""
        first, second = (manifest.window for manifest in state.stored.manifests)
        if second is None:
            return None
        if first is not None and first[1] > second[0]:
            return f"the windows overlap: {first} and {second}"
        if second[0] > 0 and (first is None or first[1] < second[0]):
            return f"a row is lost: {first} and {second}"
        return None


def _put(writers: Pair, place: int, writer: Writer | None) -> Pair:
    other = writers[1 - place]
    if writer is None or (other is not None and other.run < writer.run):
        return other, writer
    return writer, other


def _manifest(stored: Stored, date: int, manifest: Manifest) -> Stored:
    first, second = stored.manifests
    pair = (manifest, second) if date == 0 else (first, manifest)
    return stored._replace(manifests=pair)
