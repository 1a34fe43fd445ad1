"""Servers for all modules of this folder: imported by each, a fixture is made anew in each."""

from __future__ import annotations

from tests.integration.azurite import azurite
from tests.integration.store.runs import lanes, runs, warm_lanes

__all__ = ["azurite", "lanes", "runs", "warm_lanes"]
