"""The page of the reference: for a service, beside a request, searched; and the ways to it and back."""

import html
import json
import re
from collections import defaultdict
from typing import Any

import pytest
from django.test import Client

from connections.models import ConnectionRequest, ServiceRule, Stance
from connections.spec.fields import FIELDS
from connections.spec.payloads import MASK
from connections.states import Status
from tests import catalogs, factories

pytestmark = pytest.mark.django_db
HERE = "/reference/create-connection/"
LINK = re.compile(r'<a href="([^"]*#id_[^"]*)">In the form')


@pytest.fixture
def client(as_user: Any) -> Client:
    """The requester, where the settings of the services are known."""
    catalogs.offered()
    catalogs.told()
    return as_user("requester")


def text(client: Client, **query: str | int) -> str:
    answer = client.get(HERE, query)
    assert answer.status_code == 200
    return str(answer.content.decode())


def entries(page: str) -> dict[str, str]:
    """path -> the HTML of each field."""
    found = re.split(r'<li class="reference-field[^"]*"\s+id="field-', page)[1:]
    return {html.unescape(one.partition('"')[0]): one for one in found}


def plain(part: str) -> str:
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", part)).split())


def body(page: str) -> Any:
    return json.loads(html.unescape(page.partition('id="reference-body"')[2].partition(">")[2].partition("</pre>")[0]))


def test_every_field_is_on_the_page_with_its_anchor_and_in_the_contents(client: Client) -> None:
    page = text(client)
    assert {field.path for field in FIELDS} <= set(entries(page))
    contents = page.partition('aria-label="On this page"')[2].partition("</nav>")[0]
    assert [path for path in entries(page) if f'href="#field-{path}"' not in contents] == []
    assert {"Accept", "Authorization", "201-Success", "403-Forbidden"} <= set(entries(page))
    assert "POST" in page and "/v1/connections" in page and "application/json;version=2" in page
    assert page.count("data-entry") == len(entries(page))


def test_the_settings_of_a_service_come_from_its_metadata(client: Client) -> None:
    found = entries(text(client, service="s3"))
    assert "Required" in plain(found["config.schema"]) and "Required" in plain(found["config.table_group_name"])
    assert "config.schema_prefix" not in found
    assert {"config.files", "config.files.file_pattern"} <= set(found)
    assert (
        "array of objects" in found["config.files"]
        and "config.files[].file_pattern" in found["config.files.file_pattern"]
    )
    assert '"EXTRACT_TABLES"' in plain(found["config.file_mapping_method"])


def test_a_secret_is_named_and_has_no_control(client: Client) -> None:
    found = entries(text(client, service="postgres"))["config.password"]
    assert "Secret" in plain(found) and "entered at Fivetran by the source owner, never here" in plain(found)
    assert "In the form" not in found


def test_what_follows_the_networking_method_says_so(client: Client) -> None:
    catalogs.tell("postgres", {"connection_type": {"type": "string", "enum": ["Directly", "SshTunnel"]}})
    found = entries(text(client, service="postgres"))["config.connection_type"]
    assert 'Sent as "SshTunnel" while networking_method is "SshTunnel"' in plain(found)
    assert "#id_networking_method" in found


@pytest.mark.parametrize(
    ("service", "words"),
    [("nonsense", "Fivetran offers no service “nonsense”"), (catalogs.UNTOLD, "has not told the portal yet")],
)
def test_a_service_of_which_nothing_is_known_is_a_sentence(client: Client, service: str, words: str) -> None:
    page = text(client, service=service)
    assert words in page and "config.schema_prefix" in entries(page)


def test_a_service_that_the_company_does_not_allow_says_so(client: Client) -> None:
    ServiceRule.objects.create(service="postgres", stance=Stance.DENIED, note="Ask the database team")
    page = text(client, service="postgres")
    assert "Your company does not allow this service: Ask the database team" in page
    assert "config.schema_prefix" in entries(page)


