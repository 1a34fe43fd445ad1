"""`bronze show`: what a partition or a curated table is, and its first rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Final

import typer

from bronze_engine.cli.completion import complete_pipelines
from bronze_engine.cli.named.committed import committed_at
from bronze_engine.cli.options import (
    CONFIG_PATH,
    ConfigPath,
    DateText,
    JsonOutput,
    OfSilver,
    Overrides,
    Verbose,
)
from bronze_engine.cli.printing import text
from bronze_engine.cli.printing.grid import print_grid
from bronze_engine.cli.session import LogOptions
from bronze_engine.errors import ConfigError
from bronze_engine.model.manifest import ColumnInfo, Manifest
from bronze_engine.model.silver import BronzeInput, SilverTable
from bronze_engine.reading.cells import plain
from bronze_engine.reading.matching import first_matching

__all__ = ["show"]

INPUTS: Final = 5
"""Run dates that a table is made of, of which the newest are listed; --json has all."""


def show(
    what: Annotated[
        str,
        typer.Argument(
            metavar="NAME|PATH",
            help="A pipeline, or the path or URL of a partition or a table.",
            show_default=False,
            autocompletion=complete_pipelines,
        ),
    ],
    *,
    date: DateText = None,
    silver: OfSilver = False,
    rows: Annotated[int, typer.Option("--rows", "-n", help="So many of the first rows.")] = 10,
    columns: Annotated[
        str | None, typer.Option("--columns", help="Only these, a comma between them.")
    ] = None,
    where: Annotated[
        str | None,
        typer.Option("--where", help="Only rows like these: \"country = 'DE' AND amount > 10\"."),
    ] = None,
    overrides: Overrides = None,
    as_json: JsonOutput = False,
    config: ConfigPath = CONFIG_PATH,
    verbose: Verbose = False,
) -> None:
    """Show a manifest, and the first rows of what it lists."""
    if rows < 0:
        raise ConfigError(f"--rows {rows} is no number of rows; 0 shows the manifest alone")
    if where is not None and not rows:
        raise ConfigError("--where chooses rows, and --rows 0 shows none; leave one of them out")
    log = LogOptions(verbose=verbose, in_log_dir=False)
    wanted = None if columns is None else [each.strip() for each in columns.split(",")]
    with committed_at(what, config, overrides, log, date=date, silver=silver) as committed:
        if where is None:
            manifest, table = committed.first_rows(rows, columns=wanted)
        else:
            manifest, table = first_matching(committed, where, rows, columns=wanted)
        location = committed.location
    found = [
        {column: plain(table.column(i)[row]) for i, column in enumerate(table.schema.names)}
        for row in range(table.num_rows)
    ]
    if as_json:
        text.print_json({"manifest": manifest, "rows": found})
        return
    if manifest.silver is None:
        _print(manifest, location)
    else:
        _print_table(manifest, manifest.silver, location)
    if rows:
        print()
        _print_rows(table.schema.names, found, None if where else manifest.row_count)


def _print_rows(names: list[str], found: list[dict[str, Any]], row_count: int | None) -> None:
    """`row_count` is of all rows there are, where that is known."""
    if not found:
        print("no rows" if row_count is not None else "no such rows")
        return
    print_grid(names, found)
    if row_count is not None and len(found) < row_count:
        print(f"… {row_count - len(found):,} more rows")


def _print_table(manifest: Manifest, silver: SilverTable, location: str) -> None:
    size = sum(file.size_bytes for file in manifest.files)
    current = f" ({silver.current_rows:,} of them current)" if silver.history == "full" else ""
    kept = f", {silver.kept_files:,} of them from before" if silver.kept_files else ""
    text.print_pairs(
        [
            ("pipeline", f"{manifest.pipeline} (silver)"),
            ("table", location),
            (
                "keeps",
                f"{silver.kind}, history {silver.history}, deletes {silver.deletes}",
            ),
            ("key", ", ".join(silver.unique_columns)),
            ("order", ", ".join(silver.order_by)),
            ("committed", _committed(manifest)),
            ("mode", silver.mode),
            ("rows", f"{manifest.row_count:,}{current}{_aside(manifest)}"),
            ("files", f"{len(manifest.files):,} ({text.size(size)}){kept}"),
            ("made of", _inputs(silver.inputs)),
            *_rest(manifest),
        ]
    )


def _inputs(inputs: Sequence[BronzeInput]) -> str:
    """The newest run dates, and how many there are."""
    lines = [
        f"{each.run_date}: generation {each.generation}, {each.rows:,} rows"
        for each in inputs[-INPUTS:]
    ]
    if len(inputs) > INPUTS:
        lines.insert(0, f"{len(inputs):,} dates from {inputs[0].run_date} on; the newest are")
    return "\n".join(lines)


def _print(manifest: Manifest, partition: str) -> None:
    size = sum(file.size_bytes for file in manifest.files)
    text.print_pairs(
        [
            ("pipeline", f"{manifest.pipeline} {manifest.run_date} ({manifest.load})"),
            ("partition", partition),
            ("committed", _committed(manifest)),
            ("rows", f"{manifest.row_count:,}{_aside(manifest)}"),
            ("files", f"{len(manifest.files):,} ({text.size(size)})"),
            ("changes", _operations(manifest)),
            ("window", text.window(manifest.watermark)),
            ("override", _override(manifest)),
            ("source", _source(manifest)),
            ("replay of", f"run {manifest.replay_of}" if manifest.replay_of else ""),
            ("key", ", ".join(manifest.primary_key)),
            *_rest(manifest),
        ]
    )


def _rest(manifest: Manifest) -> list[tuple[str, str]]:
    """What a partition and a table tell alike."""
    return [
        ("quality", "\n".join(_quality(manifest))),
        ("schema", "\n".join(text.change(each) for each in manifest.schema_changes)),
        ("lineage", "\n".join(f"{each.generation}  {each.run}" for each in manifest.lineage)),
        ("written by", f"bronze-engine {manifest.engine_version}"),
        ("seconds", f"{manifest.duration_seconds:.2f}"),
        ("columns", "\n".join(_column(each, manifest) for each in manifest.schema)),
    ]


def _committed(manifest: Manifest) -> str:
    at = f"{manifest.written_at:%Y-%m-%d %H:%M:%S} UTC"
    return f"generation {manifest.generation}, epoch {manifest.epoch}, run {manifest.run}, {at}"


def _operations(manifest: Manifest) -> str:
    """Of `load = "cdc"`."""
    if manifest.cdc is None:
        return ""
    counts = manifest.cdc.counts
    told = f"{counts.inserts:,} inserts, {counts.updates:,} updates, {counts.deletes:,} deletes"
    return f"{told}, by {manifest.cdc.operation}"


def _override(manifest: Manifest) -> str:
    override = manifest.override
    if override is None:
        return ""
    asked = f"{override.kind} {override.value or ''}".rstrip()
    why = f": {override.why}" if override.why else ""
    return f"{asked}, by {override.who} {override.when:%Y-%m-%d}{why}"


def _source(manifest: Manifest) -> str:
    source = manifest.source
    took = f"{source.requests:,} requests, {source.retries:,} retries, {text.size(source.bytes_in)}"
    files = f"{text.files(len(manifest.sources))}, " if manifest.sources else ""
    return f"{source.type} {source.location} ({files}{took} in)"


def _aside(manifest: Manifest) -> str:
    counts = [
        (manifest.rejected_count, "in quarantine"),
        (manifest.duplicate_rows, "whose key came before"),
        (manifest.late_rows, "late" if manifest.silver else "at or below the low watermark"),
    ]
    told = [f"{count:,} {what}" for count, what in counts if count]
    return f" ({', '.join(told)})" if told else ""


def _quality(manifest: Manifest) -> list[str]:
    if isinstance(manifest.quality, dict):  # as an older version wrote it
        return [f"{rule}: {result}" for rule, result in manifest.quality.items()]
    return [
        f"{each.name}: {each.verdict} ({each.failed:,} of {each.checked:,})"
        + (f", {each.detail}" if each.detail else "")
        for each in manifest.quality
    ]


def _column(column: ColumnInfo, manifest: Manifest) -> str:
    width = max(len(each.name) for each in manifest.schema)
    source = f" ({column.source_type} in the source)" if column.source_type else ""
    never = "" if column.nullable else ", never NULL"
    return f"{column.name:<{width}}  {column.type}{never}{source}"
