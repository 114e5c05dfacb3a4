"""People log in by their password in the company's LDAP directory, at the portal's own form."""

import socket
import time
import uuid
from datetime import UTC, datetime
from typing import Any

import pytest
from axes.models import AccessAttempt
from django.contrib.auth.models import User
from django.core.exceptions import ImproperlyConfigured
from django.test import Client

from connections.states import Status
from portal import environment as read
from portal.sign_on.models import DirectoryRole
from tests import factories, processes
from tests.sign_on import slapd
from tests.sign_on.conftest import configure_ldap
from tests.sign_on.saml import role
from tests.sign_on.slapd import GROUPS, RIGHT, Directory

pytestmark = pytest.mark.database
AWAY = "directory does not answer just now"


def log_in(client: Client, name: str, password: str = RIGHT) -> Any:
    return client.post("/accounts/login/", {"username": name, "password": password})


def is_logged_in(client: Client) -> bool:
    return "_auth_user_id" in client.session


def person(client: Client) -> User:
    return User.objects.get(pk=client.session["_auth_user_id"])


def nowhere() -> str:
    return f"ldap://127.0.0.1:{processes.free_port()}"


def approve(client: Client, cast: dict[str, Any]) -> tuple[str, bool]:
    """The page after Approve, and whether the request is approved."""
    conn_request = factories.submitted(cast["requester"], config__schema=f"s{uuid.uuid4().hex[:8]}")
    answer = client.post(f"/requests/{conn_request.pk}/approve/", {"digest": conn_request.digest}, follow=True)
    conn_request.refresh_from_db()
    return answer.content.decode(), conn_request.state is Status.APPROVED


# --- who it is -------------------------------------------------------------------------------------------------------


def test_a_new_person_gets_an_account_and_the_roles_of_the_directory(directory: Directory) -> None:
    role("data-approvers", "Approvers")
    mia = directory.has("mia.meyer", mail="mia@example.com", givenName="Mia", sn="Meyer")
    directory.has_group("data-approvers", mia)
    client = Client()
    assert log_in(client, "mia.meyer").status_code == 302
    user = User.objects.get()
    assert (user.username, user.email, user.get_full_name()) == ("mia.meyer", "", "Mia Meyer"), "only claimed"
    assert not user.has_usable_password() and not user.is_staff
    assert client.get("/approvals/").status_code == 200
    directory.without_groups(mia)
    log_in(client := Client(), "mia.meyer")
    assert is_logged_in(client) and client.get("/approvals/").status_code == 403


def test_a_group_may_be_named_by_its_dn(directory: Directory) -> None:
    role(f"cn=data-approvers,{GROUPS}", "Approvers")
    directory.has_group("data-approvers", directory.has("mia"))
    log_in(client := Client(), "mia")
    assert client.get("/approvals/").status_code == 200


def test_a_group_that_is_called_by_the_dn_of_another_one_is_not_that_one(directory: Directory, settings: Any) -> None:
    dn = f"cn=data-approvers,{GROUPS}"
    role(dn, "Approvers")
    settings.LDAP_GROUP_ATTRIBUTE = "description"
    directory.has_group("impostors", directory.has("mia"))
    directory.change(f"cn=impostors,{GROUPS}", description=dn)
    log_in(client := Client(), "mia")
    assert is_logged_in(client) and client.get("/approvals/").status_code == 403


def test_each_mail_of_an_entry_may_be_that_of_the_account(directory: Directory, settings: Any) -> None:
    settings.LDAP_OWNS_ADDRESSES = True
    User.objects.create_user("m.meyer", email="mia.meyer@example.com", password="local-password")
    directory.has("mia", mail=["no address", "mia@example.com", "mia.meyer@example.com"])
    log_in(client := Client(), "mia")
    assert is_logged_in(client) and User.objects.count() == 1


def test_people_of_the_directory_do_not_read_that_somebody_asks_for_a_second_factor(directory: Directory) -> None:
    directory.has("mia")
    log_in(client := Client(), "mia")
    page = client.get("/accounts/second-factor/").content.decode()
    assert "beside which nothing else is asked for" in page and "asks you for a second factor" not in page


