"""The command's first second: streams that are closed, signals while it still imports."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
from datetime import date
from pathlib import Path

import pyarrow as pa
import pytest

from bronze_engine import read_partition
from tests.integration.cli.command import start

pytestmark = pytest.mark.integration

IMPORTING = """\
import sys, threading

class Slow:
    def find_spec(self, name, *_):
        if name == "bronze_engine":
            print("importing", flush=True)
            threading.Event().wait(60)

sys.meta_path.insert(0, Slow())
{ignored}
from bronze_command import main
main()
"""


def importing(folder: Path, ignored: str = "") -> subprocess.Popen[str]:
    """The command, amid its imports."""
    process = start(["-c", IMPORTING.format(ignored=ignored)], folder)
    assert process.stdout is not None
    assert process.stdout.readline() == "importing\n"
    return process


@pytest.mark.parametrize(
    ("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)]
)
def test_a_signal_amid_the_imports_ends_in_silence(
    number: signal.Signals, status: int, tmp_path: Path
) -> None:
    process = importing(tmp_path, "import signal; signal.signal(signal.SIGHUP, signal.SIG_DFL)")
    process.send_signal(number)
    assert process.communicate(timeout=60) == ("", "")
    assert process.returncode == status


def test_a_signal_that_the_parent_ignores_stays_ignored(tmp_path: Path) -> None:
    process = importing(tmp_path, "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN)")
    process.send_signal(signal.SIGINT)
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(0.3)
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 143
    process.communicate()


def test_a_reader_that_has_left_before_the_end_is_no_failure(tmp_path: Path) -> None:
    script = "import sys; sys.argv[1:] = ['schema']; from bronze_command import main; main()"
    with start(["-c", script], tmp_path) as process:
        assert process.stdout is not None
        process.stdout.close()
        assert process.stderr is not None
        assert process.stderr.read() == ""
    assert process.returncode == 0


@pytest.mark.parametrize("closed", ["2>&-", ">&-", "<&-", ">&- 2>&- <&-"])
def test_streams_that_the_parent_has_closed_lead_nowhere(closed: str, tmp_path: Path) -> None:
    """Some schedulers do so; the run ended in a traceback that nobody saw."""
    (tmp_path / "in.csv").write_text("id\n1\n2\n")
    (tmp_path / "pipelines.toml").write_text(FILES)
    run = [sys.executable, "-m", "bronze_engine", "run", "team.files", "--date", "2025-01-15"]
    script = f"{shlex.join(run)} {closed}; echo $? >status"
    subprocess.run(["sh", "-c", script], cwd=tmp_path, check=True, capture_output=True)
    assert (tmp_path / "status").read_text() == "0\n"
    table = read_partition(tmp_path / "bronze", "team.files", date(2025, 1, 15))
    assert table["id"].to_pylist() == ["1", "2"]


def test_names_of_folders_are_utf8_whatever_the_locale_is(tmp_path: Path) -> None:
    """As of cron with a locale of long ago: it ended in a traceback, or in other folders."""
    (tmp_path / "in.csv").write_text("id,land\n1,Österreich\n", "utf-8")
    (tmp_path / "pipelines.toml").write_text(
        FILES + '[pipelines.team.files.output]\npartition_by = ["land"]\n'
    )
    done = subprocess.run(
        [sys.executable, "-m", "bronze_engine", "run", "team.files", "--date", "2025-01-15"],
        cwd=tmp_path,
        env=os.environ | {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "bronze/team/files/dt=2025-01-15/land=Österreich").is_dir()


FILES = """
[pipelines.team.files.source]
type = "files"
url = "in.csv"
format = "csv"
"""


@pytest.mark.parametrize(
    ("environ", "pool"), [({}, "jemalloc"), ({"ARROW_DEFAULT_MEMORY_POOL": "system"}, "system")]
)
def test_arrow_has_the_allocator_that_holds_least_unless_another_is_chosen(
    environ: dict[str, str], pool: str
) -> None:
    if not {"jemalloc", "system"} <= {*pa.supported_memory_backends()} or not os.confstr(
        "CS_GNU_LIBC_VERSION"
    ):
        pytest.skip("Arrow has no jemalloc here")
    script = (
        "import contextlib, sys; sys.argv[1:] = ['--version']\n"
        "import bronze_command\n"
        "with contextlib.suppress(SystemExit):\n    bronze_command.main()\n"
        "import pyarrow\nprint(pyarrow.default_memory_pool().backend_name)\n"
    )
    chosen = {name: value for name, value in os.environ.items() if not name.startswith("ARROW_")}
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        check=True,
        env=chosen | environ,
    )
    assert done.stdout.splitlines()[1:] == [pool]
    assert done.stderr == ""


def test_garbage_is_looked_for_in_what_runs_and_not_in_what_was_imported() -> None:
    script = (
        "import contextlib, gc, sys; sys.argv[1:] = ['--version']\n"
        "import bronze_command\n"
        "with contextlib.suppress(SystemExit):\n    bronze_command.main()\n"
        "print(gc.isenabled(), gc.get_freeze_count() > len(sys.modules))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[1:] == ["True True"]


def test_the_command_is_that_of_the_distribution() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "bronze_command", "--version"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.startswith("bronze-engine ")
