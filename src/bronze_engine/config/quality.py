"""[pipelines.….quality]: how many rejected records a run may have."""

from __future__ import annotations

from typing import Annotated

import msgspec

__all__ = ["Quality"]


class Quality(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How many rejected records a run may have."""

    max_bad_rows: Annotated[int, msgspec.Meta(ge=0)] | None = None
    """More than this stop the run early with QUAL001. Where neither is set: 0."""
    max_bad_ratio: Annotated[float, msgspec.Meta(ge=0, le=1)] | None = None
    """Rejected over all records, judged at the end."""
