"""The sandbox as this process's Fivetran, as in the tests of the worker."""

from tests.worker.conftest import approve, fivetran, group

__all__ = ["approve", "fivetran", "group"]
