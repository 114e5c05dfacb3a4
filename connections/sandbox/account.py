"""What the account has: groups, destinations, connector types, private links, proxies, agents."""

import base64
import hashlib
from typing import Any

from .calls import Call, not_found, success
from .wire import Answer


def info(call: Call) -> Answer:
    return success(call.app.account["account"], "Account information retrieved successfully")


def groups(call: Call) -> Answer:
    return call.listing(call.app.account["groups"])


def group(call: Call, group_id: str) -> Answer:
    return success(_group(call, group_id))


def public_key(call: Call, group_id: str) -> Answer:
    """The SSH key that the far end of a tunnel has to accept."""
    _group(call, group_id)
    body = base64.b64encode(hashlib.sha512(group_id.encode()).digest()).decode()
    return success({"public_key": f"ssh-rsa {body} fivetran user key"})


def service_account(call: Call, group_id: str) -> Answer:
    """The address that a sheet or a bucket at Google is shared with."""
    _group(call, group_id)
    return success({"service_account": f"g-{group_id.replace('_', '-')}@fivetran-sandbox.iam.gserviceaccount.com"})


def destinations(call: Call) -> Answer:
    return call.listing(call.app.account["destinations"])


def destination(call: Call, destination_id: str) -> Answer:
    """With a masked config, unlike the list."""
    found = _of("Destination", call.app.account["destinations"], destination_id)
    return success(
        found | {"config": {"host": f"{destination_id.replace('_', '-')}.example.com", "password": "******"}}
    )


def private_links(call: Call) -> Answer:
    return call.listing(call.app.account["private_links"])


def private_link(call: Call, link_id: str) -> Answer:
    return success(_of("PrivateLink", call.app.account["private_links"], link_id))


def proxies(call: Call) -> Answer:
    return call.listing(call.app.account["proxies"])


def proxy(call: Call, proxy_id: str) -> Answer:
    return success(_of("ProxyAgent", call.app.account["proxies"], proxy_id))


def agents(call: Call) -> Answer:
    wanted = call.query.get("groupId")  # spelled like this, unlike everywhere else
    return call.listing([agent for agent in call.app.account["agents"] if not wanted or agent["group_id"] == wanted])


def agent(call: Call, agent_id: str) -> Answer:
    return success(_of("RemoteExecutionAgent", call.app.account["agents"], agent_id))


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


def _group(call: Call, group_id: str) -> dict[str, Any]:
    found = call.app.group(group_id)
    if found is None:
        raise not_found("Group", group_id)
    return found


def _of(kind: str, items: list[dict[str, Any]], item_id: str) -> dict[str, Any]:
    for item in items:
        if item["id"] == item_id:
            return item
    raise not_found(kind, item_id)
