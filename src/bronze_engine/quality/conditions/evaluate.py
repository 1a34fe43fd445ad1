"""A condition over the columns of a batch, in SQL's three-valued logic.

Integers and decimals are compared and calculated exactly; `/` and whatever a double takes part
in are doubles. What has no value, and a column that no record has had yet, is NULL.
"""

from __future__ import annotations

from decimal import Decimal
from functools import reduce
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from bronze_engine.config.expression.tree import (
    Arithmetic,
    Call,
    Compare,
    Comparison,
    Constant,
    InList,
    IsNull,
    Like,
    Logic,
    Name,
    Negative,
    Node,
    Not,
)
from bronze_engine.model.arrow import Array, DataType, Scalar, scalar
from bronze_engine.quality.conditions.constants import (
    MIRRORED,
    OPERATORS,
    Unfit,
    Value,
    all_alike,
    compare,
    value_of,
)

__all__ = ["column_of", "is_one_of", "length_of", "truth_of"]

_ARITHMETIC: Final = {"+": pc.add_checked, "-": pc.subtract_checked, "*": pc.multiply_checked}
_MOST_DIGITS: Final = 38


def truth_of(node: Node, batch: pa.RecordBatch) -> Array:
    """For each row true, false, or NULL. Raises Unfit where a column's type allows no answer."""
    try:
        found = _evaluate(node, batch)
        if isinstance(found, Constant):
            found = _array(found, batch, pa.bool_())
        return _truth(found)
    except pa.ArrowNotImplementedError as exc:  # 2025-01-15 without quotes is 2009
        raise Unfit(f"can't be evaluated: {exc}; texts and dates are written in quotes") from exc
    except pa.ArrowInvalid as exc:
        raise Unfit(f"can't be evaluated: {exc}") from exc


def column_of(batch: pa.RecordBatch, name: str) -> Array:
    """A column's values; NULLs where there is no such column. A dictionary is spread out."""
    place = batch.schema.get_field_index(name)
    if place < 0:
        return pa.nulls(batch.num_rows)
    array: Array = batch.column(place)
    return array.dictionary_decode() if pa.types.is_dictionary(array.type) else array


def is_one_of(array: Array, values: list[Value]) -> Array:
    """Which values equal one of the constants; NULL stays NULL. Raises Unfit."""
    kind = array.type
    if pa.types.is_null(kind):
        return pa.nulls(len(array), pa.bool_())
    known = [found for value in values if (found := value_of(value, kind)) is not None]
    if not known:
        return all_alike(array, is_true=False)
    value_set = pa.concat_arrays([pa.repeat(each.cast(kind), 1) for each in known])
    if pa.types.is_floating(kind):  # Arrow tells -0.0 from 0.0
        zero = scalar("0", pa.string()).cast(kind)
        array, value_set = pc.add(array, zero), pc.add(value_set, zero)
    among = pc.is_in(array, value_set=value_set)
    if not array.null_count:
        return among
    return pc.if_else(array.is_valid(), among, scalar(None, pa.bool_()))


def _evaluate(node: Node, batch: pa.RecordBatch) -> Array | Constant:
    match node:
        case Constant():
            return node
        case Name(name):
            return column_of(batch, name)
        case Compare(operator, left, right):
            return _compare(operator, _evaluate(left, batch), _evaluate(right, batch), batch)
        case Logic("and", left, right):
            return pc.and_kleene(truth_of(left, batch), truth_of(right, batch))
        case Logic(_, left, right):
            return pc.or_kleene(truth_of(left, batch), truth_of(right, batch))
        case Not(IsNull(operand)):
            return _values(operand, batch).is_valid()
        case Not(operand):
            return pc.invert(truth_of(operand, batch))
        case IsNull(operand):
            return _values(operand, batch).is_null()
        case InList(operand, items):
            return _in_list(_values(operand, batch), items, batch)
        case Like(operand, pattern, ignores_case):
            texts = _texts(_values(operand, batch), "LIKE")
            return pc.match_like(texts, pattern, ignore_case=ignores_case)
        case Negative(operand):
            return _negated(_values(operand, batch))
        case Arithmetic(operator, left, right):
            return _calculate(operator, _evaluate(left, batch), _evaluate(right, batch), batch)
        case Call("coalesce", arguments):
            return _coalesce([_evaluate(each, batch) for each in arguments], batch)
        case Call(function, arguments):
            return _call(function, _values(arguments[0], batch))


def _values(node: Node, batch: pa.RecordBatch) -> Array:
    found = _evaluate(node, batch)
    return _array(found, batch) if isinstance(found, Constant) else found


def _array(constant: Constant, batch: pa.RecordBatch, null_kind: DataType | None = None) -> Array:
    """A constant for each row."""
    if constant.value is None:
        return pa.nulls(batch.num_rows, null_kind or pa.null())
    return pa.repeat(_plain_scalar(constant.value), batch.num_rows)


