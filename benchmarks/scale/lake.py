"""What all processes of the simulation share: manifests, leases, and the APIs' rates."""

from __future__ import annotations

from collections import Counter

from benchmarks.scale.load import BURST, RATE, Job
from benchmarks.scale.timeline import Timeline

__all__ = ["LEASE_SECONDS", "Lake"]

LEASE_SECONDS = 30.0


class Lake:
    """A manifest is replaced only by who names the generation that it has."""

    def __init__(self, timeline: Timeline) -> None:
        self.timeline = timeline
        self.generations: Counter[str] = Counter()
        self.refused = 0
        """Commits of processes that were thought dead."""
        self.committed_at: dict[str, float] = {}
        self._leases: dict[str, tuple[object, float]] = {}
        self._due: dict[str, float] = {}

    def commit(self, name: str, generation: int) -> bool:
        """Whether it is the next generation."""
        if self.generations[name] + 1 != generation:
            self.refused += 1
            return False
        self.generations[name] = generation
        self.committed_at.setdefault(name, self.timeline.monotonic())
        return True

    def lease(self, name: str, owner: object) -> float:
        """Take it; returns for how long another holds it, in which case it is not taken."""
        held_by, until = self._leases.get(name, (owner, 0.0))
        now = self.timeline.monotonic()
        if held_by is not owner and until > now:
            return until - now
        self._leases[name] = (owner, float("inf"))  # renewed while its owner lives
        return 0.0

    def release(self, name: str, owner: object) -> None:
        if self._leases.get(name, (None, 0.0))[0] is owner:
            del self._leases[name]

    def outlive(self, owner: object) -> None:
        """The owner renews nothing any more."""
        until = self.timeline.monotonic() + LEASE_SECONDS
        for name, (held_by, _) in self._leases.items():
            if held_by is owner:
                self._leases[name] = (owner, until)

    def token(self, job: Job) -> float:
        """When a request is due: as limits/redis counts, for all processes together."""
        now = self.timeline.monotonic()
        if not job.is_limited:
            return now
        due = max(now - (BURST - 1) / RATE, self._due.get(job.api, 0.0))
        self._due[job.api] = due + 1 / RATE
        return max(now, due)
