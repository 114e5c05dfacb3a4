"""What the account has beside connections: each collection by the data that describes it, and what some have more."""

import hashlib
import uuid
from typing import Any

import pytest

from connections.sandbox.collection import COLLECTIONS, Collection
from tests.sandbox.api import Api

WHOLE = [each for each in COLLECTIONS if "create" in each.methods]
SECRET = {"config": {"password": "canary", "primary_key": "canary", "port": 443}}


def base(api: Api, collection: Collection) -> str:
    """The address of the collection, below a new owner where it has one."""
    if not collection.of:
        return collection.path
    owner = {
        "users": {"email": f"{uuid.uuid4().hex}@example.com", "given_name": "A", "family_name": "B"},
        "teams": {"name": "one"},
    }
    made = api.call("POST", f"/v1/{collection.of}", json=owner[collection.of]).json()["data"]
    return collection.path.format(owner_id=made["id"])


def body_of(collection: Collection) -> dict[str, Any]:
    """The least that a creation needs; a group that has nothing yet."""
    body = {name: "sample" if value == "" else value for name, value in collection.required.items()}
    return body | ({"group_id": "faded_willow"} if "group_id" in body else {})


def by_kind(collection: Collection) -> str:
    return collection.kind


@pytest.mark.parametrize("collection", WHOLE, ids=by_kind)
def test_made_listed_shown_and_deleted(api: Api, collection: Collection) -> None:
    path, body = base(api, collection), body_of(collection)
    before = api.get(path)["items"]
    made = api.call("POST", path, json=body)
    assert (made.status_code, made.json()["code"]) == (201, "Success"), made.text
    assert made.json()["message"]
    item_id = made.json()["data"].get(collection.id or ("agent_id" if collection.only_once else "id"), "faded_willow")
    assert len(api.get(path)["items"]) == len(before) + 1
    shown = api.get(f"{path}/{item_id}")
    for name, value in body.items():
        if name not in collection.hidden:
            assert shown[collection.renamed.get(name, name)] == value
    assert not set(collection.once) & set(shown), "secrets are shown once"
    assert set(collection.unlisted).isdisjoint(api.get(path)["items"][-1])
    deleted = api.call("DELETE", f"{path}/{item_id}")
    assert (deleted.status_code, bool(deleted.json()["message"])) == (200, True)
    assert api.get(path)["items"] == before
    for method in ("GET", "DELETE"):
        gone = api.call(method, f"{path}/{item_id}")
        assert (gone.status_code, gone.json()["code"]) == (404, f"NotFound_{collection.name}")


@pytest.mark.parametrize("collection", [each for each in COLLECTIONS if "list" in each.methods], ids=by_kind)
def test_listed_in_pages(api: Api, collection: Collection) -> None:
    if collection.kind == "esm_entities":
        body = {"type": "HASHICORP_VAULT", "name": "vault", "config": {}}
        made = api.call("POST", "/v1/external-secrets-managers", json=body).json()["data"]
        path = collection.path.format(owner_id=made["id"])
    else:
        path = base(api, collection)
    answer = api.call("GET", path, params={"limit": 1})
    assert answer.status_code == 200 and answer.json()["message"]
    whole = api.get(path)["items"]
    assert answer.json()["data"]["items"] == whole[:1]
    assert ("next_cursor" in answer.json()["data"]) == (len(whole) > 1)
    assert api.call("GET", path, params={"limit": 0}).status_code == 400


@pytest.mark.parametrize("collection", WHOLE, ids=by_kind)
def test_bad_bodies_make_nothing(api: Api, collection: Collection) -> None:
    path, body = base(api, collection), body_of(collection)
    before = api.get(path)["items"]
    for name in collection.required:
        lacking = api.call("POST", path, json={key: value for key, value in body.items() if key != name})
        assert (lacking.status_code, lacking.json()["code"]) == (400, "InvalidInput")
        assert f"'{name}'" in lacking.json()["message"]
        assert api.call("POST", path, json=body | {name: 7}).status_code == 400
    for raw in ("", "[]", "{"):
        headers = {"Content-Type": "application/json"}
        assert api.call("POST", path, data=raw, headers=headers).status_code == 400
    assert api.get(path)["items"] == before


