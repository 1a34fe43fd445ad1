"""What [….source.fixed] says, made ready once a run: where to cut, and what to compare."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, final

import msgspec

from bronze_engine.config.files.fixed import FixedField, FixedFiles, FixedRecord, Sign, Trim

__all__ = ["Cut", "Kind", "Plan", "Total", "field_types", "plan_of"]

_MOST_DIGITS: Final = 76
"""Of Arrow's decimals."""


class Cut(msgspec.Struct, frozen=True, kw_only=True):
    """One field, and how it is read."""

    name: str
    start: int
    """From 0."""
    end: int
    trim: Trim
    pad: str | None
    nulls: tuple[str, ...]
    scale: int | None
    sign: Sign | None


class Kind(msgspec.Struct, frozen=True, kw_only=True):
    """One kind of record."""

    name: str
    cuts: tuple[Cut, ...]
    start: int = 0
    """Of the code, from 0."""
    codes: tuple[str, ...] = ()
    """Of one width; none for the kind of all that are of no other."""
    length: int
    """What a record needs, and may have."""


class Total(msgspec.Struct, frozen=True, kw_only=True):
    """A check. Kinds and fields are by their places in the plan."""

    label: str
    """As the configuration calls it: trailer.records."""
    kind: int
    cut: Cut
    of: int
    """The kind that is counted or added up."""
    of_cut: Cut | None
    """The field that is added up; None counts records."""
    of_label: str
    since: int | None


@final
class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """How the records of one source are found and read."""

    kinds: tuple[Kind, ...]
    land: int
    carries: tuple[tuple[int, tuple[tuple[str, Cut], ...]], ...]
    """The kinds that rows take columns from: of each, columns and the fields they are."""
    totals: tuple[Total, ...]
    form: FixedFiles
    keeps_lines: bool = False
    """Rows have their lines beside them (`schema.raw`), which must be texts then."""

    @property
    def columns(self) -> list[str]:
        """The columns of a row: its own fields, then what it takes from others."""
        own = [cut.name for cut in self.kinds[self.land].cuts]
        return own + [column for _, columns in self.carries for column, _ in columns]

    @property
    def has_kinds(self) -> bool:
        return len(self.kinds) > 1 or bool(self.kinds[0].codes)


def plan_of(form: FixedFiles, *, keeps_lines: bool = False) -> Plan:
    """The plan of a configuration that the rules found no fault in."""
    records = form.records or {"record": FixedRecord(fields=form.fields)}
    names = list(records)
    kinds = tuple(_kind(name, record, form) for name, record in records.items())
    wanted: dict[int, list[tuple[str, Cut]]] = {}
    for column, path in form.carry.items():
        place, cut = _field(kinds, path)
        wanted.setdefault(place, []).append((column, cut))
    totals = []
    for check in form.checks:
        kind, cut = _field(kinds, check.total)
        of_cut = None
        if check.sum is not None:
            of, of_cut = _field(kinds, check.sum)
        else:
            of = names.index(str(check.count))
        totals.append(
            Total(
                label=check.total,
                kind=kind,
                cut=cut,
                of=of,
                of_cut=of_cut,
                of_label=check.sum or check.count or "",
                since=None if check.since is None else names.index(check.since),
            )
        )
    return Plan(
        kinds=kinds,
        land=0 if form.land is None else names.index(form.land),
        carries=tuple((place, tuple(columns)) for place, columns in wanted.items()),
        totals=tuple(totals),
        form=form,
        keeps_lines=keeps_lines,
    )


def field_types(plan: Plan, configured: Mapping[str, str]) -> dict[str, str]:
    """The types of the columns: those of `schema.columns`, and decimals of fields with a scale."""
    carried = [pair for _, columns in plan.carries for pair in columns]
    own = [(cut.name, cut) for cut in plan.kinds[plan.land].cuts]
    decimals = {
        name: f"decimal({max(cut.end - cut.start, cut.scale)},{cut.scale})"
        for name, cut in [*own, *carried]
        if cut.scale is not None and max(cut.end - cut.start, cut.scale) <= _MOST_DIGITS
    }
    return {**decimals, **configured}


def _kind(name: str, record: FixedRecord, form: FixedFiles) -> Kind:
    cuts: list[Cut] = []
    at = 0
    for field in record.fields:
        start = at if field.start is None else field.start - 1
        at = start + field.width
        cuts.append(_cut(field, start, form))
    when = record.when
    code_end = 0 if when is None else when.start - 1 + len(when.codes[0])
    length = form.record_length or form.line_length
    return Kind(
        name=name,
        cuts=tuple(cuts),
        start=0 if when is None else when.start - 1,
        codes=() if when is None else tuple(when.codes),
        length=length or max([code_end, *(cut.end for cut in cuts)]),
    )


def _cut(field: FixedField, start: int, form: FixedFiles) -> Cut:
    return Cut(
        name=field.name,
        start=start,
        end=start + field.width,
        trim=form.trim if field.trim is None else field.trim,
        pad=field.pad,
        nulls=tuple(form.null_values if field.null_values is None else field.null_values),
        scale=field.scale,
        sign=field.sign,
    )


def _field(kinds: tuple[Kind, ...], path: str) -> tuple[int, Cut]:
    """The kind and the field that "kind.field" means."""
    name, _, field = path.partition(".")
    for place, kind in enumerate(kinds):
        for cut in kind.cuts:
            if kind.name == name and cut.name == field:
                return place, cut
    raise ValueError(f"{path!r} is no field of a record")