@pytest.mark.parametrize("beside", [False, True], ids=["new", "edited"])
@pytest.mark.parametrize("query", [{}, *({"service": service} for service in catalogs.SHAPES)], ids=str)
def test_each_link_to_a_control_leads_to_one_that_exists(
    client: Client, query: dict[str, str], cast: dict[str, Any], beside: bool
) -> None:
    row, wanted = factories.draft(cast["requester"]), defaultdict(set)
    for address in LINK.findall(text(client, **query, **({"request": row.pk} if beside else {}))):
        path, _, anchor = html.unescape(address).partition("#")
        wanted[path].add(anchor)
    assert sum(map(len, wanted.values())) >= (20 if beside else 24)  # what does not apply shares a control
    assert (f"/requests/{row.pk}/edit/" in wanted) == beside
    for path, anchors in wanted.items():
        form = client.get(path).content.decode()
        assert [one for one in anchors if f'id="{one}"' not in form] == [], path
        assert "There is a problem" not in form, path


def test_a_control_is_in_sight_where_the_link_leads(client: Client) -> None:
    found = entries(text(client))
    assert "?networking_method=PrivateLink#id_private_link_id" in found["private_link_id"]
    assert "?sync_frequency=1440#id_daily_sync_time" in found["daily_sync_time"]


@pytest.mark.parametrize("service", ["", *catalogs.SHAPES])
def test_each_control_of_the_form_leads_to_its_field(client: Client, service: str) -> None:
    form = client.get("/requests/new/", {"service": service} if service else {}).content.decode()
    links = re.findall(r'<a class="field-reference" href="([^"#]*)#([^"]*)"', form)
    assert {path for path, _ in links} == {f"{HERE}?service={service}" if service else HERE}
    assert len(links) >= len([field for field in FIELDS if not field.constant])
    page = text(client, service=service)
    assert [anchor for _, anchor in links if f'id="{anchor}"' not in page] == []
    assert "Reference of sync_frequency" in form


# --- beside a request ----------------------------------------------------------------------------------------------
@pytest.fixture
def asked(client: Client, cast: dict[str, Any]) -> ConnectionRequest:
    changes = {"service": "postgres", "config.schema_prefix": "crm", "config.host": "db", "config.password": "hunter2"}
    values = {k: v for k, v in factories.values(sync_frequency=60).items() if not k.startswith("config.")} | changes
    return factories.submitted(cast["requester"], **{k.replace(".", "__"): v for k, v in values.items()})


def test_the_settings_of_a_request_stand_beside_without_a_secret(client: Client, asked: ConnectionRequest) -> None:
    page = text(client, request=asked.pk)
    shown = body(page)
    assert shown == {**(asked.payload or {}), "config": shown["config"]}
    assert shown["config"] == {
        key: MASK if key == "password" else v for key, v in (asked.payload or {})["config"].items()
    }
    assert "hunter2" not in page and "Basic ******" in page
    assert f'href="/requests/{asked.pk}/"' in page


def test_each_field_that_the_request_sets_is_marked_with_its_value(client: Client, asked: ConnectionRequest) -> None:
    found = {path: plain(part) for path, part in entries(text(client, request=asked.pk)).items()}
    assert f"In request #{asked.pk}: 60" in found["sync_frequency"]
    assert f'In request #{asked.pk}: "db"' in found["config.host"]
    assert f'In request #{asked.pk}: "{MASK}"' in found["config.password"]
    assert [path for path in ("private_link_id", "config", "reason") if "In request #" in found[path]] == []


def test_the_settings_of_another_service_are_not_those_of_the_request(client: Client, asked: ConnectionRequest) -> None:
    page = text(client, request=asked.pk, service="google_sheets")
    found = {path: plain(part) for path, part in entries(page).items()}
    assert (
        "config.schema" in found and [p for p in found if p.startswith("config") and "In request #" in found[p]] == []
    )
    assert f"In request #{asked.pk}: 60" in found["sync_frequency"]
    assert f'In request #{asked.pk}: "postgres"' in found["service"]
    assert body(page)["config"]["host"] == "db", "beside stands the request as it is"
    assert "/requests/new/?service=google_sheets#id_config__schema" in entries(page)["config.schema"]
    assert "config.host" not in entries(text(client, request=asked.pk, service="")), "any service, as one chose"


