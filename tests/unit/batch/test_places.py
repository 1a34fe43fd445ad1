"""Whose turn it is, on a clock that stands still."""

from __future__ import annotations

import pytest

from bronze_engine.batch.places import SILENT_SECONDS, Places, Sign, Turn
from bronze_engine.flow import Budget, Reservation
from bronze_engine.testing.clock import ManualClock

pytestmark = pytest.mark.unit


class Line:
    """Turns by letter: `a1` is the first of the group `a`."""

    def __init__(self, max_parallel: int, *names: str) -> None:
        self.clock = ManualClock()
        self.budget = Budget(1000)
        self.places = Places(max_parallel, self.clock)
        self.turns = {name: Turn(number, name[0]) for number, name in enumerate(names)}
        self.names = {turn.number: name for name, turn in self.turns.items()}
        for turn in self.turns.values():
            self.places.add(turn)

    def take(self) -> list[str]:
        found = []
        while (turn := self.places.take()) is not None:
            found.append(self.names[turn.number])
            turn.admit(Reservation(self.budget, 10, 9))
        return found

    def leave(self, *names: str) -> None:
        for name in names:
            self.places.leave(self.turns[name])

    def hear(self, *names: str, sign: Sign = "work") -> list[bool]:
        return [self.places.hear(self.turns[name], sign) for name in names]

    async def silence(self) -> None:
        await self.clock.advance(SILENT_SECONDS)

    def aside(self) -> set[str]:
        return {name for name, turn in self.turns.items() if turn.is_aside}


def test_the_group_with_the_fewest_under_way_is_next_then_the_order_of_asking() -> None:
    line = Line(4, "a1", "a2", "a3", "b1", "b2", "c1")
    assert line.take() == ["a1", "b1", "c1", "a2"]
    line.leave("c1")
    assert line.take() == ["b2"]
    line.leave("a1")
    assert line.take() == ["a3"]


@pytest.mark.asyncio
async def test_a_silent_run_gives_its_place_to_another_group() -> None:
    line = Line(2, "a1", "b1", "b2", "b3")
    assert line.take() == ["a1", "b1"]
    assert line.places.look_in_seconds == SILENT_SECONDS
    await line.clock.advance(0.4)
    line.hear("b1")
    await line.clock.advance(0.6)
    assert line.places.look_in_seconds == 0.0
    assert line.take() == ["b2"]
    assert line.aside() == {"a1"}
    line.leave("a1")
    assert line.take() == []
    line.leave("b1")
    assert line.take() == ["b3"]


@pytest.mark.asyncio
async def test_where_no_other_group_waits_a_silent_run_keeps_its_place() -> None:
    line = Line(2, "a1", "a2", "a3")
    assert line.take() == ["a1", "a2"]
    await line.silence()
    assert line.take() == []
    assert line.places.look_in_seconds is None
    line.leave("a2")
    assert line.take() == ["a3"]
    assert line.aside() == set()


@pytest.mark.asyncio
async def test_one_that_is_heard_of_again_is_counted_again() -> None:
    line = Line(2, "a1", "b1", "b2", "b3")
    line.take()
    await line.silence()
    line.hear("b1")
    assert line.take() == ["b2"]
    assert line.hear("a1") == [True]
    assert line.aside() == set()
    line.leave("b1")  # two hold places still
    assert line.take() == []
    line.leave("b2")
    assert line.take() == ["b3"]


@pytest.mark.asyncio
async def test_a_silent_group_begins_aside_a_few_at_a_time_until_it_is_heard_of() -> None:
    line = Line(4, "a1", "b1", "c1", "d1", "b2", "c2", "d2", "e1", "e2", "a2", "a3", "a4")
    assert line.take() == ["a1", "b1", "c1", "d1"]
    await line.silence()
    line.hear("b1", "c1", "d1")
    assert line.take() == ["e1", "a2"]
    assert line.aside() == {"a1", "a2"}
    line.hear("a2", sign="step")  # its stores answer, and its source does not
    line.leave("a1")  # it has failed
    assert line.take() == ["a3"]
    assert line.aside() == {"a2", "a3"}
    line.leave("b1")
    assert line.take() == ["b2"]
    assert line.hear("a2") == [True]
    assert line.aside() == {"a3"}
    line.leave("c1", "d1")
    assert line.take() == ["c2"]  # a2 holds a place again
    line.leave("b2")
    assert line.take() == ["d2"]


