"""What Prefect is told in its environment, by every process of ours that uses it.

Applied before Prefect is imported: it reads its settings once.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

_ALWAYS: Mapping[str, str] = {
    # No calls home.
    "DO_NOT_TRACK": "1",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT": "false",
    # A server that does not answer is given up in seconds; delivery never waits for it.
    "PREFECT_CLIENT_MAX_RETRIES": "1",
    "PREFECT_API_REQUEST_TIMEOUT": "3",
    "PREFECT_CLIENT_CSRF_SUPPORT_ENABLED": "false",
    # Never a server started from within an alert.
    "PREFECT_SERVER_EPHEMERAL_ENABLED": "false",
    "PREFECT_SERVER_ALLOW_EPHEMERAL_MODE": "false",
    "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": "30",
    "PREFECT_WORKER_QUERY_SECONDS": "1",
    "PREFECT_TASKS_RUNNER_THREAD_POOL_MAX_WORKERS": "8",
    # States say what happened; log lines would only add writes to the server's database.
    "PREFECT_LOGGING_TO_API_ENABLED": "false",
    "PREFECT_LOGGING_LEVEL": "CRITICAL",
}

_SERVER: Mapping[str, str] = {
    # Two weeks of runs to look at; the record of what was sent is the ledger.
    "PREFECT_SERVER_SERVICES_DB_VACUUM_ENABLED": "events,flow_runs",
    "PREFECT_SERVER_SERVICES_DB_VACUUM_RETENTION_PERIOD": "1209600",
    "PREFECT_SERVER_LOGGING_LEVEL": "WARNING",
}


def client(home: Path, *, url: str, auth: str | None) -> dict[str, str]:
    """The environment of a process that runs flows against the API at `url`; `auth` is "user:secret"."""
    told = {**_ALWAYS, "PREFECT_HOME": str(home), "PREFECT_API_URL": url}
    if auth is not None:
        told["PREFECT_API_AUTH_STRING"] = auth
    return told


def server(home: Path, *, auth: str) -> dict[str, str]:
    """The environment of our own Prefect server, which keeps its SQLite database in `home` unless told otherwise."""
    return {**_ALWAYS, **_SERVER, "PREFECT_HOME": str(home), "PREFECT_SERVER_API_AUTH_STRING": auth}