def test_no_spelling_of_a_name_makes_a_second_account(directory: Directory) -> None:
    directory.has("mia.meyer")
    for name in ("mia.meyer", "Mia.Meyer", " MIA.MEYER ", "mia.meyer "):
        log_in(client := Client(), name)
        assert is_logged_in(client), name
    assert User.objects.count() == 1


def test_an_address_is_no_name(directory: Directory) -> None:
    directory.has("mia", mail="mia@example.com")
    assert log_in(client := Client(), "mia@example.com").status_code == 200 and not is_logged_in(client)


def test_a_new_name_leaves_the_account_the_same(directory: Directory) -> None:
    mia = directory.has("mia.meyer")
    log_in(first := Client(), "mia.meyer")
    directory.rename(mia, "mia.smith")
    log_in(second := Client(), "mia.smith")
    assert person(first) == person(second) and User.objects.count() == 1


def test_a_name_that_is_given_again_is_another_person(directory: Directory) -> None:
    mia = directory.has("mia")
    log_in(Client(), "mia")
    directory.delete(mia)
    directory.has("mia")
    log_in(client := Client(), "mia")
    assert person(client).username == "mia.2"


def test_a_local_account_of_the_same_name_is_not_taken_over(directory: Directory, settings: Any) -> None:
    settings.LDAP_OWNS_ADDRESSES = True
    local = User.objects.create_user("mia", password="local-password")
    directory.has("mia", mail="mia@example.com")
    for _ in range(2):
        log_in(client := Client(), "mia")
        assert person(client).username == "mia.2"
    log_in(client := Client(), "mia", "local-password")
    assert person(client) == local and User.objects.count() == 2


def test_an_address_joins_no_account_unless_the_directory_owns_it(directory: Directory, settings: Any) -> None:
    local = User.objects.create_user("local", "mia@example.com", "local-password")
    directory.has("mia", mail="Mia@example.com")
    answer = log_in(client := Client(), "mia")
    assert "does not say that the address is verified" in answer.content.decode() and not is_logged_in(client)
    assert not AccessAttempt.objects.exists()
    settings.LDAP_OWNS_ADDRESSES = True
    log_in(client, "mia")
    assert person(client) == local


def test_who_has_no_lasting_subject_is_refused(directory: Directory, settings: Any, caplog: Any) -> None:
    settings.LDAP_SUBJECT_ATTRIBUTE = "employeeNumber"
    directory.has("mia")
    answer = log_in(client := Client(), "mia")
    assert "did not say who you are" in answer.content.decode() and not is_logged_in(client)
    assert "the entry has not one employeeNumber" in caplog.text


@pytest.mark.parametrize("name", ["*", "mia*", "m)(uid=*", "(|(uid=mia", "mia\\2a", "mia,ou=people"])
def test_a_name_is_no_filter(directory: Directory, name: str) -> None:
    directory.has("mia")
    log_in(client := Client(), name)
    assert not is_logged_in(client)


@pytest.mark.parametrize("password", ["wrong-password", "", " "])
def test_a_wrong_password_is_counted(directory: Directory, password: str) -> None:
    directory.has("mia")
    for _ in range(5):
        log_in(client := Client(), "mia", password)
        assert not is_logged_in(client)
    assert log_in(Client(), "mia").status_code == (429 if password else 302)


def test_an_entry_without_a_password_closes_the_door_for_nobody(directory: Directory) -> None:
    directory.has("mia")
    directory.has("printer", userPassword=[])
    for _ in range(5):
        log_in(client := Client(), "printer", "x")
        assert not is_logged_in(client)
    assert log_in(Client(), "printer", "x").status_code == 429
    log_in(client := Client(), "mia")
    assert is_logged_in(client)


