"""The reference's entries: each field of the body with what the tables say of it, and nothing besides."""

from connections.spec import reference, reference_call
from connections.spec.fields import BY_PATH, FIELDS, Field, Section, Type
from connections.spec.reference import Entry, Value
from connections.spec.rules import RULES

# The body as Fivetran's documentation of the call lists it.
DOCUMENTED = [
    "daily_sync_time",
    "pause_after_trial",
    "connect_card_config",
    "connect_card_config.hide_setup_guide",
    "connect_card_config.redirect_uri",
    "sync_frequency",
    "networking_method",
    "hybrid_deployment_agent_id",
    "data_delay_threshold",
    "service",
    "paused",
    "trust_fingerprints",
    "proxy_agent_id",
    "run_setup_tests",
    "schedule_type",
    "private_link_id",
    "trust_certificates",
    "data_delay_sensitivity",
    "group_id",
]


def entries() -> dict[str, Entry]:
    groups = (*reference.of_body(), reference.of_any_service())
    return {entry.path: entry for group in groups for entry in group.entries}


def said(path: str) -> str:
    """The conditions of the field in words."""
    return " ".join("".join(piece.words for piece in sentence) for sentence in entries()[path].sentences)


def test_every_field_that_is_sent_is_there_and_every_documented_one() -> None:
    found = entries()
    assert {field.path for field in FIELDS if not field.ours} <= set(found)
    assert set(DOCUMENTED) <= set(found)
    assert not {field.path for field in FIELDS if field.ours} & set(found)


def test_those_of_the_portal_alone_stand_apart() -> None:
    assert {entry.path for entry in reference.of_the_portal().entries} == {"source_owner", "reason", "use_connect_card"}


def test_every_entry_says_what_it_is() -> None:
    for path, entry in entries().items():
        assert len(entry.text.split()) >= 4, path
        assert entry.type in {"string", "integer", "boolean", "object"}, path


def test_a_field_that_is_added_appears_by_itself_with_the_object_around_it() -> None:
    added = Field(
        "priority.level", Type.INTEGER, Section.ADVANCED, "Level", "How urgent it is.", choices=((1, "High"),)
    )
    [advanced] = [group for group in reference.of_body((*FIELDS, added)) if group.key == "advanced"]
    assert [(entry.path, entry.type) for entry in advanced.entries[-2:]] == [
        ("priority", "object"),
        ("priority.level", "integer"),
    ]
    assert advanced.entries[-1].values == (Value("1", "High"),)


def test_what_is_allowed_and_assumed_is_written_as_json() -> None:
    found = entries()
    assert found["sync_frequency"].values[:2] == (Value("1", "Every minute"), Value("5", "Every 5 minutes"))
    assert found["networking_method"].values[2] == Value('"SshTunnel"', "SSH tunnel")
    assert len(found["daily_sync_time"].values) == 24
    assert [one.json for one in found["destination_schema_names"].values] == ['"FIVETRAN_NAMING"', '"SOURCE_NAMING"']
    defaults = {path: entry.default for path, entry in found.items() if entry.default}
    assert defaults == {
        "sync_frequency": "360",
        "schedule_type": '"auto"',
        "networking_method": '"Directly"',
        "data_delay_sensitivity": '"NORMAL"',
        "data_delay_threshold": "0",
        "run_setup_tests": "true",
        "destination_schema_names": '"FIVETRAN_NAMING"',
        **{path: "false" for path, field in BY_PATH.items() if field.default is False and not field.ours},
    }


def test_a_default_that_fivetrans_documents_dispute_is_told_with_the_other_one() -> None:
    assert "two defaults, NORMAL and in newer ones LOW" in entries()["data_delay_sensitivity"].text


def test_what_is_required() -> None:
    required = {path: entry.required for path, entry in entries().items() if entry.required == "Required"}
    assert set(required) == {"service", "group_id"}
    at_times = {path for path, entry in entries().items() if entry.required == "Required at times"}
    assert at_times == {
        "data_delay_threshold",
        "private_link_id",
        "proxy_agent_id",
    }
    # Whether there is a Connect Card is a question of the form: the API asks for the address wherever the object is.
    assert entries()["connect_card_config.redirect_uri"].required == "Required in connect_card_config"
    assert said("connect_card_config.redirect_uri") == "The form asks for it while use_connect_card is true."
    assert said("connect_card_config.all_fields").startswith("The form asks for it while use_connect_card is true.")


def test_the_rules_are_told_in_words_with_links_to_the_fields_they_ask() -> None:
    assert said("daily_sync_time") == ('Applies only while sync_frequency is 1440 and schedule_type is not "manual".')
    assert said("private_link_id") == 'Applies only while networking_method is "PrivateLink". It is required then.'
    assert said("run_setup_tests").startswith(
        "The portal sends false while use_connect_card is true, whatever was chosen: with a Connect Card"
    )
    assert "With a manual schedule the frequency has no effect." in said("sync_frequency")
    for rule in RULES:
        if rule.path != "run_setup_tests" and not any(when.pattern for when in rule.when):
            assert said(rule.path), rule
    linked = {piece.path for entry in entries().values() for sentence in entry.sentences for piece in sentence}
    assert linked - {""} <= set(BY_PATH)


def test_what_the_portal_sends_without_being_asked_is_said() -> None:
    assert said("destination_schema_names") == 'The portal always sends "FIVETRAN_NAMING".'
    assert said("paused") == "The portal always sends it, also where it is the default."
    assert said("networking_method") == "The portal leaves it out at its default."
    assert said("connect_card_config.all_fields").endswith("The portal sends it whenever it applies.")


def test_the_headers_are_those_of_the_portals_own_calls() -> None:
    assert {one.name: one.value for one in reference_call.HEADERS} == {
        "Accept": "application/json;version=2",
        "Content-Type": "application/json",
        "Authorization": "Basic ******",
    }


def test_the_answers_begin_with_the_creation_and_name_who_acts_on_a_refusal() -> None:
    told = {(answer.status, answer.code): answer.acts for answer in reference_call.answers()}
    assert next(iter(told)) == ("201", "Success")
    assert told["403", "Forbidden"] == told["404", "NotFound_Group"] == "an operator"
    assert told["400", "InvalidInput"] == "the requester" and told["429", ""] == "the portal"
    assert told["400", "SchemaExists"] == told["409", "SchemaExists"] == told["409", ""] == "the requester"


def test_each_entry_has_a_place_of_its_own_on_the_page() -> None:
    groups = (
        *reference.of_body(),
        reference.of_any_service(),
        reference_call.of_headers(),
        reference_call.of_answers(),
    )
    anchors = [entry.anchor for group in groups for entry in group.entries]
    assert len(set(anchors)) == len(anchors)
    assert {"field-429", "field-409"} <= set(anchors) and "field-" not in anchors
    assert reference.anchor_of("config.files.0.name") == reference.anchor_of("config.files[].name")


def test_all_that_the_call_is_documented_to_answer_is_there() -> None:
    statuses = {answer.status for answer in reference_call.answers()}
    assert {"201", "400", "401", "404", "406", "409", "415"} <= statuses


def test_the_secret_is_no_default_and_stands_nowhere() -> None:
    entries = {entry.path: entry for entry in reference_call.of_headers().entries}
    assert {path: entry.default for path, entry in entries.items()} == {
        "Accept": "application/json;version=2",
        "Content-Type": "application/json",
        "Authorization": "",
    }
