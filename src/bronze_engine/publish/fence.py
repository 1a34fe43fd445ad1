"""A fence: a commit without new files, so that whoever builds on the manifest before it fails.

A lease keeps nobody out who believes to hold it. What does is the condition on the put of
the manifest: once its version has changed, a run that began before, however late it wakes,
commits nothing any more, and its files can be removed without asking a clock.
"""

from __future__ import annotations

import msgspec

from bronze_engine.clock import Clock
from bronze_engine.contracts import Store
from bronze_engine.model.manifest import FORMAT_VERSION, Manifest
from bronze_engine.publish.base import Base
from bronze_engine.publish.commit import Published, publish
from bronze_engine.version import __version__

__all__ = ["fence"]


async def fence(store: Store, base: Base, void: Manifest, clock: Clock) -> Published:
    """Commit what `base` holds once more, as the next generation, under another attempt.

    `void` gives the run and the attempt, and is what is written where there is no manifest:
    its status is "void", which readers take as absent. Files, rows, window and `written_at`
    stay as they were, for the data is as old as before.

    Raises StateError (STATE001) where another run committed first, CommitUnknown where it
    can't be learned what became of it, StoreError. In none of them anything was removed.
    Cancelled, the outcome is unknown, so callers shield this.
    """
    manifest = msgspec.structs.replace(
        void if base.manifest is None else base.manifest,
        run=void.run,
        attempt=void.attempt,
        generation=base.generation + 1,
        format_version=FORMAT_VERSION,
        engine_version=__version__,
    )
    return await publish(store, base, manifest, (), clock)