@pytest.mark.parametrize("collection", [each for each in WHOLE if "change" in each.methods], ids=by_kind)
def test_a_change_keeps_what_it_leaves_out(api: Api, collection: Collection) -> None:
    path, body = base(api, collection), body_of(collection)
    item_id = api.call("POST", path, json=body).json()["data"].get(collection.id or "id", "faded_willow")
    before = api.get(f"{path}/{item_id}")
    changed = api.call("PATCH", f"{path}/{item_id}", json={"no_such": 1, "run_setup_tests": False})
    if collection.locked:
        assert (changed.status_code, changed.json()["code"]) == (400, "IllegalState")
        return
    assert changed.status_code == 200
    after = api.get(f"{path}/{item_id}")
    assert after | {"updated_at": ""} == before | {"updated_at": ""}
    texts = {**collection.required, **collection.fields}
    free = next((name for name, value in texts.items() if value in ("", None) and name not in collection.fixed), None)
    if free:
        assert api.call("PATCH", f"{path}/{item_id}", json={free: "changed"}).status_code == 200
        assert api.get(f"{path}/{item_id}").get(free, "changed") == "changed"
    assert api.call("PATCH", f"{path}/no_such", json={}).status_code == 404


@pytest.mark.parametrize("kind", ["destinations", "external_logging", "external_secrets_managers", "private_links"])
def test_a_secret_is_never_shown(api: Api, kind: str) -> None:
    collection = next(each for each in COLLECTIONS if each.kind == kind)
    path, body = base(api, collection), body_of(collection) | SECRET
    made = api.call("POST", path, json=body)
    assert made.status_code == 201 and "canary" not in made.text
    config = made.json()["data"]["config"]
    assert (config["password"], config["primary_key"]) == ("******", "******")
    assert "canary" not in str([api.get(path), api.control("GET", "journal")])


def test_a_destination_of_a_new_group(api: Api) -> None:
    group = api.call("POST", "/v1/groups", json={"name": "test"}).json()["data"]["id"]
    body = {"group_id": group, "service": "snowflake", "time_zone_offset": "+10", "run_setup_tests": False, **SECRET}
    made = api.call("POST", "/v1/destinations", json=body).json()["data"]
    assert (made["id"], made["region"], made["setup_status"]) == (group, "GCP_US_EAST4", "incomplete")
    assert made["config"]["port"] == "443", "the API shows numbers as texts here"
    again = api.call("POST", "/v1/destinations", json=body)
    assert (again.status_code, again.json()["code"]) == (409, "Conflict")
    path = f"/v1/destinations/{group}"
    changed = api.call("PATCH", path, json={"config": {"host": "db.example.com"}, "run_setup_tests": False})
    assert changed.json()["data"]["config"] == made["config"] | {"host": "db.example.com"}
    tested = api.call("POST", f"{path}/test", json={"trust_certificates": True}).json()["data"]
    assert (tested["setup_status"], {one["status"] for one in tested["setup_tests"]}) == ("connected", {"PASSED"})
    assert api.create("orders", group_id=group).status_code == 201
    assert api.call("DELETE", f"/v1/groups/{group}").status_code == 200
    assert api.create("others", group_id=group).json()["code"] == "NotFound_Group"


