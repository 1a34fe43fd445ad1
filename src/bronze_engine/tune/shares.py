"""What share of a trial its writing took."""

from __future__ import annotations

from bronze_engine.model.profile import RunProfile
from bronze_engine.run.trial import Trial

__all__ = ["sending", "writing"]


def writing(profile: RunProfile) -> float:
    """The share of the wall time that encoding takes, or waits for the store."""
    encode = next((each.work_seconds for each in profile.stages if each.stage == "encode"), 0.0)
    return min(1.0, (encode + profile.sending_seconds) / max(profile.seconds, 1e-9))


def sending(trial: Trial | None) -> float:
    """The share of the wall time that encoding waits for the store."""
    return 0.0 if trial is None else trial.profile.sending_seconds / trial.profile.seconds
