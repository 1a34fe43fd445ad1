"""Six processes that share a limit through a real Redis, which stays, or is killed."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from bisect import bisect_right
from collections.abc import Callable, Sequence

import pytest

from tests.integration.redis import RedisServer, redis_server

pytestmark = [pytest.mark.integration, pytest.mark.slow]

__all__ = ["redis_server"]

RPS = 50
BURST = 20
PROCESSES = 6


def run_processes(
    url: str, seconds: float, *, meanwhile: Callable[[], None] = lambda: None
) -> tuple[list[list[float]], str]:
    """When each was granted a token, and what they wrote to stderr."""
    processes = []
    for number in range(PROCESSES):
        off_seconds = 3600 if number == 0 else 0
        arguments = [url, f"{RPS}", f"{BURST}", f"{seconds}", f"{off_seconds}"]
        processes.append(
            subprocess.Popen(
                [sys.executable, "-m", "tests.integration.limits.process", *arguments],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
        )
    try:
        for process in processes:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
        for process in processes:
            assert process.stdin is not None
            process.stdin.write("go\n")
            process.stdin.flush()
        meanwhile()
        ends = [process.communicate(timeout=seconds + 30) for process in processes]
    finally:
        for process in processes:
            process.kill()
            process.wait()
    errors = "".join(err for _, err in ends)
    assert [process.returncode for process in processes] == [0] * PROCESSES, errors
    return [json.loads(out) for out, _ in ends], errors


def in_window(instants: Sequence[float], begin: float, seconds: float) -> int:
    return bisect_right(instants, begin + seconds) - bisect_right(instants, begin - 1e-9)


def test_six_processes_never_exceed_the_rate_and_use_it(redis_server: RedisServer) -> None:
    granted, errors = run_processes(redis_server.url, 11)
    instants = sorted(at for each in granted for at in each)
    assert in_window(instants, instants[0], 10) <= RPS * 10 + BURST
    assert in_window(instants, instants[0], 10) >= RPS * 10
    # A process that was held up uses a token that is a tenth of a second old at most.
    for seconds in (0.5, 2, 5):
        most = RPS * (seconds + 0.1) + BURST
        assert max(in_window(instants, begin, seconds) for begin in instants) <= most
    shares = [len(each) for each in granted]
    assert min(shares) > 0.8 * sum(shares) / PROCESSES, shares
    assert errors == ""


def test_redis_killed_and_back_costs_a_burst_at_most(redis_server: RedisServer) -> None:
    def meanwhile() -> None:
        time.sleep(2)  # noqa: TID251  # while other processes work
        redis_server.kill()
        time.sleep(3)  # noqa: TID251
        redis_server.start()

    granted, errors = run_processes(redis_server.url, 12, meanwhile=meanwhile)
    instants = sorted(at for each in granted for at in each)
    slack = BURST + PROCESSES + RPS * 0.1  # the burst again, one a process, and what comes late
    for seconds in (1, 5, 10):
        most = RPS * seconds + BURST + slack
        assert max(in_window(instants, begin, seconds) for begin in instants) <= most
    assert len(instants) >= 0.85 * RPS * 12
    assert errors.count("can't be used") == PROCESSES  # told once by each
    with redis_server.client() as client:
        calls = client.info("commandstats")
        assert isinstance(calls, dict)
        assert calls["cmdstat_evalsha"]["calls"] > RPS  # it counts again
