"""The fields of the tables' types, found out once: msgspec resolves their annotations each time,
which was two thirds of what it takes to resolve a pipeline."""

from __future__ import annotations

from functools import cache

import msgspec
from msgspec.structs import FieldInfo

__all__ = ["fields_of_table"]


@cache
def fields_of_table(kind: type[msgspec.Struct]) -> tuple[FieldInfo, ...]:
    return msgspec.structs.fields(kind)
