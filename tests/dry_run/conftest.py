"""The sandbox as this process's Fivetran."""

from tests.worker.conftest import approve, fivetran, group

__all__ = ["approve", "fivetran", "group"]
