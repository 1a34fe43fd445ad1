"""Which type holds what two files call one column, where another file may still change it."""

from __future__ import annotations

import pyarrow as pa

from bronze_engine.model.arrow import DataType
from bronze_engine.model.types.widening import wider

__all__ = ["is_truth_for_number", "loses_fields", "merged"]


def merged(one: DataType, other: DataType) -> DataType:
    """The least type that holds all values of both; `one` where there is none but text."""
    if one == other or pa.types.is_null(other):
        return one
    if pa.types.is_null(one):
        return other
    if pa.types.is_struct(one) and pa.types.is_struct(other):
        return _merged_structs(one, other)
    if pa.types.is_list(one) and pa.types.is_list(other):
        return pa.list_(merged(one.value_type, other.value_type))
    if pa.types.is_nested(one) or pa.types.is_nested(other):
        return one
    found = wider(one, other)
    return found if not pa.types.is_string(found) or pa.types.is_string(one) else one


def _merged_structs(one: DataType, other: DataType) -> DataType:
    fields = {field.name: field.type for field in _fields(one)}
    for field in _fields(other):
        known = fields.get(field.name)
        fields[field.name] = field.type if known is None else merged(known, field.type)
    return pa.struct(list(fields.items()))


def loses_fields(given: DataType, wanted: DataType) -> bool:
    """Whether a cast would drop fields of a struct, at any depth: Arrow's does, without a word."""
    if pa.types.is_struct(given) and pa.types.is_struct(wanted):
        there = {field.name: field.type for field in _fields(wanted)}
        return any(
            field.name not in there or loses_fields(field.type, there[field.name])
            for field in _fields(given)
        )
    if _is_list(given) and _is_list(wanted):
        return loses_fields(given.value_type, wanted.value_type)
    return False


def is_truth_for_number(given: DataType, wanted: DataType) -> bool:
    """Whether a cast would make numbers of true and false, or these of numbers, at any depth."""
    if pa.types.is_struct(given) and pa.types.is_struct(wanted):
        there = {field.name: field.type for field in _fields(wanted)}
        return any(
            is_truth_for_number(field.type, there[field.name])
            for field in _fields(given)
            if field.name in there
        )
    if pa.types.is_map(given) and _is_list(wanted) and pa.types.is_struct(wanted.value_type):
        pairs = zip((given.key_type, given.item_type), _fields(wanted.value_type), strict=False)
        return any(is_truth_for_number(kind, field.type) for kind, field in pairs)
    if _is_list(given) and _is_list(wanted):
        return is_truth_for_number(given.value_type, wanted.value_type)
    kinds = _is_truth(given), _is_truth(wanted)
    return kinds[0] != kinds[1] and all(map(_is_truth_or_number, (given, wanted)))


def _is_truth(kind: DataType) -> bool:
    if isinstance(kind, pa.BaseExtensionType):
        return bool(kind.extension_name == "arrow.bool8")
    return bool(pa.types.is_boolean(kind))


def _is_truth_or_number(kind: DataType) -> bool:
    kinds = pa.types.is_integer, pa.types.is_floating, pa.types.is_decimal
    return _is_truth(kind) or any(is_so(kind) for is_so in kinds)


def _is_list(kind: DataType) -> bool:
    return bool(
        pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)
    )


def _fields(kind: DataType) -> list[pa.Field[pa.DataType]]:
    return [kind.field(place) for place in range(kind.num_fields)]
