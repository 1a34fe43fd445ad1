"""Bronze and Silver of a lake: landed fast, exact to the last digit, published exactly once.

config = load_config("pipelines.toml")
async with open_engine(config) as engine:
    report = await engine.run("myteam.orders", run_date=date(2025, 1, 15))
"""

from bronze_engine.batch.backfill import Backfill
from bronze_engine.batch.batch import Batch
from bronze_engine.clock import SYSTEM_CLOCK, Clock
from bronze_engine.config.load import Config, load_config
from bronze_engine.contracts import Hook
from bronze_engine.engine import Engine, EngineStatistics, open_engine
from bronze_engine.errors import (
    AuthError,
    BronzeError,
    CircuitOpen,
    CommitUnknown,
    ConfigError,
    ExtractError,
    PageError,
    QualityError,
    RetryError,
    StateError,
    StoreError,
)
from bronze_engine.model.backfill import BackfillReport
from bronze_engine.model.batch import BatchReport, BatchRun
from bronze_engine.model.garbage import GcReport
from bronze_engine.model.manifest import Manifest
from bronze_engine.model.report import RunPlan, RunReport, VerifyReport
from bronze_engine.model.status import PipelineStatus
from bronze_engine.monitoring.opened import Monitoring, open_monitoring
from bronze_engine.reading.once import (
    open_partition,
    open_table,
    partition_files,
    read_manifest,
    read_partition,
    stream_partition,
)
from bronze_engine.reading.reader import Reader, open_reader
from bronze_engine.run.stream import BatchStream
from bronze_engine.upkeep.history import History
from bronze_engine.upkeep.state import EntityState
from bronze_engine.version import __version__

__all__ = [
    "SYSTEM_CLOCK",
    "AuthError",
    "Backfill",
    "BackfillReport",
    "Batch",
    "BatchReport",
    "BatchRun",
    "BatchStream",
    "BronzeError",
    "CircuitOpen",
    "Clock",
    "CommitUnknown",
    "Config",
    "ConfigError",
    "Engine",
    "EngineStatistics",
    "EntityState",
    "ExtractError",
    "GcReport",
    "History",
    "Hook",
    "Manifest",
    "Monitoring",
    "PageError",
    "PipelineStatus",
    "QualityError",
    "Reader",
    "RetryError",
    "RunPlan",
    "RunReport",
    "StateError",
    "StoreError",
    "VerifyReport",
    "__version__",
    "load_config",
    "open_engine",
    "open_monitoring",
    "open_partition",
    "open_reader",
    "open_table",
    "partition_files",
    "read_manifest",
    "read_partition",
    "stream_partition",
]
