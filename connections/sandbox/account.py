"""The account itself, what its groups show beside their data, and the connector types."""

import base64
import hashlib

from .calls import Call, not_found, success
from .wire import Answer

ADMINISTRATOR = "Account Administrator"


def info(call: Call) -> Answer:
    return success(call.app.account["account"], "Account information retrieved successfully")


def public_key(call: Call, group_id: str) -> Answer:
    """The SSH key that the far end of a tunnel has to accept."""
    _group(call, group_id)
    body = base64.b64encode(hashlib.sha512(group_id.encode()).digest()).decode()
    return success({"public_key": f"ssh-rsa {body} fivetran user key"})


def service_account(call: Call, group_id: str) -> Answer:
    """The address that a sheet or a bucket at Google is shared with."""
    _group(call, group_id)
    project = call.app.account["google_project"]
    return success({"service_account": f"g-{group_id.replace('_', '-')}@{project}.iam.gserviceaccount.com"})


def group_users(call: Call, group_id: str) -> Answer:
    """Those who were added to the group, and the administrators of the account."""
    _group(call, group_id)
    roles = {item["id"]: item["role"] for item in call.app.state.items("group_users", f"groups/{group_id}")}
    users = [user | {"role": roles.get(user["id"], user["role"])} for user in call.app.state.items("users")]
    return call.listing([user for user in users if user["id"] in roles or user["role"] == ADMINISTRATOR])


def add_group_user(call: Call, group_id: str) -> Answer:
    _group(call, group_id)
    body = call.json()
    user = next((user for user in call.app.state.items("users") if user["email"] == body.get("email")), None)
    if user is None:
        raise not_found("User", str(body.get("email")))
    call.app.state.save_item("group_users", {"id": user["id"], "role": body.get("role")}, f"groups/{group_id}")
    return success(message="User has been added to the group")


def remove_group_user(call: Call, group_id: str, user_id: str) -> Answer:
    _group(call, group_id)
    if not call.app.state.delete_item("group_users", user_id, f"groups/{group_id}"):
        raise not_found("User", user_id)
    return success(message=f"User with id '{user_id}' has been removed from the group")


def proxy_connections(call: Call, proxy_id: str) -> Answer:
    if call.app.state.item("proxies", proxy_id) is None:
        raise not_found("ProxyAgent", proxy_id)
    docs = call.app.state.list_connections()
    return call.listing([{"connection_id": doc["id"]} for doc in docs if doc.get("proxy_agent_id") == proxy_id])


def _group(call: Call, group_id: str) -> None:
    if call.app.group(group_id) is None:
        raise not_found("Group", group_id)


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
