"""The fields of `POST /v1/connections` as data: type, choices, default, label, help, and place on the page. The form,
the body, the words of the review and the tests read this table; nothing else lists the fields.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from connections.spec.rules import RULES, check


class Type(StrEnum):
    STRING = "string"
    INTEGER = "integer"
    BOOLEAN = "boolean"
    CHOICE = "choice"
    ID = "id"  # a string that names something at Fivetran
    URI = "uri"


class Section(StrEnum):
    WHAT = "What"
    WHO = "Who and why"
    WHEN = "When it syncs"
    HOW = "How it connects"
    TOLD = "What to be told"
    SETUP = "Setup"
    ADVANCED = "Advanced"


Choice = tuple[Any, str]


@dataclass(frozen=True)
class Field:
    path: str  # the place in the API body
    type: Type
    section: Section
    label: str
    help: str = ""
    choices: tuple[Choice, ...] = ()
    default: Any = None
    required: bool = False
    ours: bool = False  # never sent to Fivetran
    constant: bool = False  # has no control
    enter: str = ""  # the sentence for a missing required value
    max_length: int = 255
    idle: str = ""  # what the API says of the field where it does not apply
    more: str = ""  # what the reference says besides `help`
    example: str = ""

    @property
    def name(self) -> str:
        """The control's `name` in HTML."""
        return self.path.replace(".", "__")


_FREQUENCIES: tuple[Choice, ...] = (
    (1, "Every minute"),
    (5, "Every 5 minutes"),
    (15, "Every 15 minutes"),
    (30, "Every 30 minutes"),
    (60, "Every hour"),
    (120, "Every 2 hours"),
    (180, "Every 3 hours"),
    (360, "Every 6 hours"),
    (480, "Every 8 hours"),
    (720, "Every 12 hours"),
    (1440, "Every 24 hours (daily)"),
)
_HOURS: tuple[Choice, ...] = tuple((f"{hour:02d}:00", f"{hour:02d}:00 UTC") for hour in range(24))
_SENSITIVITIES: tuple[Choice, ...] = (
    ("LOW", "Low"),
    ("NORMAL", "Normal"),
    ("HIGH", "High"),
    ("CUSTOM", "Custom threshold (Enterprise plan or above)"),
    ("SYNC_FREQUENCY", "Follow the sync frequency"),
)
_NETWORKING: tuple[Choice, ...] = (
    ("Directly", "Directly"),
    ("PrivateLink", "PrivateLink"),
    ("SshTunnel", "SSH tunnel"),
    ("ProxyAgent", "Proxy agent"),
)

