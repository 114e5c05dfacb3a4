"""The account and the services that the tests of the Go client expect. docs/sandbox.md says how to run those tests."""

from tests.sandbox.api import sandbox
from tests.sandbox.go_fivetran import __main__ as go_fivetran


def test_the_account_of_the_go_client() -> None:
    with sandbox(*go_fivetran.FILES) as (api, _):
        assert [group["name"] for group in api.get("/v1/groups")["items"]] == ["GoSdkTesting"]
        assert api.get(f"/v1/users/{api.get('/v1/account/info')['user_id']}")["family_name"] == "5Tran"
        first = api.get("/v1/metadata/connector-types")["items"][0]
        assert (first["id"], first["type"], first["connector_class"]) == ("15five", "HumanResources", "lite")
        assert len(first["supported_features"]) == 3
        config = {"schema": "itunes_e2e_connect", "username": "fivetran", "password": "fivetran-api-e2e"}
        body = {"group_id": "sepulchre_settlement", "service": "itunes_connect", "config": config}
        made = api.call("POST", "/v1/connections", json=body | {"run_setup_tests": False}).json()["data"]
        assert (made["config"]["timeframe_months"], made["config"]["app_sync_mode"]) == ("TWELVE", "AllApps")
