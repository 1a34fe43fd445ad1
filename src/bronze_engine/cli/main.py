"""`bronze`: the commands, and the edge at which errors become exit statuses.

stdout carries only results; the log goes to stderr and to the log file.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence
from typing import Annotated, Final

import typer

from bronze_engine.cli import (
    backfill,
    batch,
    connection,
    ddl,
    demo,
    diff,
    gc,
    history,
    init,
    inspect,
    look,
    quarantine,
    run,
    show,
    silver,
    state,
    status,
    tables,
    tune,
)
from bronze_engine.cli.pipes import outliving_readers
from bronze_engine.cli.session import logging_of_commands
from bronze_engine.cli.signals import Stopped
from bronze_engine.errors import BronzeError
from bronze_engine.version import __version__

__all__ = ["app", "main"]

log = logging.getLogger("bronze_engine")

FAULT_OF_OURS: Final = 70
"""EX_SOFTWARE of sysexits.h."""

app = typer.Typer(
    name="bronze",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,  # its tracebacks show local variables: secrets among them
    rich_markup_mode=None,
)


def _print_version(is_asked: bool) -> None:
    if is_asked:
        print(f"bronze-engine {__version__}")
        raise typer.Exit


@app.callback()
def bronze(
    *,
    version: Annotated[  # its callback does it all
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version."
        ),
    ] = False,
) -> None:
    """Land APIs, databases and files in a lake: Bronze as it came, Silver curated; exactly once."""


app.command("run")(run.run)
app.command("silver")(silver.silver)
app.command("batch")(batch.batch)
app.command("backfill")(backfill.backfill)
app.command("replay")(run.replay)
app.command("tune")(tune.tune)
app.command("plan")(look.plan)
app.command("list")(look.list_pipelines)
app.command("check")(look.check)
app.command("verify")(look.verify)
app.command("gc")(gc.gc)
app.command("test-connection")(connection.probe)
app.command("inspect")(inspect.inspect)
app.command("discover")(tables.discover)
app.command("status")(status.status)
app.command("history")(history.history)
app.command("show")(show.show)
app.command("diff")(diff.diff)
app.add_typer(state.state)
app.add_typer(quarantine.quarantine)
app.command("schema")(look.schema)
app.command("ddl")(ddl.ddl)
app.command("init")(init.init)
app.command("demo")(demo.demo)


def main(argv: Sequence[str] | None = None) -> None:
    """Run one command and raise SystemExit with its status.

    The logging that was there before is put back by then.

    `bronze team.name …` is `bronze run team.name …`.
    """
    args = list(sys.argv[1:] if argv is None else argv)
    if args and "." in args[0] and not args[0].startswith("-"):
        args.insert(0, "run")
    with outliving_readers(), logging_of_commands():
        status = _status(args)
    sys.exit(status)


def _status(args: list[str]) -> int:
    try:
        try:
            app(args, standalone_mode=True)
        finally:
            if sys.stdout is not None:
                sys.stdout.flush()  # here, where a fault of it is told as any other
    except SystemExit as exc:
        return exc.code if isinstance(exc.code, int) else 0 if exc.code is None else 1
    except BronzeError as exc:
        log.error("%s", exc)  # noqa: TRY400  # its message says it all; -v has the rest
        log.debug("where it came from", exc_info=exc)
        return exc.exit_code
    except Stopped as exc:
        return exc.exit_code
    except KeyboardInterrupt:
        return 130
    except Exception:
        log.exception(
            "BRONZE this is a fault of bronze-engine itself, not of your data or configuration;"
            " please report it with the traceback below. What was committed is untouched"
        )
        return FAULT_OF_OURS
    return 0
