"""What the tests of this package and of third parties build on."""

from __future__ import annotations

from bronze_engine.testing.clock import ManualClock, Waiting

__all__ = ["ManualClock", "Waiting"]
