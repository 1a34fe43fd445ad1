"""What flows: bounded bytes, in order, by tasks side by side.

    budget     the engine's bytes, and what runs and lanes hold of them
    ordered    fetches side by side, handed on in order
    groups     tasks side by side, and the one error of theirs
    gate       where a task waits for a change
    nap        a sleep that another task may end

`ordered` says why flows can't keep each other waiting for ever.
"""

from __future__ import annotations

from bronze_engine.flow.budget import Budget, Lane, Reservation
from bronze_engine.flow.gate import Gate
from bronze_engine.flow.groups import CANCELLED_WITHIN, each, single, ungrouped
from bronze_engine.flow.nap import Nap
from bronze_engine.flow.ordered import ordered

__all__ = [
    "CANCELLED_WITHIN",
    "Budget",
    "Gate",
    "Lane",
    "Nap",
    "Reservation",
    "each",
    "ordered",
    "single",
    "ungrouped",
]
