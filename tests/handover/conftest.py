"""The sandbox as this process's Fivetran, as in the tests of the provisioning."""

from tests.provisioning.conftest import approve, fivetran, group

__all__ = ["approve", "fivetran", "group"]