@pytest.mark.asyncio
async def test_a_group_out_of_favour_is_heard_of_in_a_place_too() -> None:
    line = Line(2, "a1", "b1", "b2", "a2", "a3")
    line.take()
    await line.silence()
    line.hear("b1")
    assert line.take() == ["b2"]
    line.leave("b1", "b2", "a1")
    assert line.take() == ["a2", "a3"]
    assert line.hear("a2", sign="step") == [False]
    assert line.hear("a2", "a3") == [True, False]


@pytest.mark.asyncio
async def test_places_that_nobody_else_wants_are_a_silent_groups() -> None:
    line = Line(2, "a1", "b1", "b2", "a2", "a3")
    line.take()
    await line.silence()
    line.hear("b1")
    assert line.take() == ["b2"]
    line.leave("b1", "b2")
    assert line.take() == ["a2", "a3"]
    assert line.aside() == {"a1"}


@pytest.mark.asyncio
async def test_of_one_place_there_is_never_a_second_run() -> None:
    line = Line(1, "a1", "b1")
    assert line.take() == ["a1"]
    await line.silence()
    assert line.take() == []
    assert line.places.look_in_seconds is None


@pytest.mark.asyncio
async def test_at_most_one_less_than_the_places_is_aside() -> None:
    names = [f"{group}{at}" for at in (1, 2, 3) for group in "abcdefgh"]
    line = Line(4, *names)
    begun: list[str] = []
    for _ in range(10):
        begun += line.take()
        await line.silence()
    assert len(begun) == 7
    assert len(line.aside()) == 3


@pytest.mark.asyncio
async def test_while_one_waits_for_memory_no_other_begins_and_it_is_not_set_aside() -> None:
    line = Line(3, "a1", "b1", "b2", "b3")
    turn = line.places.take()
    assert turn is not None
    assert line.hear("a1", sign="memory") == [False]
    assert line.take() == []
    await line.silence()
    assert line.take() == []
    assert line.aside() == set()
    assert line.hear("a1") == [True]
    assert line.take() == ["b1", "b2"]


@pytest.mark.asyncio
async def test_while_one_waits_for_memory_a_silent_one_of_another_group_lends_its_own() -> None:
    line = Line(3, "a1", "a2", "b1", "b2")
    line.budget.limit_bytes = 40
    assert line.take() == ["a1", "b1", "a2"]
    line.hear("b1", sign="memory")
    assert line.places.look_in_seconds == SILENT_SECONDS
    await line.silence()
    assert line.take() == []
    assert line.turns["a1"].has_lent
    assert line.aside() == {"a1"}  # half of the places, rounded down, of one group
    assert line.hear("b1") == [True]
    assert line.take() == ["b2"]


def test_what_is_cleared_does_not_begin() -> None:
    line = Line(1, "a1", "b1")
    line.take()
    line.places.clear()
    line.leave("a1")
    assert line.take() == []


@pytest.mark.asyncio
async def test_none_begins_aside_while_one_there_has_not_lent_its_memory() -> None:
    line = Line(4, "a1", "b1", "c1", "d1", "b2", "c2", "d2", "a2", "e1")
    line.budget.limit_bytes = 3  # nothing may be lent
    line.take()
    await line.silence()
    line.hear("b1", "c1", "d1")
    assert line.take() == ["e1"]
    line.budget.limit_bytes = 4
    line.turns["a1"].set_aside()
    assert line.take() == ["a2"]
