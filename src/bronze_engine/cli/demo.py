"""`bronze demo`: the main job on embedded data, from an API with flaws to verified Parquet."""

from __future__ import annotations

import json
import os
import sys
from importlib.resources import as_file, files
from pathlib import Path
from typing import Annotated

import anyio
import pyarrow.parquet as pq
import typer

from bronze_engine.cli import text
from bronze_engine.cli.options import DateText, JsonOutput, Verbose, read_date
from bronze_engine.cli.session import LogOptions, in_engine, load
from bronze_engine.demo.process import DemoServer
from bronze_engine.engine import Engine
from bronze_engine.errors import ConfigError, StoreError
from bronze_engine.model.manifest import MANIFEST_NAME
from bronze_engine.model.manifest_json import decode_manifest
from bronze_engine.model.report import RunReport, VerifyReport

__all__ = ["demo"]

PIPELINE = "demo.orders"
PORT = 8765  # that of the files that `bronze init` writes
FIRST_ROWS = 5


def demo(
    *,
    date: DateText = None,
    records: Annotated[int, typer.Option("--records", min=0, help="Orders to serve.")] = 200_000,
    target: Annotated[Path, typer.Option("--target", help="Where to land.")] = Path("bronze"),
    fault_rate: Annotated[
        float,
        typer.Option("--fault-rate", min=0.0, max=1.0, help="Share of pages that fail at first."),
    ] = 0.05,
    serve: Annotated[
        bool, typer.Option("--serve", help="Only serve the demo API, until Ctrl-C.")
    ] = False,
    port: Annotated[
        int, typer.Option("--port", min=0, max=65535, help="Where --serve listens; 0: any.")
    ] = PORT,
    as_json: JsonOutput = False,
    verbose: Verbose = False,
) -> None:
    """Start an API with rate limits and faults, land its orders, verify, show."""
    if serve:
        _serve(port, records, fault_rate)
        return
    report, verified = anyio.run(_land, date, records, target, fault_rate, verbose)
    if as_json:
        text.print_json({"run": report, "verify": verified})
        return
    text.print_report(report)
    print(f"checksums    {verified.files} files, {verified.bytes:,} bytes: all match")
    _show_rows(Path(report.partition))


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


async def _land(
    date: str | None, records: int, target: Path, fault_rate: float, verbose: bool
) -> tuple[RunReport, VerifyReport]:
    sys.stderr.write(
        f"starting an API with {records:,} orders; {fault_rate:.0%} of its pages fail\n"
    )
    with as_file(files("bronze_engine.demo") / "pipelines.toml") as path:
        async with DemoServer(records=records, fault_rate=fault_rate) as url:
            config = load(
                path,
                [f"engine.target={json.dumps(os.path.abspath(target))}", 'engine.log_dir=""'],  # noqa: PTH100, ASYNC240
                LogOptions(verbose=verbose),
                environ={**os.environ, "DEMO_URL": url},
            )
            run_date = read_date(date, config.engine)

            async def work(engine: Engine) -> tuple[RunReport, VerifyReport]:
                report = await engine.run(PIPELINE, run_date=run_date)
                return report, await engine.verify(PIPELINE, run_date=run_date)

            report, verified = await in_engine(config, work)
    if not verified.ok:
        raise StoreError(f"{report.partition}: its files are not what the manifest says")
    return report, verified


def _show_rows(partition: Path) -> None:
    """The first rows, as a reader of the lake sees them: by the manifest."""
    manifest = decode_manifest((partition / MANIFEST_NAME).read_bytes(), str(partition))
    if not manifest.files:
        return
    with pq.ParquetFile(partition / manifest.files[0].name) as file:
        rows = next(file.iter_batches(FIRST_ROWS)).to_pylist()
    header = [name for name in rows[0] if name not in ("tags", "address", "note")]
    print()
    text.print_table(header, [[str(row[name]) for name in header] for row in rows])