def test_the_users_of_a_group(api: Api) -> None:
    path = "/v1/groups/amber_harbor/users"
    assert [user["id"] for user in api.get(path)["items"]] == ["polite_heron"]
    user = {"email": "w@example.com", "given_name": "William", "family_name": "Addison", "role": "Account Reviewer"}
    invited = api.call("POST", "/v1/users", json=user).json()["data"]
    assert (invited["invited"], invited["verified"], invited["logged_in_at"]) == (True, False, None)
    body = {"email": user["email"], "role": "Destination Administrator"}
    assert api.call("POST", path, json=body).status_code == 200
    assert [(one["id"], one["role"]) for one in api.get(path)["items"]][1:] == [(invited["id"], body["role"])]
    assert api.call("POST", path, json={"email": "nobody@example.com"}).json()["code"] == "NotFound_User"
    removed = api.call("DELETE", f"{path}/{invited['id']}")
    assert removed.status_code == 200 and invited["id"] in removed.json()["message"]
    assert api.call("DELETE", f"{path}/{invited['id']}").status_code == 404
    assert api.call("GET", "/v1/groups/no_such/users").json()["code"] == "NotFound_Group"


def test_what_belongs_to_somebody_goes_with_them(api: Api) -> None:
    team = api.call("POST", "/v1/teams", json={"name": "one", "role": "Account Reviewer"}).json()["data"]["id"]
    path = f"/v1/teams/{team}"
    assert api.call("POST", f"{path}/users", json={"user_id": "polite_heron"}).status_code == 201
    assert api.call("POST", f"{path}/users", json={"user_id": "polite_heron"}).status_code == 409
    assert [one["user_id"] for one in api.get(f"{path}/users")["items"]] == ["polite_heron"]
    assert api.call("DELETE", f"{path}/role").status_code == 200
    assert api.get(path)["role"] is None
    api.call("DELETE", path)
    assert api.call("GET", f"{path}/users").json()["code"] == "NotFound_Team"


@pytest.mark.parametrize(
    ("kind", "action", "body"),
    [
        ("system_keys", "rotate", {"name": "portal", "permissions": []}),
        ("proxies", "regenerate-secrets", {"display_name": "Office"}),
    ],
)
def test_secrets_are_renewed(api: Api, kind: str, action: str, body: dict[str, Any]) -> None:
    collection = next(each for each in COLLECTIONS if each.kind == kind)
    first = api.call("POST", collection.path, json=body).json()["data"]
    one = f"{collection.path}/{first.get('id') or first['agent_id']}"
    renewed = api.call("POST", f"{one}/{action}").json()["data"]
    secret = "secret" if kind == "system_keys" else "auth_token"
    assert renewed[secret] and renewed[secret] != first[secret]
    assert secret not in api.get(one)


def test_the_connections_of_a_proxy_agent(api: Api) -> None:
    made = api.create("orders", networking_method="ProxyAgent", proxy_agent_id="proxy_office").json()["data"]
    assert api.get("/v1/proxy/proxy_office/connections")["items"] == [{"connection_id": made["id"]}]
    assert api.get("/v1/proxy/proxy_plant/connections")["items"] == []
    assert api.call("GET", "/v1/proxy/no_such/connections").status_code == 404


def test_packages_of_the_connector_sdk(api: Api) -> None:
    path = "/v1/connector-sdk/packages"
    made = api.call("POST", path, files={"file": b"PK first"})
    assert made.status_code == 201
    package = made.json()["data"]
    assert package["file_sha256_hash"] == hashlib.sha256(b"PK first").hexdigest()
    config = {"schema": "orders", "package_id": package["id"], "python_version": "3.11"}
    body = {"group_id": "amber_harbor", "service": "connector_sdk", "config": config}
    connection = api.call("POST", "/v1/connectors", json=body).json()["data"]
    assert connection["config"]["package_id"] == package["id"]
    assert api.get(f"{path}/{package['id']}")["connection_ids"] == [connection["id"]]
    [deployed] = api.get("/v1/connector-sdk/migration/connections")["items"]
    assert (deployed["schema"], deployed["group_name"]) == ("orders", "Warehouse_Production")
    assert (deployed["package_id"], deployed["package_shared"]) == (package["id"], False)
    changed = api.call("PATCH", f"{path}/{package['id']}", files={"file": b"PK second"}).json()["data"]
    assert changed["file_sha256_hash"] == hashlib.sha256(b"PK second").hexdigest()
    assert [one["id"] for one in api.get(path)["items"]] == [package["id"]]
    assert api.call("POST", path, files={"other": b"x"}).status_code == 400
    assert api.call("DELETE", f"{path}/{package['id']}").status_code == 200
    assert api.call("PATCH", f"{path}/{package['id']}", files={"file": b""}).json()["code"] == (
        "NotFound_ConnectorSdkPackage"
    )


