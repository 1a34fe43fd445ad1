"""Tags of the configuration and the types behind them, imported when first asked for.

So a process waits for the libraries that it uses, and needs no extra of what it does not.
An embedding service passes types of its own to `open_engine`; they win over the built-in.
"""

from bronze_engine.adapters.auths import auth_type, open_auth, token_store
from bronze_engine.adapters.extras import (
    dask_cluster,
    figure_type,
    lake_table_type,
    otel_hook,
    otel_providers,
    shared_tokens,
)
from bronze_engine.adapters.limits import source_limits, store_limits
from bronze_engine.adapters.probes import adbc_probe, api_probe, postgres_probe
from bronze_engine.adapters.senders import open_sender
from bronze_engine.adapters.silver import silver_layer
from bronze_engine.adapters.sources import source_type
from bronze_engine.adapters.stores import (
    StoreOpener,
    open_store,
    store_opener,
    store_resources,
)

__all__ = [
    "StoreOpener",
    "adbc_probe",
    "api_probe",
    "auth_type",
    "dask_cluster",
    "figure_type",
    "lake_table_type",
    "open_auth",
    "open_sender",
    "open_store",
    "otel_hook",
    "otel_providers",
    "postgres_probe",
    "shared_tokens",
    "silver_layer",
    "source_limits",
    "source_type",
    "store_limits",
    "store_opener",
    "store_resources",
    "token_store",
]
