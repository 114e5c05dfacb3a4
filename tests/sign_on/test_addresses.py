"""One verified address is one account: through two doors at once, after a change at the provider, and in the admin."""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.socialaccount.models import SocialAccount
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.db import IntegrityError, connection, transaction
from django.test import Client

from portal.sign_on.accounts import MOST_NAMES, Person, Refused, account_of
from portal.sign_on.addresses import address_of
from tests.sign_on.providers import Mock
from tests.sign_on.test_oidc import MIA, is_in, local

pytestmark = pytest.mark.sql
LogIn = Callable[..., Any]
OIDC = Person("company", "https://idp.example", "s-mia", "mia@example.com", True, name="mia.meyer")
LDAP = Person("ldap", "entryuuid", "61", "Mia@Example.com", True, name="mmeyer")


# --- two at once -----------------------------------------------------------------------------------------------------


@contextmanager
def uncommitted(person: Person) -> Iterator[None]:
    """`person` is logging in: within, the account is made or joined and nobody else sees it yet."""
    written, may_end = threading.Event(), threading.Event()

    def run() -> None:
        try:
            with transaction.atomic():
                account_of(person)
                written.set()
                may_end.wait(10)
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(run)
        assert written.wait(10)
        yield
        may_end.set()
        first.result()


def enters(person: Person) -> User:
    try:
        return account_of(person)
    finally:
        connection.close()


def at_the_same_time(first: Person, second: Person) -> "Future[User]":
    """`first` writes, `second` comes to wait for that, `first` commits."""
    with ThreadPoolExecutor(1) as pool, uncommitted(first):
        late = pool.submit(enters, second)
        until = time.monotonic() + 3
        while not _somebody_waits() and time.monotonic() < until:
            time.sleep(0.02)
        assert not late.done(), "it has to wait for the first one's end"
    return late


def _somebody_waits() -> bool:
    if connection.vendor != "postgresql":
        time.sleep(0.3)  # SQLite lets one write at a time, and tells nobody who waits
        return True
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_locks WHERE NOT granted")
        return bool(cursor.fetchone()[0])


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("doors", [(OIDC, LDAP), (LDAP, OIDC)], ids=["OIDC first", "LDAP first"])
def test_two_doors_at_once_make_one_account(doors: tuple[Person, Person]) -> None:
    late = at_the_same_time(*doors)
    with pytest.raises(Refused, match="joined to another log-in"):
        late.result()
    [user] = User.objects.all()
    assert SocialAccount.objects.get().user == user == EmailAddress.objects.get().user


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("has_account", [False, True], ids=["new", "with an account"])
def test_the_same_person_twice_at_once_is_let_in_twice(has_account: bool) -> None:
    if has_account:
        User.objects.create_user("mia", "mia@example.com", "a-Password-of-mine")
    late = at_the_same_time(OIDC, OIDC)
    assert late.result() == User.objects.get() == SocialAccount.objects.get().user


@pytest.mark.django_db(transaction=True)
def test_two_who_are_given_one_address_at_once_do_not_both_get_it() -> None:
    anna, ben = Person("company", "i", "a", "", name="anna"), Person("company", "i", "b", "", name="ben")
    for person in (anna, ben):
        account_of(person)
    new = [Person("company", "i", subject, "new@example.com", True) for subject in "ab"]
    assert at_the_same_time(*new).result().username == "ben"
    assert [user.username for user in User.objects.filter(email="new@example.com")] == ["anna"]


def test_the_database_itself_refuses_a_second_one(db: None) -> None:
    account_of(OIDC)
    other = User.objects.create_user("other")
    with pytest.raises(IntegrityError), transaction.atomic():
        EmailAddress.objects.create(user=other, email="mia@example.com", verified=True)


# --- one after the other ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "unknown", [{"email": ""}, {"email": "", "email_is_verified": True}, {"email_is_verified": False}]
)
@pytest.mark.parametrize("before", ["another door", "no password", "link deleted"])
def test_who_may_have_an_account_by_another_door_gets_no_second_one(
    db: None, before: str, unknown: dict[str, Any]
) -> None:
    if before == "no password":
        User.objects.create_user("mia", "mia@other.example")
    else:
        account_of(replace(OIDC, email="mia@other.example"))
    if before == "link deleted":
        SocialAccount.objects.all().delete()
    with pytest.raises(Refused, match="cannot tell whether you have an account"):
        account_of(replace(LDAP, **unknown))
    assert User.objects.count() == 1


def test_new_accounts_can_be_left_to_administrators(db: None, settings: Any) -> None:
    settings.SIGN_ON_NEW_ACCOUNTS = False
    mia = local("mia", email="mia@other.example")
    with pytest.raises(Refused, match="or one with another e-mail address"):
        account_of(OIDC)
    User.objects.update(email=OIDC.email)
    assert account_of(OIDC) == account_of(replace(OIDC, email="")) == mia and User.objects.count() == 1