def test_schemas_tables_and_columns(api: Api) -> None:
    path = f"/v1/connections/{api.create('orders').json()['data']['id']}/schemas"
    first = api.get(path)
    assert api.call("POST", f"{path}/reload", json={"exclude_mode": "PRESERVE"}).json()["data"] == first
    assert set(first["schemas"]["orders"]["tables"]) == {"customers", "orders"}
    body = {"schema_change_handling": "BLOCK_ALL", "schemas": {"orders": {"tables": {"orders": {"enabled": False}}}}}
    changed = api.call("PATCH", path, json=body).json()["data"]
    assert changed["schema_change_handling"] == "BLOCK_ALL"
    assert changed["schemas"]["orders"]["tables"]["orders"]["enabled"] is False
    assert changed["schemas"]["orders"]["tables"]["customers"]["enabled"] is True
    table = f"{path}/orders/tables/customers"
    assert api.call("PATCH", f"{table}/columns/name", json={"hashed": True}).status_code == 200
    assert api.get(f"{table}/columns")["columns"]["name"]["hashed"] is True
    assert api.call("DELETE", f"{table}/columns/name").status_code == 200
    assert "name" not in api.get(f"{table}/columns")["columns"]
    assert api.call("DELETE", f"{table}/columns/name").status_code == 404
    assert api.call("PATCH", f"{path}/orders", json={"enabled": False}).json()["data"]["schemas"]["orders"] != first
    assert api.call("GET", f"{path}/orders/tables/no_such/columns").json()["code"] == "NotFound_SchemaConfig"
    for bad in ({"schema_change_handling": "MAYBE"}, {"schemas": {"orders": 7}}, {"schemas": 7}):
        assert api.call("PATCH", path, json=bad).status_code == 400, bad
    assert api.call("POST", f"{path}/tables/resync", json={"orders": ["orders"]}).status_code == 200
    assert api.call("POST", f"{path}/tables/resync", json={}).status_code == 400
    assert api.call("POST", f"{table}/resync").status_code == 200


@pytest.mark.parametrize("collection", [each for each in COLLECTIONS if each.refers], ids=by_kind)
def test_what_it_names_has_to_be_there(api: Api, collection: Collection) -> None:
    path, body = base(api, collection), body_of(collection)
    for name in collection.refers:
        answer = api.call("POST", path, json={**body, name: "nowhere"})
        assert (answer.status_code, answer.json()["code"]) == (404, "NotFound_Group")


def test_two_users_have_two_addresses(api: Api) -> None:
    body = {"email": "twice@example.com", "given_name": "A", "family_name": "B"}
    assert [api.call("POST", "/v1/users", json=body).status_code for _ in range(2)] == [201, 409]


def test_no_secret_is_kept_outside_of_config_either(api: Api) -> None:
    project = {"git_remote_url": "git@example.com:x.git", "environment_vars": ["A"], "deploy_token": "canary"}
    body = {"group_id": "faded_willow", "type": "DBT_GIT", "project_config": project}
    made = api.call("POST", "/v1/transformation-projects", json=body)
    shown = api.get(f"/v1/transformation-projects/{made.json()['data']['id']}")
    assert "canary" not in made.text + str(shown)
