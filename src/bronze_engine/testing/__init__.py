"""What the tests of this package and of third parties build on."""

from __future__ import annotations

from bronze_engine.testing.auth_checks import (
    AUTH_CHECKS,
    AuthCheck,
    AuthFactory,
    AuthSubject,
    Grant,
)
from bronze_engine.testing.clock import ManualClock, Waiting
from bronze_engine.testing.cut import Cut, CutStyle, Steps, cut_at
from bronze_engine.testing.faults import Fault, FaultyStore, Script, inject
from bronze_engine.testing.left import Footprint, footprint, nothing_left
from bronze_engine.testing.lent import CountedLimits, Lent, asked, lend, lend_to_store
from bronze_engine.testing.source_checks import SOURCE_CHECKS, SourceCheck
from bronze_engine.testing.source_subject import SourceFactory, SourceSubject
from bronze_engine.testing.sources import Pause, ScriptedSource, Step, page
from bronze_engine.testing.stores import STORE_CHECKS, StoreCheck, StoreFactory, name_of

__all__ = [
    "AUTH_CHECKS",
    "SOURCE_CHECKS",
    "STORE_CHECKS",
    "AuthCheck",
    "AuthFactory",
    "AuthSubject",
    "CountedLimits",
    "Cut",
    "CutStyle",
    "Fault",
    "FaultyStore",
    "Footprint",
    "Grant",
    "Lent",
    "ManualClock",
    "Pause",
    "Script",
    "ScriptedSource",
    "SourceCheck",
    "SourceFactory",
    "SourceSubject",
    "Step",
    "Steps",
    "StoreCheck",
    "StoreFactory",
    "Waiting",
    "asked",
    "cut_at",
    "footprint",
    "inject",
    "lend",
    "lend_to_store",
    "name_of",
    "nothing_left",
    "page",
]
