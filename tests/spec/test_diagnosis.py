"""The file of diagnoses is whole, each entry recognises its own messages, and hostile ones cost no time."""

import ipaddress
import re
import time
import tomllib
from collections.abc import Iterator

import pytest

from connections.spec import diagnosis
from connections.spec.diagnosis import Sample, Who, diagnose, entries
from tests.contract import openapi

SAMPLES = [(entry, sample) for entry in entries() for sample in entry.samples]
NAMES = [f"{entry.id}-{number}" for number, (entry, _sample) in enumerate(SAMPLES)]


def test_there_are_enough_entries_each_with_a_name_of_its_own() -> None:
    assert len(entries()) >= 40
    assert len({entry.id for entry in entries()}) == len(entries())
    assert all(entry.samples for entry in entries())
    assert {entry.who for entry in entries()} == set(Who)


@pytest.mark.parametrize(("entry", "sample"), SAMPLES, ids=NAMES)
def test_an_entry_recognises_its_own_messages_and_nothing_stands_before_it(
    entry: diagnosis.Entry, sample: Sample
) -> None:
    found = diagnose(sample.service, sample.title, sample.status, sample.message, {})
    assert found is not None and found.entry == entry.id
    said = (sample.service, sample.title, sample.status, sample.message)
    equals = [one.id for one in entries() if one.fits(*said) and one.weight == entry.weight and one is not entry]
    assert not equals, "as specific, and it fits as well: only the order of the file would decide"


@pytest.mark.parametrize("entry", entries(), ids=lambda entry: entry.id)
def test_an_entry_is_whole(entry: diagnosis.Entry) -> None:
    assert entry.test or entry.says or entry.status
    for text in (entry.means, entry.act, entry.source):
        assert text.strip() == text != ""
    assert entry.means.endswith(".") and entry.act.endswith(".")
    used = set(re.findall(r"\{([a-z_]+)\}", f"{entry.paste} {entry.act} {entry.means}"))
    assert used <= set(diagnosis.PLACEHOLDERS), used
    assert "password'" not in entry.paste.replace("<password>'", "")


@pytest.mark.parametrize("entry", entries(), ids=lambda entry: entry.id)
def test_the_source_owner_is_sent_to_nothing_that_stands_on_another_page(entry: diagnosis.Entry) -> None:
    said = f"{entry.means} {entry.outside or entry.act}"
    assert "To be trusted" not in said and "this page" not in said and "approved here" not in said


def test_the_file_holds_nothing_that_is_not_read() -> None:
    data = tomllib.loads(diagnosis.FILE.read_text())
    assert set(data) == {"addresses", "families", "entry"}
    assert all(ipaddress.ip_network(text) for text in data["addresses"].values())
    used = {name for item in data["entry"] for name in item.get("services", ())}
    assert set(data["families"]) <= used


@openapi.needed
def test_every_service_of_the_file_is_one_of_fivetrans() -> None:
    published = set(openapi.read("services.json.gz")["services"])
    assert {service for entry in entries() for service in entry.services} <= published


def unbounded(pattern: str) -> Iterator[str]:
    """What could make a search long: repetitions without an end, of more than 200, or nested."""
    without_sets = re.sub(r"\\.|\[[^\]]*\]", "x", pattern)
    if re.search(r"[*+]|\{\d*,\}", without_sets):
        yield "a repetition without an end"
    if any(int(most) > 200 for most in re.findall(r"\{\d*,?(\d+)\}", without_sets)):
        yield "a repetition of more than 200"
    if re.search(r"\)\{", without_sets) or re.search(r"\\\d", pattern):
        yield "a repeated group or a reference back"


@pytest.mark.parametrize("entry", entries(), ids=lambda entry: entry.id)
def test_no_pattern_repeats_without_an_end(entry: diagnosis.Entry) -> None:
    for pattern in (entry.test, entry.says):
        assert pattern is None or not list(unbounded(pattern.pattern))


@pytest.mark.parametrize("bad", ["a*", "a+", "(a{1,3}){1,9}", "a{1,}", "a{0,900}", r"(a)\1", "(a|b)*c", "[ab]+"])
def test_a_pattern_that_repeats_is_found(bad: str) -> None:
    assert list(unbounded(bad))


def test_a_pattern_with_stars_and_dots_in_other_roles_is_let_pass() -> None:
    assert not list(unbounded(r"a\.b|[*+]|x .{0,40}(y|z)?|wal_level"))


HOSTILE = [
    "a" * 1_000_000,
    "replication slot " * 60_000,
    "certificate host name " * 50_000,
    "\u202e" * 1_000_000,
    "(" * 99_999,
]


@pytest.mark.parametrize("number", range(len(HOSTILE)))
def test_a_hostile_message_costs_as_much_as_its_beginning(number: int) -> None:
    text = HOSTILE[number]
    took = []
    for said in (text[: diagnosis.LOOKED_AT], text):
        started = time.process_time()
        for _ in range(3):
            diagnose("postgres", said, "FAILED", said, {})
        took.append(time.process_time() - started)
    assert took[1] <= 5 * took[0] + 0.05, took
    assert took[1] < 1.5


@pytest.mark.parametrize("status", ["PASSED", "SKIPPED", "", "BRAND_NEW"])
def test_what_did_not_fail_has_no_diagnosis(status: str) -> None:
    assert diagnose("postgres", "Validate Login", status, "Invalid login credentials", {}) is None


def test_a_warning_is_explained_only_where_an_entry_says_so() -> None:
    assert diagnose("hubspot", "Checking quota", "WARNING", "100 calls a day", {}) is not None
    assert diagnose("hubspot", "Validate Login", "WARNING", "Invalid login credentials", {}) is None


def test_what_nobody_knows_has_no_diagnosis() -> None:
    assert diagnose("postgres", "Something new", "FAILED", "Flux capacitor misaligned", {}) is None
    assert diagnose("", "", "FAILED", "", {}) is None


def test_the_service_decides_between_two_that_look_alike() -> None:
    said = ("Validate Login", "FAILED", "Auth fail for methods 'publickey,password'")
    one, other = diagnose("sftp", *said, {}), diagnose("postgres", "SSH Tunnel", *said[1:], {})
    assert one and other and (one.entry, other.entry) == ("sftp_login", "ssh_login")


def test_the_addresses_of_a_region_are_those_of_fivetrans_page_or_none() -> None:
    assert diagnosis.addresses("GCP_EUROPE_WEST3") == "35.235.32.144/29"
    assert diagnosis.addresses("MARS_NORTH_1") == diagnosis.addresses("") == ""


def pasted(**facts: str) -> str:
    found = diagnose("postgres", "Permissions", "FAILED", "permission denied for schema sales", facts)
    assert found is not None
    return found.paste


def test_what_is_known_is_filled_in_and_the_rest_named() -> None:
    assert 'TO "fivetran_ro";' in pasted(user="fivetran_ro")
    assert 'TO "<user>";' in pasted()


@pytest.mark.parametrize(
    "user",
    [
        'x"; DROP TABLE orders; --', "a'b", "a\nb", "a--b", "a/*b", "a;b", "{public_key}", "<b>", "\u202e", "x" * 1_001,
        "", "a\\b", "fivetran, PUBLIC", "fivetran PUBLIC", "$(id)", "`id`",
    ],
)  # fmt: skip
def test_nothing_that_could_end_a_statement_gets_into_one(user: str) -> None:
    assert 'TO "<user>";' in pasted(user=user)