# Source of names, types, choices and defaults: Fivetran's API reference for "Create a connection" and its published
# OpenAPI file. Where those disagree (`data_delay_sensitivity`), the default is written out in every body.
FIELDS: tuple[Field, ...] = (
    Field(
        "service",
        Type.ID,
        Section.WHAT,
        "Service",
        "The source that Fivetran reads from.",
        required=True,
        enter="Choose a service, for example google_sheets",
        max_length=100,
        more=(
            "Its name at Fivetran, in small letters with underscores between. It decides which settings stand in "
            "config."
        ),
        example="salesforce",
    ),
    Field(
        "group_id",
        Type.ID,
        Section.WHAT,
        "Destination",
        "The warehouse the data goes to.",
        required=True,
        enter="Choose a destination",
        max_length=100,
        more=(
            "The id of the group at Fivetran in which the connection is created. A group has one destination, and "
            "both have the same id."
        ),
        example="projected_sickle",
    ),
    Field(
        "source_owner",
        Type.STRING,
        Section.WHO,
        "Source owner",
        "Who holds the credentials of the source: a username or an e-mail address. Where nobody has that name, you "
        "are asked. Leave empty if that is you.",
        ours=True,
        max_length=254,
        more="It decides who gets the link to the Connect Card.",
    ),
    Field(
        "reason",
        Type.STRING,
        Section.WHO,
        "Reason",
        "What the data is for. The approver decides on this.",
        required=True,
        ours=True,
        enter="Enter the reason for this connection",
        max_length=2000,
    ),
    Field(
        "sync_frequency",
        Type.INTEGER,
        Section.WHEN,
        "Sync frequency",
        "How often Fivetran looks for new data.",
        choices=_FREQUENCIES,
        default=360,
        more="In minutes between two syncs.",
    ),
    Field(
        "daily_sync_time",
        Type.CHOICE,
        Section.WHEN,
        "Daily sync time",
        "In UTC. Fivetran starts up to 60 minutes later. Empty: at a time that Fivetran chooses.",
        choices=_HOURS,
        more="On the hour. The 0 to 60 minutes that Fivetran adds to spread its load stay as they are.",
    ),
    Field(
        "schedule_type",
        Type.CHOICE,
        Section.WHEN,
        "Schedule type",
        "Manual: syncs run only when somebody starts them.",
        choices=(("auto", "Automatic"), ("manual", "Manual")),
        default="auto",
        more="Automatic: Fivetran starts the syncs, at the sync frequency.",
    ),
    Field(
        "paused",
        Type.BOOLEAN,
        Section.WHEN,
        "Create paused",
        "No sync starts until it is unpaused.",
        default=False,
        more="One that is not created paused begins its first sync as soon as it is set up.",
    ),
    Field(
        "pause_after_trial",
        Type.BOOLEAN,
        Section.WHEN,
        "Pause after the free trial",
        "Fivetran pauses the connection when its free trial period ends.",
        default=False,
        more="Otherwise it goes on syncing then, and is billed.",
    ),
    Field(
        "networking_method",
        Type.CHOICE,
        Section.HOW,
        "Networking method",
        "How Fivetran reaches the source.",
        choices=_NETWORKING,
        default="Directly",
        more="The service's own settings follow it: with an SSH tunnel for example its host and port.",
    ),
    Field(
        "private_link_id",
        Type.ID,
        Section.HOW,
        "PrivateLink ID",
        "The private link that reaches the source.",
        enter="Choose the private link",
        more="The id of a private link that was set up at Fivetran.",
    ),
    Field(
        "proxy_agent_id",
        Type.ID,
        Section.HOW,
        "Proxy agent ID",
        "The proxy agent that reaches the source.",
        enter="Choose the proxy agent",
        more="The id of an agent that runs in your network and was registered at Fivetran.",
    ),
    Field(
        "hybrid_deployment_agent_id",
        Type.ID,
        Section.HOW,
        "Hybrid deployment agent ID",
        "Empty: the destination's own agent, if it has one.",
        more="The agent of a hybrid deployment, which moves the data inside your own network.",
    ),
    Field(
        "trust_certificates",
        Type.BOOLEAN,
        Section.HOW,
        "Trust certificates without review",
        "Off: a person approves the source's TLS certificate. Approvers see this as a risk.",
        default=False,
        more=(
            "It counts for the setup tests of this call and is not stored with the connection. What is not trusted "
            "here waits until somebody approves it, which the portal asks for on the request's page."
        ),
    ),
    Field(
        "trust_fingerprints",
        Type.BOOLEAN,
        Section.HOW,
        "Trust SSH fingerprints without review",
        "Off: a person approves the SSH host's fingerprint. Approvers see this as a risk.",
        default=False,
        more=(
            "It counts for the setup tests of this call and is not stored with the connection. What is not trusted "
            "here waits until somebody approves it, which the portal asks for on the request's page."
        ),
    ),
    Field(
        "data_delay_sensitivity",
        Type.CHOICE,
        Section.TOLD,
        "Data delay sensitivity",
        "When Fivetran warns that data is late.",
        choices=_SENSITIVITIES,
        default="NORMAL",
        more=(
            "How late is late: from LOW, which warns last, to HIGH, which warns first; SYNC_FREQUENCY follows the "
            "schedule, and CUSTOM takes a threshold in minutes. Fivetran's documents of the call give two defaults, "
            "NORMAL and in newer ones LOW: say which one is meant."
        ),
    ),
    Field(
        "data_delay_threshold",
        Type.INTEGER,
        Section.TOLD,
        "Data delay threshold (minutes)",
        "Warn when data is later than this many minutes.",
        enter="Enter the threshold in minutes, 1 or more",
        idle="0",
        more="A whole number, 1 or more. With any other sensitivity Fivetran assumes 0, which is none.",
    ),
    Field(
        "run_setup_tests",
        Type.BOOLEAN,
        Section.SETUP,
        "Run setup tests",
        "Fivetran tests the connection while creating it.",
        default=True,
        more=(
            "The answer then comes with a result for each test, and may take minutes. A test that fails does not undo "
            "the creation."
        ),
    ),
    Field(
        "use_connect_card",
        Type.BOOLEAN,
        Section.SETUP,
        "Hand the credentials over by Connect Card",
        "The source owner enters the credentials at Fivetran, never here.",
        default=False,
        ours=True,
        more="The body then holds connect_card_config, and the setup tests wait for the credentials.",
    ),
    Field(
        "connect_card_config.redirect_uri",
        Type.URI,
        Section.SETUP,
        "Return address",
        "Where Fivetran sends the source owner afterwards. Leave it as it is.",
        enter="Enter the return address, beginning with https:// or http://",
        max_length=2000,
        more=(
            "An address of the portal, so that it knows when the credentials were entered; it begins with https:// or "
            "http://."
        ),
    ),
    Field(
        "connect_card_config.hide_setup_guide",
        Type.BOOLEAN,
        Section.SETUP,
        "Hide the setup guide in the Connect Card",
        "The card then shows its fields without Fivetran's instructions beside them.",
        default=False,
    ),
    Field(
        "destination_schema_names",
        Type.STRING,
        Section.SETUP,
        "Destination schema names",
        # With Fivetran's naming the schema name is the connection's name and unique: what makes a lost answer findable.
        "Fivetran's naming, always.",
        choices=(("FIVETRAN_NAMING", "Fivetran's names"), ("SOURCE_NAMING", "The source's own names")),
        default="FIVETRAN_NAMING",
        constant=True,
        more=(
            "It is how the schemas, tables and columns are named at the destination. Fivetran says that the field "
            "will become required, so it stands in every body; it can only be changed before the first sync."
        ),
    ),
    Field(
        "destination_configuration.virtual_warehouse",
        Type.STRING,
        Section.ADVANCED,
        "Virtual warehouse",
        "The Snowflake warehouse that loads this connection’s data. Empty: the destination’s own.",
        more="For destinations on Snowflake.",
    ),
    Field(
        "external_secrets_manager_id",
        Type.STRING,
        Section.ADVANCED,
        "External secrets manager ID",
        "Fivetran then reads the secrets from your company’s own manager. Where it takes their names there, the source "
        "settings ask for these, never for the secrets.",
        more="The id under which your company's secrets manager was registered at Fivetran.",
    ),
    Field(
        "connect_card_config.all_fields",
        Type.BOOLEAN,
        Section.ADVANCED,
        "Show all fields in the Connect Card",
        "Also those that the card hides for some services until they are needed.",
        default=False,
    ),
)
# What the reference says of the objects that hold the fields.
OBJECTS: dict[str, str] = {
    "config": "The settings of the service, and where its data goes. Which there are follows from the service.",
    "connect_card_config": "The Connect Card, in which the source owner enters the credentials.",
    "destination_configuration": "Settings of the destination that count for this connection alone.",
    "external_secrets_keys_config": "Under which names the external secrets manager holds the secrets of the service.",
    "auth": "What authorises Fivetran at the source. The source owner gives it at Fivetran; the portal never sends it.",
}
# The parts of the body that no entry above holds: what the service's metadata describes, and what only the source owner
# may enter, in Fivetran's Connect Card.
OF_THE_SERVICE = ("config", "external_secrets_keys_config")
OF_THE_OWNER = ("auth",)

