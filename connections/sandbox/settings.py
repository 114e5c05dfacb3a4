"""What can be changed while the sandbox runs, through ``POST /_sandbox/settings`` or ``--settings``."""

from dataclasses import asdict, dataclass, fields
from typing import Any


@dataclass
class Settings:
    """All times are in seconds."""

    key: str = "sandbox-key"
    secret: str = "sandbox-secret"  # noqa: S105  (the sandbox's key, printed on its start page)
    reject_all: bool = False  # 401 to everybody, as after a key was revoked
    unique_names: bool = True  # one connection per group and schema name
    duplicate_status: int = 400  # status of SchemaExists: 400 or 409, not recorded by Fivetran's documents
    create_seconds: float = 0.0  # before a connection exists
    test_seconds: float = 1.5  # one whole run of setup tests
    first_sync_seconds: float = 0.0  # from being set up to the end of the first sync; 0: none ever runs by itself
    card_seconds: float = 86400.0  # life of a Connect Card address
    behind_seconds: float = 0.0  # how far back the clock is by which things are created and synced
    id_seed: int = 0  # not 0: ids follow from it and the name, so that a scenario has the same ones each time
    hold_seconds: float = 120.0  # longest time a socket is kept without an answer
    late_seconds: float = 3.0  # late_: from the client giving up to the effect
    slow_seconds: float = 5.0  # slow_: before the answer
    drip_seconds: float = 0.4  # drip_: between two bytes
    retry_after: int = 2  # busy_ and the limits below
    data_delay_sensitivity: str = "NORMAL"  # of a body without one: newer definitions of the API say LOW
    busy_times: int = 2  # busy_: refusals before the 201
    bomb_bytes: int = 64 * 1024 * 1024  # bomb_: size of the body
    rate_limit_per_minute: int = 0  # all calls; 0 is off
    create_limit_per_minute: int = 0  # calls that run setup tests; 0 is off
    hourly_limit: int = 20_000  # X-Rate-Limit: calls of a paid account in a rolling hour; nothing is refused by it
    hourly_remaining: int = -1  # X-Rate-Limit-Remaining, as a fixed number; below 0: counted
    rate_window_seconds: float = 60.0

    def change(self, values: dict[str, Any]) -> None:
        """Set the named values, converted to the type of their default; ValueError for an unknown or unfit one."""
        known = {field.name: type(getattr(self, field.name)) for field in fields(self)}
        fit = {}
        for name, value in values.items():
            if name not in known:
                raise ValueError(f"unknown setting {name!r}; known are {', '.join(known)}")
            kind = known[name]
            # To Python a bool is an int: `true` for a number of seconds would be taken silently.
            if (kind is bool) != isinstance(value, bool):
                raise ValueError(f"{name} must be of type {kind.__name__}")
            try:
                fit[name] = kind(value)
            except (TypeError, ValueError) as error:
                raise ValueError(f"{name} must be of type {kind.__name__}") from error
        # Only now: one unfit value leaves all settings as they were.
        for name, value in fit.items():
            setattr(self, name, value)

    def public(self) -> dict[str, Any]:
        return asdict(self)