def _plain_scalar(value: int | Decimal | str | bool) -> Scalar:
    """A constant in the type that its text speaks for."""
    if isinstance(value, bool):
        return scalar(str(value).lower(), pa.string()).cast(pa.bool_())
    if isinstance(value, str):
        return scalar(value, pa.string())
    if isinstance(value, int) and -(2**63) <= value < 2**63:
        return scalar(value, pa.int64())
    _, digits, exponent = Decimal(value).as_tuple()
    scale = max(0, -int(exponent))
    precision = max(len(digits) + max(0, int(exponent)), scale, 1)
    if precision > _MOST_DIGITS:
        raise Unfit(f"can't be evaluated: {value} has more than {_MOST_DIGITS} digits")
    return scalar(f"{Decimal(value):f}", pa.string()).cast(pa.decimal128(precision, scale))


def _truth(array: Array) -> Array:
    if pa.types.is_null(array.type):
        return pa.nulls(len(array), pa.bool_())
    if not pa.types.is_boolean(array.type):
        raise Unfit(f"can't be evaluated: a column of {array.type} is neither true nor false")
    return array


def _compare(
    operator: Comparison, left: Array | Constant, right: Array | Constant, batch: pa.RecordBatch
) -> Array:
    if isinstance(left, Constant):
        if isinstance(right, Constant):
            left = _array(left, batch)
        else:
            return _compare(MIRRORED[operator], right, left, batch)
    if isinstance(right, Constant):
        if right.value is None:
            return pa.nulls(batch.num_rows, pa.bool_())
        return compare(operator, left, right.value)
    if pa.types.is_null(left.type) or pa.types.is_null(right.type):
        return pa.nulls(batch.num_rows, pa.bool_())
    if pa.types.is_floating(left.type) or pa.types.is_floating(right.type):
        left, right = _double(left), _double(right)
    return OPERATORS[operator](left, right)


def _double(array: Array) -> Array:
    """Numbers as the doubles next to them; what is no number as it is."""
    if pa.types.is_integer(array.type):
        return array.cast(pa.float64(), safe=False)
    return array.cast(pa.float64()) if pa.types.is_decimal(array.type) else array


def _in_list(array: Array, items: tuple[Node, ...], batch: pa.RecordBatch) -> Array:
    constants = [each.value for each in items if isinstance(each, Constant)]
    found = is_one_of(array, [each for each in constants if each is not None])
    if None in constants:  # it may be that one, and nobody can say
        found = pc.or_kleene(found, pa.nulls(len(array), pa.bool_()))
    others = [each for each in items if not isinstance(each, Constant)]
    columns = (_compare("=", array, _evaluate(each, batch), batch) for each in others)
    return reduce(pc.or_kleene, columns, found)


def _texts(array: Array, what: str) -> Array:
    if pa.types.is_null(array.type):
        return pa.nulls(len(array), pa.string())
    if not (pa.types.is_string(array.type) or pa.types.is_large_string(array.type)):
        raise Unfit(f"can't be evaluated: {what} is of texts, and this is {array.type}")
    return array


def _negated(array: Array) -> Array:
    if pa.types.is_null(array.type):
        return array
    return pc.negate_checked(_wide(array))


def _wide(array: Array) -> Array:
    """Integers of any size as int64, so that a sum of two small ones has room."""
    return array.cast(pa.int64()) if pa.types.is_integer(array.type) else array


def _calculate(
    operator: str, left: Array | Constant, right: Array | Constant, batch: pa.RecordBatch
) -> Array:
    sides = [
        _array(side, batch) if isinstance(side, Constant) else _wide(side) for side in (left, right)
    ]
    if any(pa.types.is_null(side.type) for side in sides):
        return pa.nulls(batch.num_rows)
    for side in sides:
        if not (
            pa.types.is_integer(side.type)
            or pa.types.is_decimal(side.type)
            or pa.types.is_floating(side.type)
        ):
            raise Unfit(f"can't be evaluated: {operator} is of numbers, and this is {side.type}")
    if operator == "/" or any(pa.types.is_floating(side.type) for side in sides):
        sides = [_double(side) for side in sides]
    return pc.divide(*sides) if operator == "/" else _ARITHMETIC[operator](*sides)


def _coalesce(values: list[Array | Constant], batch: pa.RecordBatch) -> Array:
    arrays = [_array(each, batch) if isinstance(each, Constant) else each for each in values]
    typed = [each for each in arrays if not pa.types.is_null(each.type)]
    if not typed:
        return pa.nulls(batch.num_rows)
    kind = typed[0].type
    for each, value in zip(arrays, values, strict=True):
        if isinstance(value, Constant) and isinstance(value.value, str) and each.type != kind:
            fitting = value_of(value.value, kind)
            typed = [pa.repeat(fitting, batch.num_rows) if one is each else one for one in typed]
    return pc.coalesce(*typed)


def _call(function: str, array: Array) -> Array:
    if pa.types.is_null(array.type):
        return array
    if function == "abs":
        return pc.abs_checked(_wide(array))
    if function == "length":
        return length_of(array)
    texts = _texts(array, function)
    match function:
        case "lower":
            return pc.utf8_lower(texts)
        case "upper":
            return pc.utf8_upper(texts)
        case _:
            return pc.utf8_trim_whitespace(texts)


def length_of(array: Array) -> Array:
    """Characters of texts, bytes of binary values, elements of lists. Raises Unfit."""
    kind = array.type
    if pa.types.is_null(kind):
        return pa.nulls(len(array), pa.int32())
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return pc.utf8_length(array)
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        return pc.binary_length(array)
    if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        return pc.list_value_length(array)
    raise Unfit(f"lands as {kind}, which has no length")
