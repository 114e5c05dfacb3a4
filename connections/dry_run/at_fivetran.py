"""The checks that read Fivetran: the key, its account and rights, destination, name, service and networking."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from django.conf import settings

from connections import catalog
from connections.dry_run.findings import Said, Subject, result, sentence, unread, why
from connections.dry_run.reads import Read
from connections.evidence import agents
from connections.fivetran.errors import RateLimited, Refused
from connections.models import ConnectionRequest, Kind
from connections.spec import payloads
from connections.spec.dry_run import Check, CheckState, Result
from connections.spec.fields import BY_PATH
from connections.states import Owner, Status

PASSED, WARNING, FAILED = CheckState.PASSED, CheckState.WARNING, CheckState.FAILED
NOT_POSSIBLE = CheckState.NOT_POSSIBLE
# Path in the body -> (its place in the API, its kind in the catalog).
NETWORKS: dict[str, tuple[str, Kind]] = {
    "private_link_id": ("private-links", Kind.PRIVATE_LINK),
    "proxy_agent_id": ("proxy", Kind.PROXY_AGENT),
    "hybrid_deployment_agent_id": ("hybrid-deployment-agents", Kind.HYBRID_AGENT),
}
_READS = {
    "account": "the account",
    "destination": "the destination",
    "name": "the list of connections",
    "metadata": "what a service takes",
    "private_link_id": "private links",
    "proxy_agent_id": "proxy agents",
    "hybrid_deployment_agent_id": "hybrid deployment agents",
}
_WEIGHTS = {
    agents.Lack.AWAY: (WARNING, Owner.OPERATOR),
    agents.Lack.UNREADY: (FAILED, Owner.OPERATOR),
    agents.Lack.ELSEWHERE: (FAILED, Owner.REQUESTER),
}
_MANAGE, _CONNECTOR = "MANAGE", "CONNECTOR"
_READERS = frozenset({"read", "reader", "readonly", "review", "reviewer", "billing"})  # words of a role's name


# --- account ----------------------------------------------------------------------------------------------------------
def account(subject: Subject) -> Result:
    read = subject.done["account"]
    return result(Check.ACCOUNT, [_account(subject, read)], read)


def _account(subject: Subject, read: Read) -> Said:
    if not read.is_answered:
        quiet = read.why_not or isinstance(read.error, Refused | RateLimited)
        return unread(read, "the account") if quiet else Said(FAILED, why(read.error), Owner.OPERATOR)
    found = str(read.data.get("account_id") or "")
    name = str(read.data.get("account_name") or found)[:100]
    root, _, approved = subject.row.approved_account.partition(" ")
    if root and root != settings.FIVETRAN_BASE_URL:
        words = f"It was approved for {root}, and the portal speaks with {settings.FIVETRAN_BASE_URL} now."
        return Said(FAILED, words, Owner.OPERATOR)
    if approved and approved != found:
        words = f"It was approved for the account {approved}, and the key belongs to {name} ({found})."
        return Said(FAILED, words, Owner.OPERATOR)
    same = " It is the account for which the request was approved." if approved else ""
    return Said(PASSED, f"Fivetran accepts the portal's key. It belongs to the account {name} ({found}).{same}")


# --- rights -----------------------------------------------------------------------------------------------------------
def rights(subject: Subject) -> Result:
    role = subject.done.get("role")
    return result(Check.RIGHTS, _rights(subject, role), role)


def _rights(subject: Subject, role: Read | None) -> Iterator[Said]:
    reads = {name: read for name, read in subject.done.items() if name in _READS}
    denied = [name for name, read in reads.items() if isinstance(read.error, Refused) and read.error.status == 403]
    for needed in (name for name in denied if name == "name"):
        words = f"The portal's key may not read {_READS[needed]}, where a creation first looks for its name."
        yield Said(FAILED, words, Owner.OPERATOR)
    if others := [_READS[name] for name in denied if name != "name"]:
        words = (
            f"The portal's key may not read: {', '.join(others)}. A creation does not need that, and this test does."
        )
        yield Said(WARNING, words, Owner.OPERATOR)
    if not any(read.is_answered for read in reads.values()):
        yield Said(NOT_POSSIBLE, "Nothing could be read with the key, so its rights are not known.")
    elif role is not None and role.is_answered:
        yield _role(role.data, str(subject.body.get("group_id") or ""))
    else:
        words = "The key may read all that this test asks for. Its role could not be read"
        yield Said(PASSED, f"{words}, so whether it may create is seen when it creates.")


def _role(data: Mapping[str, Any], group_id: str) -> Said:
    """Of a user, or the permissions of a system key."""
    if isinstance(data.get("permissions"), list):
        return _permissions([one for one in data["permissions"] if is_of_connectors(one)], group_id)
    role = str(data.get("role") or "")[:100]
    if data.get("active") is False:
        return Said(FAILED, "The user of the portal's key is not active.", Owner.OPERATOR)
    if _READERS.intersection(re.findall(r"[a-z]+", role.lower())):
        words = f"The user of the portal's key has the role “{role}”, which probably may not create connections."
        return Said(WARNING, words, Owner.OPERATOR)
    told = f"Its user has the role “{role}”" if role else "Its user has no role in the whole account"
    return Said(PASSED, f"The key may read all that this test asks for. {told}.")


def _permissions(permissions: list[Mapping[str, Any]], group_id: str) -> Said:
    manages = [one for one in permissions if one.get("access_level") == _MANAGE]
    if any(covers(one.get("resource_filter"), group_id) for one in manages):
        return Said(PASSED, "The portal's system key may manage connections.")
    if manages:
        words = "The portal's system key may manage connections, but makes none in this destination."
        return Said(FAILED, words, Owner.OPERATOR)
    if permissions:
        return Said(FAILED, "The portal's system key may not manage connections.", Owner.OPERATOR)
    return Said(WARNING, "The portal's system key names no right on connections.", Owner.OPERATOR)


def covers(limit: object, group_id: str) -> bool:
    """Whether a permission with this `resource_filter` is about new connections of this destination."""
    if not isinstance(limit, Mapping):
        return True
    groups = limit.get("group_ids")
    if isinstance(groups, list) and groups:
        return not group_id or group_id in groups
    return not limit.get("ids")  # ids alone name connections that exist


def is_of_connectors(permission: object) -> bool:
    return isinstance(permission, Mapping) and permission.get("resource_type") == _CONNECTOR


# --- destination ------------------------------------------------------------------------------------------------------
def destination(subject: Subject) -> Result:
    read = subject.done.get("destination")
    return result(Check.DESTINATION, [*subject.of_form(Check.DESTINATION), *_destination(subject, read)], read)


def _destination(subject: Subject, read: Read | None) -> Iterator[Said]:
    if read is None:
        yield Said(NOT_POSSIBLE, "No destination is chosen yet.")
        return
    name = subject.row.group_name or str(subject.body.get("group_id"))
    match read.error:
        case Refused(status=404):
            yield Said(FAILED, f"Fivetran has no destination {name}, or the key does not see it.", Owner.OPERATOR)
            return
    if not read.is_answered:
        yield unread(read, "the destination")
        return
    setup = str(read.data.get("setup_status") or "unknown")[:50]
    if setup.upper() == "CONNECTED":
        yield Said(PASSED, f"{name} exists and is set up.")
    else:
        yield Said(FAILED, f"{name} exists and is not set up: Fivetran calls it {setup}.", Owner.OPERATOR)


# --- name -------------------------------------------------------------------------------------------------------------
def name(subject: Subject) -> Result:
    read = subject.done.get("name")
    return result(Check.NAME, [*subject.of_form(Check.NAME), *_name(subject, read)], read)


def _name(subject: Subject, read: Read | None) -> Iterator[Said]:
    row, group_id = subject.row, str(subject.body.get("group_id") or "")
    schema = payloads.natural_key(subject.config)
    if not group_id or not schema:
        yield Said(NOT_POSSIBLE, "Without a destination and a name there is nothing to look for.")
        return
    if ConnectionRequest.objects.holding(group_id, schema).exclude(pk=row.pk).exists():
        yield Said(FAILED, f"Another request of this portal holds the name {schema} there.", Owner.REQUESTER)
    if read is None or not read.is_answered:
        yield unread(read, "whether the name is free there") if read else Said(NOT_POSSIBLE, "It was not looked for.")
        return
    found = [one for one in read.data if is_named(one, group_id, schema) and one.get("id") != row.connection_id]
    if not found:
        own = " but for this request's own connection" if row.connection_id and read.data else ""
        yield Said(PASSED, f"The name {schema} is free in this destination{own}.")
    elif row.state in (Status.SENDING, Status.UNKNOWN, Status.ATTENTION):
        yield Said(WARNING, f"A connection has the name {schema}, perhaps by this request's own attempt.")
    else:
        words = f"A connection at Fivetran has the name {schema} in this destination already. Choose another name."
        yield Said(FAILED, words, Owner.REQUESTER)


def is_named(item: Mapping[str, Any], group_id: str, schema: str) -> bool:
    return item.get("schema") == schema and item.get("group_id", group_id) == group_id


# --- service ----------------------------------------------------------------------------------------------------------
def service(subject: Subject) -> Result:
    read = subject.done.get("metadata")
    said = [*_policy(subject), *subject.of_form(Check.SERVICE), *_service(subject, read)]
    return result(Check.SERVICE, said, read)


def _policy(subject: Subject) -> Iterator[Said]:
    if why_not := catalog.refusal(str(subject.body.get("service") or "")):
        yield Said(FAILED, sentence(why_not), Owner.REQUESTER)


def _service(subject: Subject, read: Read | None) -> Iterator[Said]:
    asked = subject.row.service_name or str(subject.body.get("service") or "")
    if read is None:
        yield Said(NOT_POSSIBLE, "No service is chosen yet.")
        return
    if isinstance(read.error, Refused) and read.error.status == 404:
        yield Said(FAILED, f"Fivetran knows no service {asked}.", Owner.REQUESTER)
        return
    if not read.is_answered:
        yield unread(read, "the service")
        return
    asked = str(read.data.get("name") or asked)[:100]
    status = str(read.data.get("service_status") or "")[:50].lower()
    if status == "sunset":
        yield Said(FAILED, f"{asked} is being retired at Fivetran: no new connection can be made.", Owner.REQUESTER)
    elif status in ("private_preview", "development"):
        words = f"{asked} is not for every account: Fivetran calls it {status.replace('_', ' ')}."
        yield Said(WARNING, words, Owner.OPERATOR)
    else:
        beta = ", as beta" if status == "beta" else ""
        yield Said(PASSED, f"Fivetran offers {asked}{beta}, and your company allows it.")


# --- networking -------------------------------------------------------------------------------------------------------
def networking(subject: Subject) -> Result:
    named = {path: subject.done[path] for path in NETWORKS if path in subject.done}
    said = [*(one for path in named for one in _network(subject, path)), *subject.of_form(Check.NETWORKING)]
    # Whether it is connected was asked just now, which is newer than what the form knows.
    live = any(read.is_answered for read in named.values())
    said = [one for one in said if not (live and catalog.OFFLINE in one.words)]
    method = dict(BY_PATH["networking_method"].choices).get(subject.body.get("networking_method", "Directly"), "")
    if not named:
        said.append(Said(PASSED, f"{method or 'As chosen'}: no link and no agent is named."))
    return result(Check.NETWORKING, said, *named.values())


def _network(subject: Subject, path: str) -> Iterator[Said]:
    read, kind, item = subject.done[path], NETWORKS[path][1], str(subject.body.get(path))
    what = kind.label[:-1].lower()
    if isinstance(read.error, Refused) and read.error.status == 404:
        yield Said(FAILED, f"Fivetran has no {what} {item}.", Owner.REQUESTER)
    elif not read.is_answered:
        yield unread(read, f"the {what}")
    else:
        called = str(read.data.get("display_name") or read.data.get("name") or item)[:100]
        flaws = agents.flaws(kind, read.data, subject.body)
        for flaw in flaws:
            state, acts = _WEIGHTS[flaw.lack]
            yield Said(state, f"{kind.label[:-1]} {called}: {flaw.words}.", acts)
        if not flaws:
            yield Said(PASSED, f"{kind.label[:-1]} {called} exists and is ready.")
