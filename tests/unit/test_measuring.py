"""What is measured may be wrong now and then, and not every time."""

from __future__ import annotations

import pytest

from tests.measuring import ATTEMPTS, measured

pytestmark = pytest.mark.unit


@measured
def holds_at(attempt: int, tried: list[int]) -> None:
    tried.append(len(tried) + 1)
    assert tried[-1] == attempt


@measured
async def holds_on_a_loop_at(attempt: int, tried: list[int]) -> None:
    tried.append(len(tried) + 1)
    assert tried[-1] == attempt


@pytest.mark.asyncio
@pytest.mark.parametrize("attempt", [1, ATTEMPTS])
async def test_one_attempt_that_holds_is_enough(attempt: int) -> None:
    plain: list[int] = []
    on_loop: list[int] = []
    holds_at(attempt, plain)
    await holds_on_a_loop_at(attempt, on_loop)
    assert plain == on_loop == list(range(1, attempt + 1))


@pytest.mark.asyncio
async def test_what_never_holds_fails() -> None:
    with pytest.raises(AssertionError):
        holds_at(ATTEMPTS + 1, [])
    with pytest.raises(AssertionError):
        await holds_on_a_loop_at(ATTEMPTS + 1, [])


def test_another_error_is_not_tried_again() -> None:
    @measured
    def fails() -> None:
        tried.append(1)
        raise OSError("no connection")

    tried: list[int] = []
    with pytest.raises(OSError, match="no connection"):
        fails()
    assert tried == [1]
