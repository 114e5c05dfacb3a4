"""Which function answers which method and path."""

import re
from collections.abc import Callable
from urllib.parse import unquote

from . import (
    account,
    approvals,
    cards,
    changes,
    connections,
    control,
    creation,
    moves,
    packages,
    pages,
    schemas,
    webhooks,
)
from .calls import ApiError
from .collection import COLLECTIONS
from .wire import Answer

View = Callable[..., Answer]

ROUTES: tuple[tuple[str, str, View], ...] = (
    ("GET", "/v1/account/info", account.info),
    ("GET", "/v1/groups/{group_id}/public-key", account.public_key),
    ("GET", "/v1/groups/{group_id}/service-account", account.service_account),
    ("GET", "/v1/groups/{group_id}/connections", connections.index),
    ("GET", "/v1/groups/{group_id}/users", account.group_users),
    ("POST", "/v1/groups/{group_id}/users", account.add_group_user),
    ("DELETE", "/v1/groups/{group_id}/users/{user_id}", account.remove_group_user),
    ("GET", "/v1/proxy/{proxy_id}/connections", account.proxy_connections),
    ("GET", "/v1/connector-sdk/packages", packages.index),
    ("GET", "/v1/connector-sdk/migration/connections", packages.deployed),
    ("POST", "/v1/connector-sdk/packages", packages.create),
    ("GET", "/v1/connector-sdk/packages/{item_id}", packages.retrieve),
    ("PATCH", "/v1/connector-sdk/packages/{item_id}", packages.change),
    ("GET", "/v1/metadata/connector-types", account.connector_types),
    ("GET", "/v1/metadata/connector-types/{service}", account.connector_type),
    ("GET", "/v1/metadata/{spelling:connections|connectors}/{connection_id}/tables", schemas.tables),
    ("GET", "/public/connector-types", account.public_connector_types),
    ("POST", "/v1/connections", creation.create),
    ("GET", "/v1/connections", connections.index),
    ("GET", "/v1/connections/{connection_id}", connections.retrieve),
    ("PATCH", "/v1/connections/{connection_id}", changes.change),
    ("DELETE", "/v1/connections/{connection_id}", connections.delete),
    ("POST", "/v1/connections/{connection_id}/test", connections.test),
    ("POST", "/v1/connections/{connection_id}/sync", connections.sync),
    ("POST", "/v1/connections/{connection_id}/force", connections.sync),  # the old spelling of sync
    ("POST", "/v1/connections/{connection_id}/resync", connections.resync),
    ("GET", "/v1/connections/{connection_id}/state", connections.state),
    ("PATCH", "/v1/connections/{connection_id}/state", connections.change_state),
    ("GET", "/v1/connections/{connection_id}/warnings", connections.warnings),
    ("DELETE", "/v1/connections/{connection_id}/warnings/{code}", connections.dismiss_warning),
    ("POST", "/v1/connections/{connection_id}/move", moves.move),
    ("GET", "/v1/connections/{connection_id}/move/{job_id}", moves.job),
    ("GET", "/v1/connections/{connection_id}/schemas", schemas.retrieve),
    ("POST", "/v1/connections/{connection_id}/schemas", schemas.change),
    ("PATCH", "/v1/connections/{connection_id}/schemas", schemas.change),
    ("POST", "/v1/connections/{connection_id}/schemas/reload", schemas.reload),
    ("POST", "/v1/connections/{connection_id}/schemas/tables/resync", schemas.resync),
    ("PATCH", "/v1/connections/{connection_id}/schemas/{schema}", schemas.change_one),
    ("PATCH", "/v1/connections/{connection_id}/schemas/{schema}/tables/{table}", schemas.change_one),
    ("POST", "/v1/connections/{connection_id}/schemas/{schema}/tables/{table}/resync", schemas.resync_one),
    ("GET", "/v1/connections/{connection_id}/schemas/{schema}/tables/{table}/columns", schemas.columns),
    ("PATCH", "/v1/connections/{connection_id}/schemas/{schema}/tables/{table}/columns/{column}", schemas.change_one),
    ("DELETE", "/v1/connections/{connection_id}/schemas/{schema}/tables/{table}/columns/{column}", schemas.drop_column),
    ("GET", "/v1/connections/{connection_id}/sync-history", connections.sync_history),
    ("POST", "/v1/connections/{connection_id}/connect-card", connections.connect_card),
    ("GET", "/v1/{owners:connections|destinations}/{owner_id}/{kinds:certificates|fingerprints}", approvals.index),
    ("POST", "/v1/{owners:connections|destinations}/{owner_id}/{kinds:certificates|fingerprints}", approvals.approve),
    (
        "GET",
        "/v1/{owners:connections|destinations}/{owner_id}/{kinds:certificates|fingerprints}/{approval_id}",
        approvals.retrieve,
    ),
    (
        "DELETE",
        "/v1/{owners:connections|destinations}/{owner_id}/{kinds:certificates|fingerprints}/{approval_id}",
        approvals.revoke,
    ),
    ("GET", "/v1/webhooks", webhooks.index),
    ("POST", "/v1/webhooks/account", webhooks.create),
    ("POST", "/v1/webhooks/group/{group_id}", webhooks.create),
    ("GET", "/v1/webhooks/{webhook_id}", webhooks.retrieve),
    ("PATCH", "/v1/webhooks/{webhook_id}", webhooks.change),
    ("DELETE", "/v1/webhooks/{webhook_id}", webhooks.delete),
    ("POST", "/v1/webhooks/{webhook_id}/test", webhooks.test),
    ("GET", cards.PATH, cards.card),
    ("POST", cards.PATH, cards.card),
    ("GET", "/", pages.start),
    ("GET", "/dashboard/connections/{connection_id}/status", pages.dashboard),
    ("GET", "/_sandbox/sandbox.css", pages.style),
    ("DELETE", "/_sandbox/", control.start_over),
    ("GET", "/_sandbox/journal", control.journal),
    ("DELETE", "/_sandbox/journal", control.clear_journal),
    ("GET", "/_sandbox/connections", control.connections),
    ("POST", "/_sandbox/connections", control.seed),
    ("DELETE", "/_sandbox/connections", control.clear_connections),
    ("POST", "/_sandbox/check", control.check),
    ("POST", "/_sandbox/connections/{connection_id}/sync", control.sync),
    ("GET", "/_sandbox/settings", control.settings),
    ("POST", "/_sandbox/settings", control.change_settings),
    ("GET", "/_sandbox/hold", control.held),
    ("POST", "/_sandbox/hold", control.hold),
    ("DELETE", "/_sandbox/hold", control.release),
    ("POST", "/_sandbox/release", control.release),
    ("GET", "/_sandbox/elsewhere", control.elsewhere),
    ("POST", "/_sandbox/elsewhere", control.elsewhere),
    *(route for each in COLLECTIONS for route in each.routes()),
)


def _compiled(path: str) -> re.Pattern[str]:
    def group(match: re.Match[str]) -> str:
        name, _, choice = match[1].partition(":")
        return f"(?P<{name}>{choice or '[^/]+'})"

    return re.compile(re.sub(r"\{([^}]+)\}", group, path) + "$")


_COMPILED = tuple((method, _compiled(path), view) for method, path, view in ROUTES)


def find(method: str, path: str) -> tuple[View, dict[str, str]]:
    """The view and the values from the path; ApiError 404 without such a path, 405 without such a method."""
    known = False
    for wanted, pattern, view in _COMPILED:
        if match := pattern.match(path):
            known = True
            if wanted == method:
                return view, {name: unquote(value) for name, value in match.groupdict().items()}
    if known:
        raise ApiError(405, "MethodNotAllowed", "HTTP 405 Method Not Allowed")
    raise ApiError(404, "NotFound", "HTTP 404 Not Found")
