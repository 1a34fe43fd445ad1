"""[pipelines.….quality]: rules, how many rejects a run may have, and what repeated keys mean."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from bronze_engine.config.quality_rule import QualityRule

__all__ = ["Duplicates", "Quality"]

Duplicates = Literal["keep", "report", "drop", "fail"]


class Quality(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The rules, how many rejected records a run may have, and what becomes of rows whose key came
    before."""

    rules: tuple[QualityRule, ...] = ()
    """Judged in their order, on the rows as they would land."""
    max_bad_rows: Annotated[int, msgspec.Meta(ge=0)] | None = None
    """More than this stop the run early with QUAL001. Where neither is set: 0."""
    max_bad_ratio: Annotated[float, msgspec.Meta(ge=0, le=1)] | None = None
    """Rejected over all records, judged at the end."""
    duplicates: Duplicates = "keep"
    """Rows whose `primary_key` came before in the same slice of the run: kept unseen; kept and
    counted with a warning; left out and counted, the first one stays; or the run fails."""