BY_PATH: dict[str, Field] = {field.path: field for field in FIELDS}

# The keys of `config` that name the destination schema (OpenAPI: one of four shapes for a service), in naming order.
# key -> label, what else to know, what to enter, and an example of it.
_NAMES = {
    "schema": ("Destination schema", "", "destination schema", "sales_eu"),
    "table": ("Destination table", "", "destination table", "orders"),
    "table_group_name": ("Table group name", "", "table group name", "invoices"),
    "schema_prefix": ("Destination schema prefix", " Each source schema gets this prefix.", "schema prefix", "crm"),
}
NAMING: dict[str, Field] = {
    f"config.{key}": Field(
        f"config.{key}",
        Type.STRING,
        Section.WHAT,
        label,
        f"Permanent: it cannot be changed later.{more} Small letters, digits and _.",
        enter=f"Enter the {what}, for example {example}",
        max_length=63,
        example=example,
    )
    for key, (label, more, what, example) in _NAMES.items()
}
NAMING_SHAPES: tuple[tuple[str, ...], ...] = (
    ("schema",),
    ("schema", "table"),
    ("schema", "table_group_name"),
    ("schema_prefix",),
)
# Fivetran's own connector SDK accepts exactly these names.
NAME_PATTERN = r"^[_a-z][_a-z0-9]*$"


def defaults() -> dict[str, Any]:
    return {field.path: field.default for field in FIELDS if field.default is not None}


def applicable(values: Mapping[str, Any]) -> dict[str, Any]:
    """`values` over the defaults, with forced values set and fields that do not apply left out."""
    answers = {**defaults(), **values}
    verdict = check(answers, RULES)
    answers.update(verdict.forced)
    return {path: value for path, value in answers.items() if path not in verdict.hidden}
