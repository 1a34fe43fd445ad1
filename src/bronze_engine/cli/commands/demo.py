"""`bronze demo`: the main job on embedded data, from an API with flaws to a curated table."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated, Any, Final

import anyio
import msgspec
import typer

from bronze_engine.adapters import open_store
from bronze_engine.batch.batch import Batch
from bronze_engine.cli.commands.demo_batch import fails_as_meant, land_batch
from bronze_engine.cli.commands.demo_place import DemoPlace, configured
from bronze_engine.cli.options import DateText, JsonOutput, Verbose, read_date
from bronze_engine.cli.printing import text
from bronze_engine.cli.printing.batch_text import print_batch
from bronze_engine.cli.printing.silver_text import print_silver_report
from bronze_engine.cli.session import in_engine
from bronze_engine.demo.emulator import Emulator, opener_of
from bronze_engine.demo.landed import first_rows, read_landed
from bronze_engine.engine import Engine
from bronze_engine.errors import ConfigError, StoreError
from bronze_engine.model.manifest import partition_path
from bronze_engine.model.part import DataFile
from bronze_engine.model.report import RunReport, VerifyReport
from bronze_engine.reading.place import table_place
from bronze_engine.workers import Workers

__all__ = ["demo"]

PIPELINE = "demo.orders"
PORT = 8765  # that of the files that `bronze init` writes
FIRST_ROWS = 5
TARGET = "bronze"
_KEPT: Final = '["id", "status", "amount", "updated_at"]'


class _Landed(msgspec.Struct, frozen=True, kw_only=True):
    """What is shown in the end."""

    run: RunReport
    verify: VerifyReport
    files: tuple[DataFile, ...]
    rows: list[dict[str, Any]]
    silver: RunReport
    table_rows: list[dict[str, Any]]


def demo(
    *,
    date: DateText = None,
    records: Annotated[int, typer.Option("--records", min=0, help="Orders to serve.")] = 200_000,
    target: Annotated[
        str, typer.Option("--target", help="Where to land: a directory, or s3://… or az://….")
    ] = TARGET,
    emulator: Annotated[
        Emulator | None,
        typer.Option(
            "--emulator", help="Land in an object store on this machine that ends with the demo."
        ),
    ] = None,
    fault_rate: Annotated[
        float | None,
        typer.Option(
            "--fault-rate",
            min=0.0,
            max=1.0,
            help="Share of pages that fail at first.  [default: 0.05, of --batch 0.01]",
            show_default=False,
        ),
    ] = None,
    serve: Annotated[
        bool, typer.Option("--serve", help="Only serve the demo API, until Ctrl-C.")
    ] = False,
    port: Annotated[
        int, typer.Option("--port", min=0, max=65535, help="Where --serve listens; 0: any.")
    ] = PORT,
    batch: Annotated[
        bool,
        typer.Option("--batch", help="Land a dozen pipelines side by side; some of them fail."),
    ] = False,
    svg: Annotated[
        Path | None,
        typer.Option("--svg", metavar="FILE", help="With --batch: draw the display amid it."),
    ] = None,
    as_json: JsonOutput = False,
    verbose: Verbose = False,
) -> None:
    """Land from an API with rate limits and faults. Then verify, curate and show it."""
    if svg is not None and not batch:
        raise ConfigError("--svg draws the display of a batch; add --batch")
    if batch and serve:
        raise ConfigError("--serve only serves, and --batch lands; leave one of them out")
    if fault_rate is None:
        fault_rate = 0.01 if batch else 0.05
    if serve:
        _serve(port, records, fault_rate)
        return
    if emulator is not None and target != TARGET:
        raise ConfigError("--emulator brings a target of its own; leave --target out")
    place = DemoPlace(
        date=date,
        records=records,
        target=target if "://" in target else os.path.abspath(target),  # noqa: PTH100
        open_emulator=None if emulator is None else opener_of(emulator),
        fault_rate=fault_rate,
        verbose=verbose,
    )
    if batch:
        _run_batch(place, svg, as_json=as_json)
        return
    _print(anyio.run(_land, place), as_json=as_json)


def _print(landed: _Landed, *, as_json: bool) -> None:
    if as_json:
        text.print_json(
            {
                "run": landed.run,
                "verify": landed.verify,
                "files": landed.files,
                "silver": landed.silver,
            }
        )
        return
    text.print_report(landed.run)
    verified = landed.verify
    print(f"checksums    {text.files(verified.files)}, {verified.bytes:,} bytes: all match")
    for file in landed.files:
        print(f"sha256       {file.sha256[:16]}  {file.name}")
    _show(landed.rows)
    print()
    print_silver_report(landed.silver)
    _show(landed.table_rows)


def _run_batch(place: DemoPlace, svg: Path | None, *, as_json: bool) -> None:
    begun: list[Batch] = []
    try:
        anyio.run(land_batch, place, svg, begun)
    finally:  # stopped by a signal, too
        for batch in begun:
            if as_json:
                text.print_json(batch.report())
            else:
                print_batch(batch.report(), is_kept=False)
    if not fails_as_meant(begun[0].report()):
        raise typer.Exit(begun[0].report().exit_code or 1)
    if not as_json:
        print("\nThese three are meant to fail: a credential is refused, and a server is down.")


def _serve(port: int, records: int, fault_rate: float) -> None:
    # An HTTP server, imported for this one option: every command would wait for it.
    from bronze_engine.demo.server import main as serve_until_stopped  # noqa: PLC0415

    sys.stderr.write("the demo API serves /orders until Ctrl-C\n")
    try:
        serve_until_stopped(
            [f"--port={port}", f"--records={records}", f"--fault-rate={fault_rate}"]
        )
    except OSError as exc:
        raise ConfigError(
            f"port {port} can't be listened on ({os.strerror(exc.errno or 0)}); end what holds"
            " it, or choose another: bronze demo --serve --port 8766, and set DEMO_URL to it"
        ) from None


async def _land(place: DemoPlace) -> _Landed:
    # It is on this machine; and of what lands a table is made, of some columns.
    ours = ('apis.demo.proxy="none"', f"pipelines.{PIPELINE}.silver.columns.keep={_KEPT}")
    async with configured(place, "pipelines.toml", overrides=ours) as config:
        run_date = read_date(place.date, config.engine)

        async def work(engine: Engine) -> _Landed:
            run = await engine.run(PIPELINE, run_date=run_date)
            verified = await engine.verify(PIPELINE, run_date=run_date)
            if not verified.ok:
                raise StoreError(f"{run.partition}: its files are not what the manifest says")
            silver = await engine.silver(PIPELINE)
            partition = partition_path(run.system, run.entity, run_date)
            store_config, folder = table_place(config, PIPELINE)
            with Workers(1) as workers:
                async with open_store(store_config, workers) as store:
                    manifest = await read_landed(store, partition)
                    rows = await first_rows(store, partition, manifest, FIRST_ROWS, workers)
                    table = await read_landed(store, folder)
                    table_rows = await first_rows(store, folder, table, FIRST_ROWS, workers)
            return _Landed(
                run=run,
                verify=verified,
                files=manifest.files,
                rows=rows,
                silver=silver,
                table_rows=table_rows,
            )

        return await in_engine(config, work)


def _show(rows: list[dict[str, Any]]) -> None:
    """The first rows, as a reader of the lake sees them: by the manifest."""
    if not rows:
        return
    header = [name for name in rows[0] if name not in ("tags", "address", "note")]
    print()
    text.print_table(header, [[str(row[name]) for name in header] for row in rows])