@pytest.mark.parametrize("sent", [" mia@example.com ", "\tmia@example.com\n"])
def test_spaces_around_an_address_make_no_other_one(db: None, sent: str) -> None:
    mia = local("mia", email="mia@example.com")
    assert account_of(replace(OIDC, email=address_of(sent))) == mia


@pytest.mark.parametrize(
    "sent", ["mia", "mia@", "mia@example.com, boss@example.com", "mia\0@example.com", "<mia@example.com>", "a" * 300]
)
def test_what_is_no_address_is_none(db: None, sent: str) -> None:
    local("boss", email="boss@example.com")
    with pytest.raises(Refused, match="did not confirm your e-mail address"):
        account_of(replace(OIDC, email=address_of(sent)))


def test_however_many_have_the_name_one_gets_in(db: None) -> None:
    names = ["mia.meyer", *(f"MIA.Meyer.{number}" for number in range(2, MOST_NAMES))]
    User.objects.bulk_create(User(username=name) for name in names)
    assert account_of(OIDC).username == f"mia.meyer.{OIDC.uid[:12]}"
    assert account_of(replace(OIDC, subject="b", name="\u6f22", email="ben@example.com")).username == "ben"


def test_people_of_the_same_provider_are_others_and_named_administrators_too(db: None, settings: Any) -> None:
    settings.LOCAL_ADMINISTRATORS = ["root"]
    local("root")
    account_of(replace(LDAP, email=""))
    account_of(replace(LDAP, email="", subject="62"))
    assert sorted(User.objects.values_list("username", flat=True)) == ["mmeyer", "mmeyer.2", "root"]


@pytest.mark.parametrize("spelled", ["root", "Root"])
def test_no_provider_lets_anybody_into_a_named_administrators_account(db: None, settings: Any, spelled: str) -> None:
    settings.LOCAL_ADMINISTRATORS = [spelled]
    root = local("root", email=OIDC.email)
    with pytest.raises(Refused, match="for the time that your company’s log-in is away"):
        account_of(OIDC)
    root.refresh_from_db()
    assert root.has_usable_password() and not SocialAccount.objects.exists()


def test_who_is_named_later_comes_by_the_provider_no_more(db: None, settings: Any) -> None:
    user = account_of(OIDC)
    settings.LOCAL_ADMINISTRATORS = [user.username]
    with pytest.raises(Refused):
        account_of(replace(OIDC, email="other@example.com"))
    user.refresh_from_db()
    assert user.email == OIDC.email, "a link for a forgotten password goes where it went"


def test_each_verified_address_of_a_person_finds_the_account(db: None) -> None:
    mia = local("mia", email="mia@example.com")
    assert account_of(replace(LDAP, email="m.meyer@example.com", other_emails=("", "MIA@example.com"))) == mia
    local("ben", email="ben@example.com"), local("ben2", email="ben2@example.com")
    with pytest.raises(Refused, match="More than one account"):
        account_of(replace(LDAP, subject="62", email="ben@example.com", other_emails=("ben2@example.com",)))


def test_the_order_of_the_addresses_changes_nothing(db: None) -> None:
    mia = account_of(replace(LDAP, email="a@example.com", other_emails=("b@example.com",)))
    account_of(replace(LDAP, email="b@example.com", other_emails=("a@example.com",)))
    mia.refresh_from_db()
    assert mia.email == EmailAddress.objects.get().email == "a@example.com"


def test_a_second_factor_ends_with_the_password(db: None) -> None:
    mia = local("mia", email=OIDC.email)
    Authenticator(user=mia, type="totp", data={}).save()
    account_of(OIDC)
    assert not Authenticator.objects.exists()


def test_who_comes_by_another_provider_is_told_so(db: None) -> None:
    account_of(OIDC)
    with pytest.raises(Refused, match="joined to another log-in of your company"):
        account_of(replace(LDAP, email=OIDC.email))


def test_what_a_provider_does_to_an_account_is_on_the_record(db: None) -> None:
    local("mia", email=OIDC.email)
    mia = account_of(OIDC)
    account_of(replace(OIDC, email="mia.smith@example.com"))
    new = account_of(replace(OIDC, subject="s-ben", email="ben@example.com"))
    entries = LogEntry.objects.order_by("pk").values_list("user", "change_message")
    assert [(user, words.partition(".")[0]) for user, words in entries] == [
        (mia.pk, "Joined to the company's log-in by the verified e-mail address"),
        (mia.pk, f"The company's log-in changed the e-mail address {OIDC.email.partition('.')[0]}"),
        (new.pk, "Made at the first log-in by the company"),
    ]


def test_an_account_that_was_closed_does_not_come_back_as_a_new_one(db: None) -> None:
    User.objects.filter(pk=local("mia").pk).update(is_active=False)
    with pytest.raises(Refused, match="did not confirm your e-mail address"):
        account_of(replace(OIDC, email_is_verified=False))


# --- a change at the provider ----------------------------------------------------------------------------------------


