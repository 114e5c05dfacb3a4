"""What the account has: groups, destinations, connector types, private links, proxies, agents."""

import base64
import hashlib
from collections.abc import Callable
from typing import Any

from .calls import Call, not_found, success
from .wire import Answer


def info(call: Call) -> Answer:
    return success(call.app.account["account"], "Account information retrieved successfully")


def listed(key: str) -> Callable[[Call], Answer]:
    """The view of everything of one kind."""
    return lambda call: call.listing(call.app.account[key])


def one(key: str, kind: str) -> Callable[[Call, str], Answer]:
    """The view of one thing of that kind."""
    return lambda call, item_id: success(_found(call, key, kind, item_id))


def public_key(call: Call, group_id: str) -> Answer:
    """The SSH key that the far end of a tunnel has to accept."""
    _found(call, "groups", "Group", group_id)
    body = base64.b64encode(hashlib.sha512(group_id.encode()).digest()).decode()
    return success({"public_key": f"ssh-rsa {body} fivetran user key"})


def service_account(call: Call, group_id: str) -> Answer:
    """The address that a sheet or a bucket at Google is shared with."""
    _found(call, "groups", "Group", group_id)
    return success({"service_account": f"g-{group_id.replace('_', '-')}@fivetran-sandbox.iam.gserviceaccount.com"})


def destination(call: Call, destination_id: str) -> Answer:
    """With a masked config, unlike the list."""
    found = _found(call, "destinations", "Destination", destination_id)
    return success(
        found | {"config": {"host": f"{destination_id.replace('_', '-')}.example.com", "password": "******"}}
    )


def agents(call: Call) -> Answer:
    wanted = call.query.get("groupId")  # spelled like this, unlike everywhere else
    return call.listing([agent for agent in call.app.account["agents"] if not wanted or agent["group_id"] == wanted])


def connector_types(call: Call) -> Answer:
    return call.listing([service.about for service in call.app.catalog])


def connector_type(call: Call, service: str) -> Answer:
    found = call.app.catalog.get(service)
    if found is None:
        raise not_found("Service", service)
    return success(found.metadata())


def public_connector_types(call: Call) -> Answer:
    # `data` is an array, as in live answers, though the OpenAPI file says object.
    return success([service.about for service in call.app.catalog])


def _found(call: Call, key: str, kind: str, item_id: str) -> dict[str, Any]:
    for item in call.app.account[key]:
        if item["id"] == item_id:
            return dict(item)
    raise not_found(kind, item_id)
