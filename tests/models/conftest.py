"""The sandbox as this process's Fivetran, as in the tests of the worker."""

from tests.worker.conftest import fivetran, group

__all__ = ["fivetran", "group"]
