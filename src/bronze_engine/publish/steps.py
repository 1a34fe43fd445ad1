"""The steps of the commit protocol, by name and in order.

The model check (tests/unit/publish) explores a machine with exactly these steps, and a
trace of a real run is compared with them: whoever changes the protocol changes both.
"""

from __future__ import annotations

from typing import Final, Literal, get_args

__all__ = ["CHAIN_STEPS", "GC_STEPS", "STEPS", "ChainStep", "GcStep", "Step"]

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

ChainStep = Literal[
    "lease",
    "claim",
    "fence",
    "survey",
    "confirm",
    "commit",
    "read_back",
    "give_back",
]
CHAIN_STEPS: Final[tuple[ChainStep, ...]] = get_args(ChainStep)
"""Those of a run of a chain that decide which of two dates holds a row; `fence` only where a
claimant before may still commit. Between them a run takes the steps of `STEPS`."""