def test_a_question_that_the_directory_refuses_closes_the_door_for_nobody(
    directory: Directory, settings: Any, caplog: Any
) -> None:
    directory.has("mia")
    settings.LDAP_USER_SEARCH = "ou=nobody,dc=example,dc=com"
    assert AWAY in log_in(Client(), "mia").content.decode() and "NO_SUCH_OBJECT" in caplog.text
    settings.LDAP_USER_SEARCH = slapd.PEOPLE
    log_in(client := Client(), "mia")
    assert is_logged_in(client)


def test_whom_the_filter_leaves_out_does_not_get_in(directory: Directory, settings: Any) -> None:
    settings.LDAP_USER_FILTER = "(!(title=disabled))"
    directory.has("mia", title="disabled")
    log_in(client := Client(), "mia")
    assert not is_logged_in(client)


def test_a_filter_may_hold_a_percent_sign(directory: Directory, settings: Any) -> None:
    settings.LDAP_USER_FILTER = "(!(title=100%(a)s))".replace("(a)", "\\28a\\29")
    directory.has("mia")
    log_in(client := Client(), "mia")
    assert is_logged_in(client)


def test_named_administrators_are_not_of_the_directory(directory: Directory, settings: Any) -> None:
    settings.LOCAL_ADMINISTRATORS = ["root"]
    directory.has("root")
    for spelled in ("root", "ROOT", " root"):  # the same entry to a directory
        log_in(client := Client(), spelled)
        assert not is_logged_in(client)


def test_with_local_accounts_off_the_directory_alone_lets_in(directory: Directory, settings: Any) -> None:
    settings.LOCAL_ACCOUNTS = False
    own, *others = reversed(settings.AUTHENTICATION_BACKENDS)
    settings.AUTHENTICATION_BACKENDS = [others[-1], own, *reversed(others[:-1])]
    User.objects.create_user("ben", password="local-password")
    settings.LDAP_OWNS_ADDRESSES = True
    directory.has("mia", mail="mia@example.com")
    page = Client().get("/accounts/login/").content.decode()
    assert 'name="password"' in page and "only the administrators" not in page
    log_in(client := Client(), "mia")
    assert is_logged_in(client)
    log_in(client := Client(), "ben", "local-password")
    assert not is_logged_in(client)


# --- a directory that is away ----------------------------------------------------------------------------------------


def test_who_has_the_right_password_is_not_locked_out_for_an_outage(
    directory: Directory, settings: Any, caplog: Any
) -> None:
    directory.has("mia")
    log_in(Client(), "mia")
    settings.LDAP_URL = nowhere()
    for _ in range(7):
        answer = log_in(client := Client(), "mia")
        assert answer.status_code == 200 and AWAY in answer.content.decode() and not is_logged_in(client)
    assert "nobody was logged in by ldap: it does not answer: SERVER_DOWN" in caplog.text
    assert not AccessAttempt.objects.exists()
    settings.LDAP_URL = directory.url
    log_in(client := Client(), "mia")
    assert is_logged_in(client)


def test_local_people_get_in_while_the_directory_is_away(directory: Directory, settings: Any) -> None:
    User.objects.create_user("ben", password="local-password")
    settings.LDAP_URL = nowhere()
    log_in(client := Client(), "ben", "local-password")
    assert is_logged_in(client)
    for _ in range(5):
        log_in(Client(), "ben", "wrong-password")
    assert log_in(Client(), "ben", "local-password").status_code == 429


