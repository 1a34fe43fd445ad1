"""The names of the columns that Silver itself writes, and of those that only its records have."""

from __future__ import annotations

from typing import Final

__all__ = [
    "BRONZE_DATE",
    "CURRENT",
    "DELETED",
    "DELETED_AT",
    "DELETED_DATE",
    "FAULT",
    "FROM",
    "IS_DELETE",
    "LATE",
    "PART",
    "RESERVED",
    "ROW",
    "TABLE_COLUMNS",
    "TO",
]

FROM: Final = "effective_from"
TO: Final = "effective_to"
CURRENT: Final = "is_current"
DELETED: Final = "is_deleted"
DELETED_AT: Final = "deleted_at"
BRONZE_DATE: Final = "_bronze_date"
"""The run date of the partition that a row's values come from."""
DELETED_DATE: Final = "_deleted_date"
"""Of a deleted row of a current table: the run date of the partition that deleted it."""
TABLE_COLUMNS: Final = (FROM, TO, CURRENT, DELETED, DELETED_AT, DELETED_DATE, BRONZE_DATE)

IS_DELETE: Final = "_is_delete"
PART: Final = "_bronze_part"
"""Number of the data file in its manifest's list, from 0."""
ROW: Final = "_bronze_row"
"""Number of the row in its file, from 0."""
FAULT: Final = "_fault"
"""Why a record can't be one of the table, in words; NULL of all others."""
LATE: Final = "_late"
"""Why a record is late, in words; NULL of all others."""

RESERVED: Final = (*TABLE_COLUMNS, IS_DELETE, PART, ROW, FAULT, LATE)
"""What no column of a record may be called, in any case."""