def test_the_address_follows_the_provider(provider: Mock, log_in: LogIn) -> None:
    provider.has("s-mia", **MIA)
    log_in(Client(), "s-mia")
    provider.has("s-mia", **MIA | {"email": "mia.smith@example.com"})
    log_in(Client(), "s-mia")
    assert User.objects.get().email == EmailAddress.objects.get().email == "mia.smith@example.com"
    provider.has("s-new", **MIA)
    log_in(client := Client(), "s-new")
    assert is_in(client) == "mia.meyer.2", "the old address is free again"


def test_an_address_that_is_only_claimed_changes_nothing(provider: Mock, log_in: LogIn) -> None:
    provider.has("s-mia", **MIA)
    log_in(Client(), "s-mia")
    for change in ({"email": "boss@example.com", "email_verified": False}, {"email": ""}):
        provider.has("s-mia", **MIA | change)
        log_in(client := Client(), "s-mia")
        assert is_in(client) and User.objects.get().email == EmailAddress.objects.get().email == MIA["email"]


@pytest.mark.parametrize("is_active", [True, False], ids=["open", "closed"])
@pytest.mark.parametrize("spelling", ["boss@example.com", "BOSS@Example.com"])
def test_an_address_that_another_account_has_stays_there(
    provider: Mock, log_in: LogIn, caplog: pytest.LogCaptureFixture, spelling: str, is_active: bool
) -> None:
    boss = local("boss", email="Boss@example.com", is_active=is_active)
    provider.has("s-mia", **MIA)
    log_in(Client(), "s-mia")
    provider.has("s-mia", **MIA | {"email": spelling})
    log_in(client := Client(), "s-mia")
    mia = User.objects.get(username="mia.meyer")
    assert is_in(client) == "mia.meyer" and mia.email == MIA["email"]
    assert f"user {mia.pk} keeps the old e-mail address" in caplog.text and f"that of user {boss.pk}" in caplog.text
    assert "example.com" not in "".join(line for line in caplog.text.splitlines() if "keeps the old" in line)


def test_what_was_typed_by_hand_gives_way_to_what_is_verified(provider: Mock, log_in: LogIn) -> None:
    provider.has("s-mia", **MIA)
    log_in(Client(), "s-mia")
    User.objects.update(email="typed@example.com")
    log_in(Client(), "s-mia")
    assert User.objects.get().email == MIA["email"]


def test_an_account_with_another_address_by_hand_still_has_the_verified_one(provider: Mock, log_in: LogIn) -> None:
    provider.has("s-mia", **MIA)
    log_in(Client(), "s-mia")
    User.objects.update(email="typed@example.com")
    provider.has("s-second", **MIA)
    answer = log_in(client := Client(), "s-second")
    assert answer.status_code == 403 and not is_in(client) and User.objects.count() == 1


# --- the admin, and what was there before ----------------------------------------------------------------------------


def change_address(client: Client, user: User, address: str) -> Any:
    page = client.get(f"/admin/auth/user/{user.pk}/change/")
    fields = page.context["adminform"].form.initial
    values = {name: value for name, value in fields.items() if isinstance(value, str) and name != "password"}
    values |= {"is_active": "on", "email": address, "date_joined_0": "2026-01-01", "date_joined_1": "00:00:00"}
    return client.post(f"/admin/auth/user/{user.pk}/change/", values)


@pytest.mark.parametrize("address", ["MIA.MEYER@example.com", "mia.meyer@example.com", "Boss@Example.com"])
def test_the_admin_refuses_an_address_that_is_taken(
    provider: Mock, log_in: LogIn, admin_client: Client, address: str
) -> None:
    provider.has("s-mia", **MIA)
    log_in(Client(), "s-mia")
    User.objects.filter(username="mia.meyer").update(
        email="typed@example.com"
    )  # the verified one is taken all the same
    local("boss", email="boss@example.com")
    ben = local("ben", email="ben@example.com")
    answer = change_address(admin_client, ben, address)
    assert "Another account has this e-mail address" in answer.content.decode()
    ben.refresh_from_db()
    assert ben.email == "ben@example.com"
    assert change_address(admin_client, ben, "BEN@example.com").status_code == 302
    assert change_address(admin_client, ben, "").status_code == 302


def test_the_address_of_somebody_who_left_is_given_again(provider: Mock, log_in: LogIn, admin_client: Client) -> None:
    provider.has("s-mia", **MIA)
    log_in(Client(), "s-mia")
    provider.has("s-next", **MIA)
    assert log_in(client := Client(), "s-next").status_code == 403 and not is_in(client)
    assert change_address(admin_client, User.objects.get(username="mia.meyer"), "").status_code == 302
    log_in(client, "s-next")
    assert is_in(client) == "mia.meyer.2"


def test_two_accounts_that_share_one_already_can_still_be_edited(db: None, admin_client: Client) -> None:
    _first, second = local("mia", email="mia@example.com"), local("mia2", email="mia@example.com")
    assert change_address(admin_client, second, "mia@example.com").status_code == 302
    assert change_address(admin_client, second, "other@example.com").status_code == 302
