"""`bronze`: the commands, and the edge at which errors become exit statuses.

stdout carries only results; the log goes to stderr and to the log file.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Mapping, Sequence
from importlib import import_module
from types import MappingProxyType
from typing import Annotated, Any, Final

import typer
from typer.core import TyperGroup

from bronze_engine.cli.pipes import outliving_readers
from bronze_engine.cli.session import logging_of_commands
from bronze_engine.cli.signals import Stopped
from bronze_engine.errors import BronzeError
from bronze_engine.version import __version__

__all__ = ["app", "main"]

log = logging.getLogger("bronze_engine")

FAULT_OF_OURS: Final = 70
"""EX_SOFTWARE of sysexits.h."""

_COMMANDS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "run": "run:run",
        "silver": "silver:silver",
        "batch": "batch:batch",
        "backfill": "backfill:backfill",
        "replay": "replay:replay",
        "tune": "tune:tune",
        "plan": "plan:plan",
        "list": "list:list_pipelines",
        "check": "check:check",
        "verify": "verify:verify",
        "gc": "gc:gc",
        "test-connection": "connection:probe",
        "inspect": "inspect:inspect",
        "discover": "discover:discover",
        "status": "status:status",
        "history": "history:history",
        "show": "show:show",
        "diff": "diff:diff",
        "state": "state:state",
        "quarantine": "quarantine:quarantine",
        "schema": "schema:schema",
        "ddl": "ddl:ddl",
        "init": "init:init",
        "demo": "demo:demo",
    }
)
"""Modules of cli.commands and the commands in them, in the order of the help."""


class _Commands(TyperGroup):
    """Each is imported when it is asked for: to make all of them takes longer than most do."""

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002
        for name in _COMMANDS:
            self._load(name)
        return list(_COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        if cmd_name in _COMMANDS:
            self._load(cmd_name)
        else:
            self.list_commands(ctx)  # one of them may have been meant
        return super().get_command(ctx, cmd_name)

    def _load(self, name: str) -> None:
        if name in self.commands:
            return
        module, _, function = _COMMANDS[name].partition(":")
        found = getattr(import_module(f"bronze_engine.cli.commands.{module}"), function)
        alone = typer.Typer(rich_markup_mode=None)
        if isinstance(found, typer.Typer):
            alone.add_typer(found)
        else:
            alone.command(name)(found)
        self.commands.update(typer.main.get_group(alone).commands)


app = typer.Typer(
    name="bronze",
    cls=_Commands,
    no_args_is_help=True,
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
