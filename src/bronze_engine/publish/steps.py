"""The steps of the commit protocol, by name and in order.

The model check (tests/unit/publish) explores a machine with exactly these steps, and a
trace of a real run is compared with them: whoever changes the protocol changes both.
"""

from __future__ import annotations

from typing import Final, Literal, get_args

__all__ = ["GC_STEPS", "STEPS", "GcStep", "Step"]

Step = Literal[
    "lease",
    "read_base",
    "stage",
    "complete",
    "commit",
    "read_back",
    "checksums",
    "watermark",
    "list",
    "reap",
    "release",
]
STEPS: Final[tuple[Step, ...]] = get_args(Step)

GcStep = Literal[
    "lease",
    "read_base",
    "look",
    "fence",
    "read_back",
    "checksums",
    "list",
    "reap",
    "watermark",
    "release",
]
GC_STEPS: Final[tuple[GcStep, ...]] = get_args(GcStep)
"""Those of garbage collection; from `fence` to `checksums` only where a run may still be alive."""
