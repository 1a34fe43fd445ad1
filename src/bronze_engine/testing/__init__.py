"""What the tests of this package and of third parties build on."""

from __future__ import annotations

from bronze_engine.testing.clock import ManualClock, Waiting
from bronze_engine.testing.faults import Fault, FaultyStore, Script, inject
from bronze_engine.testing.sources import Pause, ScriptedSource, Step, page
from bronze_engine.testing.stores import STORE_CHECKS, StoreCheck, StoreFactory, name_of

__all__ = [
    "STORE_CHECKS",
    "Fault",
    "FaultyStore",
    "ManualClock",
    "Pause",
    "Script",
    "ScriptedSource",
    "Step",
    "StoreCheck",
    "StoreFactory",
    "Waiting",
    "inject",
    "name_of",
    "page",
]
