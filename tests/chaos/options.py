"""What to run, and the clocks of a run."""

import os
import sys
from dataclasses import dataclass

# The portal's clocks, shortened together. SETTLE covers the latest effect that the faults below can cause: a
# call whose worker was frozen for 6 s just before it gave up after 2 s, and whose effect comes 1.5 s later.
CLOCKS = {
    "SUBMIT_CONNECT_TIMEOUT": "1",
    "SUBMIT_READ_TIMEOUT": "2",
    "SUBMIT_DEADLINE": "4",
    "SETTLE_SECONDS": "7",
    "SWEEP_INTERVAL": "1",
    "CLAIM_LEASE": "3",
    "PROBE_SECONDS": "1",
}
DIALS = {
    "test_seconds": 0,
    "late_seconds": 1.5,
    "slow_seconds": 1,
    "drip_seconds": 0.05,
    "retry_after": 1,
    "busy_times": 1,
}
PER_SECOND = 4.0
PATIENCE = 60.0  # seconds beyond deadline and settling in which everything has to be quiet again


@dataclass(frozen=True)
class Options:
    """What to run."""

    seed: int
    requests: int
    unique_names: bool
    database: str
    workers: int


def options() -> Options:
    """From the environment, overruled by NAME=VALUE arguments."""
    given = dict(os.environ) | dict(argument.split("=", 1) for argument in sys.argv[1:])
    database = given.get("DATABASE", "")
    if database not in ("", "postgresql", "sqlite"):
        sys.exit("DATABASE is postgresql or sqlite.")
    return Options(
        seed=int(given.get("SEED") or 7),
        requests=int(given.get("REQUESTS") or 400),
        unique_names=(given.get("UNIQUE_NAMES") or "0") not in ("0", "no", "false"),
        database=database,
        workers=int(given.get("WORKERS") or 3),
    )
