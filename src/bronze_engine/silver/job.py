"""What all parts of one run of Silver have in common."""

from __future__ import annotations

from datetime import date

import msgspec

from bronze_engine.config.pipeline import Pipeline
from bronze_engine.config.silver import Silver
from bronze_engine.model.manifest import Manifest
from bronze_engine.publish.base import Base
from bronze_engine.run.account import Account
from bronze_engine.run.services import Identity, Services, Stores
from bronze_engine.silver.inputs.inputs import Work
from bronze_engine.silver.memory import Share
from bronze_engine.state.reports import rejected_key, silver_system

__all__ = ["Job"]


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """One run, once it is known what it has to do."""

    pipeline: Pipeline
    silver: Silver
    folder: str
    """Of the table, within the target."""
    stores: Stores
    services: Services
    account: Account
    identity: Identity
    share: Share
    """Of the engine's memory."""
    base: Base
    work: Work
    config_hash: str

    @property
    def before(self) -> Manifest | None:
        """The generation that is built on; None where all is made anew."""
        return self.base.committed if self.work.rebuild is None else None

    @property
    def generation(self) -> int:
        return self.base.generation + 1

    @property
    def rejected_key(self) -> str:
        """Where the rejected records are kept of a run that fails for them."""
        pipeline = self.pipeline
        return rejected_key(
            silver_system(pipeline.system), pipeline.entity, self.work.run_date, self.identity.run
        )

    @property
    def standing(self) -> dict[date, int]:
        """How many records of each date the table has taken in that are no deletes, where that is
        known."""
        work = self.work
        dates = {one.run_date for one in work.counted} | {one.run_date for one in work.retained}
        has_deletes = work.load == "cdc" or self.silver.deleted_column is not None
        known: dict[date, int] = {}
        for day in dates & work.before.keys():
            one = work.before[day]
            if one.standing is not None:
                known[day] = one.standing
            elif not has_deletes:
                known[day] = one.rows - one.rejected
        return known