def test_a_directory_that_hangs_holds_a_thread_for_seconds_and_the_next_one_not(
    directory: Directory, settings: Any
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        settings.LDAP_URL = f"ldap://127.0.0.1:{silent.getsockname()[1]}"
        began = time.monotonic()
        assert AWAY in log_in(Client(), "mia").content.decode() and time.monotonic() - began < 8
        began = time.monotonic()
        assert AWAY in log_in(Client(), "mia").content.decode() and time.monotonic() - began < 2
    assert not AccessAttempt.objects.exists()


def test_the_portals_own_password_may_be_wrong_and_nobody_is_counted_for_it(
    directory: Directory, settings: Any, caplog: Any
) -> None:
    directory.has("mia")
    settings.LDAP_BIND_PASSWORD = "old"
    assert AWAY in log_in(Client(), "mia").content.decode()
    assert "INVALID_CREDENTIALS" in caplog.text and not AccessAttempt.objects.exists()


@pytest.mark.parametrize("tls", ["ldaps", "StartTLS"])
def test_the_certificate_is_checked(directory: Directory, settings: Any, tls: str) -> None:
    directory.has("mia")
    settings.LDAP_URL = directory.tls_url if tls == "ldaps" else directory.url
    settings.LDAP_START_TLS = tls == "StartTLS"
    log_in(client := Client(), "mia")
    assert is_logged_in(client)
    settings.LDAP_CA_BUNDLE = "/etc/ssl/certs/ca-certificates.crt"
    answer = log_in(client := Client(), "mia")
    assert AWAY in answer.content.decode() and not is_logged_in(client)


def test_unless_told_otherwise_it_trusts_whom_this_machine_trusts(
    directory: Directory, settings: Any, monkeypatch: Any
) -> None:
    directory.has("mia")
    settings.LDAP_URL, settings.LDAP_CA_BUNDLE = directory.tls_url, ""
    monkeypatch.setenv("SSL_CERT_FILE", directory.certificates)
    log_in(client := Client(), "mia")
    assert is_logged_in(client)


def test_a_certificate_that_ran_out_is_told(settings: Any, groups: None, directory: Directory, caplog: Any) -> None:
    with slapd.running(ends=datetime(2020, 1, 2, tzinfo=UTC)) as old:
        old.empty()
        old.has("mia")
        configure_ldap(settings, old)
        settings.LDAP_URL = old.tls_url
        answer = log_in(client := Client(), "mia")
    assert AWAY in answer.content.decode() and not is_logged_in(client)
    assert "certificate has expired" in caplog.text


# --- the moment of a decision ----------------------------------------------------------------------------------------


@pytest.fixture
def approver(directory: Directory, cast: dict[str, Any], settings: Any) -> tuple[Client, str]:
    """An approver of the directory, logged in; and the DN."""
    settings.LDAP_OWNS_ADDRESSES = True  # the cast has passwords of its own
    role("data-approvers", "Approvers")
    mia = directory.has("mia", mail="mia@example.com")
    directory.has_group("data-approvers", mia)
    log_in(client := Client(), "mia")
    assert approve(client, cast)[1]
    return client, mia


def test_who_left_the_group_since_the_log_in_decides_nothing_more(
    directory: Directory, approver: tuple[Client, str], cast: dict[str, Any]
) -> None:
    client, mia = approver
    directory.without_groups(mia)
    assert not approve(client, cast)[1]
    assert client.get("/approvals/").status_code == 403


def test_who_left_the_company_since_the_log_in_decides_nothing_more(
    directory: Directory, approver: tuple[Client, str], cast: dict[str, Any]
) -> None:
    client, mia = approver
    directory.delete(mia)
    page, approved = approve(client, cast)
    assert not approved and "does not know you any more" in page
    assert client.get("/approvals/").status_code == 403


def test_a_new_name_at_the_directory_keeps_the_role(
    directory: Directory, approver: tuple[Client, str], cast: dict[str, Any]
) -> None:
    client, mia = approver
    directory.without_groups(mia)
    directory.rename(mia, "mia.smith")
    directory.has_group("data-deciders", mia.replace("uid=mia", "uid=mia.smith"))
    DirectoryRole.objects.update(directory_group="data-deciders")
    assert approve(client, cast)[1]


def test_nobody_of_the_directory_decides_while_it_is_away(
    directory: Directory, approver: tuple[Client, str], cast: dict[str, Any], settings: Any
) -> None:
    client, _mia = approver
    settings.LDAP_URL = nowhere()
    page, approved = approve(client, cast)
    assert not approved and "cannot say whether you may decide" in page
    assert client.get("/approvals/").status_code == 200
    settings.LDAP_URL = directory.url
    assert approve(client, cast)[1]


# --- at start --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "address",
    ["http://ldap.example.com", "ldap://", "ldapi:///run/x", "ldaps://h/dc=x?uid", "ldaps://h:abc", "ldaps://["],
)
def test_an_address_that_is_none_is_refused_at_start(monkeypatch: Any, address: str) -> None:
    monkeypatch.setenv("LDAP_URL", address)
    with pytest.raises(ImproperlyConfigured, match="ldaps://"):
        read.directory_url("LDAP_URL")