def test_where_the_request_can_be_edited_its_own_form_is_linked(client: Client, asked: ConnectionRequest) -> None:
    found = entries(text(client, request=asked.pk))
    assert f"/requests/{asked.pk}/edit/#id_sync_frequency" in found["sync_frequency"]
    # A control that does not apply is not in sight: the answer that decides about it is.
    assert f"/requests/{asked.pk}/edit/#id_networking_method" in found["private_link_id"]


def test_who_may_not_see_the_request_gets_nothing_of_it(asked: ConnectionRequest, as_user: Any) -> None:
    assert as_user("requester2").get(HERE, {"request": asked.pk}).status_code == 404
    assert as_user("auditor").get(HERE, {"request": asked.pk}).status_code == 200
    for odd in ("x", "999999", "9" * 40):
        assert as_user("requester").get(HERE, {"request": odd}).status_code == 404


def test_the_form_of_a_request_leads_to_the_reference_beside_that_request(client: Client, cast: dict[str, Any]) -> None:
    row = factories.draft(cast["requester"])
    wanted = {f"{HERE}?service=google_sheets&request={row.pk}"}
    assert referred(client.get(f"/requests/{row.pk}/edit/")) == wanted
    drawn = client.post("/requests/new/config/", {"service": "google_sheets", "edited": str(row.pk)})
    assert referred(drawn) == wanted, "the settings that follow the service too"
    posted = client.post(f"/requests/{row.pk}/edit/", {"service": "google_sheets", "action": "submit"})
    assert referred(posted) == wanted


def referred(answer: Any) -> set[str]:
    """The addresses of the reference beside the controls of a form, without their fields."""
    found = re.findall(r'<a class="field-reference" href="([^"#]*)#', answer.content.decode())
    return set(map(html.unescape, found))


@pytest.mark.parametrize("status", [Status.DRAFT, Status.CREATED])
def test_a_request_links_to_what_its_fields_mean(client: Client, cast: dict[str, Any], status: Status) -> None:
    row = factories.request_in(status, cast["requester"], cast["approver"])
    for page in ("", "export/"):
        assert f'href="{HERE}?request={row.pk}"' in client.get(f"/requests/{row.pk}/{page}").content.decode()
    assert body(text(client, request=row.pk))["service"] == row.service


def test_the_admin_links_to_it(client: Client, asked: ConnectionRequest, as_user: Any) -> None:
    page = as_user("approver").get(f"/admin/connections/connectionrequest/{asked.pk}/change/").content.decode()
    assert f'href="{HERE}?request={asked.pk}"' in page


def test_without_a_request_an_example_stands_beside(client: Client) -> None:
    assert set(body(text(client))) == {"service", "group_id", "config"}
    assert body(text(client, service="postgres"))["config"] == {"schema_prefix": "crm"}
    assert "FIVETRAN_NAMING" in text(client).partition("Body with the defaults")[2]


# --- searching --------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("sync_frequency 1440", {"sync_frequency", "daily_sync_time"}),
        ("SSH Tunnel", {"networking_method"}),
        ("certificate", {"trust_certificates"}),
        ("zzz", set()),
    ],
)
def test_a_search_hides_what_does_not_have_all_its_words(client: Client, words: str, found: set[str]) -> None:
    page = text(client, q=words)
    shown = {path for path, part in entries(page).items() if "hidden" not in part.partition(">")[0].split()}
    assert shown == found
    said = f"{len(found)} of" if found else "None of"
    assert f"{said} {len(entries(page))} entries" in plain(page)


def test_a_hostile_search_is_a_text(client: Client) -> None:
    page = text(client, q='"><script>alert(1)</script>', service="<b>x</b>")
    assert "<script>alert" not in page and "<b>x" not in page


def test_it_costs_few_queries(client: Client, asked: ConnectionRequest, django_assert_max_num_queries: Any) -> None:
    with django_assert_max_num_queries(14):
        text(client, request=asked.pk)