@pytest.mark.parametrize(
    "value",
    [
        "(uid",
        "uid=*",
        "(uid=*))",
        "((uid=*))",
        "(uid=*)(mail=*)",
        "(&(uid=*)",
        "(!(uid=*)(mail=*))",
        "(uid=\\zz)",
        "(objectClass)",
        "(&)",
    ],
)
def test_a_filter_that_is_none_is_refused_at_start(monkeypatch: Any, value: str) -> None:
    monkeypatch.setenv("LDAP_USER_FILTER", value)
    with pytest.raises(ImproperlyConfigured, match=r"LDAP_USER_FILTER is .* such as \(objectClass=\*\)"):
        read.directory_filter("LDAP_USER_FILTER", "(objectClass=*)")


@pytest.mark.parametrize(
    "value",
    [
        "(uid=*)",
        "(&(objectClass=person)(!(title=disabled)))",
        "(& (objectClass=user) (| (a=1) (b>=2)) )",
        "(memberOf:1.2.840.113556.1.4.1941:=cn=staff \\28all\\29,dc=example,dc=com)",
        "(!(title=100%))",
    ],
)
def test_a_filter_that_is_one_is_taken(monkeypatch: Any, value: str) -> None:
    monkeypatch.setenv("LDAP_USER_FILTER", value)
    assert read.directory_filter("LDAP_USER_FILTER", "(objectClass=*)") == value


@pytest.mark.parametrize("value", ["(member={dnx})", "(member=*)", "(|(member={dn})(x={Name}))", "(member={dn}"])
def test_a_filter_of_groups_that_finds_nobodys_is_refused_at_start(monkeypatch: Any, value: str) -> None:
    monkeypatch.setenv("LDAP_GROUP_FILTER", value)
    with pytest.raises(ImproperlyConfigured, match=r"with \{dn\} or \{name\} in it"):
        read.directory_filter("LDAP_GROUP_FILTER", "(member={dn})", ("{dn}", "{name}"))
    monkeypatch.setenv("LDAP_GROUP_FILTER", good := "(|(member={dn})(memberUid={name}))")
    assert read.directory_filter("LDAP_GROUP_FILTER", "(member={dn})", ("{dn}", "{name}")) == good


def test_the_portal_has_an_account_there() -> None:
    assert read.reader_of("LDAP_BIND_DN", "LDAP_BIND_PASSWORD", directory="") == ("", "")
    with pytest.raises(ImproperlyConfigured, match="LDAP_BIND_DN is not set"):
        read.reader_of("LDAP_BIND_DN", "LDAP_BIND_PASSWORD", directory="ldaps://ldap.example.com")
    with pytest.raises(ImproperlyConfigured, match="LDAP_USER_SEARCH is not set"):
        read.base_of("LDAP_USER_SEARCH", directory="ldaps://ldap.example.com")


def test_no_password_goes_over_the_net_in_plain_text(monkeypatch: Any) -> None:
    assert read.start_tls("LDAP_START_TLS", directory="ldap://ldap.example.com")
    assert not read.start_tls("LDAP_START_TLS", directory="ldaps://ldap.example.com")
    monkeypatch.setenv("LDAP_START_TLS", "false")
    assert not read.start_tls("LDAP_START_TLS", directory="ldap://127.0.0.1")
    with pytest.raises(ImproperlyConfigured, match="in plain text"):
        read.start_tls("LDAP_START_TLS", directory="ldap://ldap.example.com")
