"""Creating a connection, and saying beforehand what would come of it."""

import random
import secrets
import time
from typing import TYPE_CHECKING, Any

from . import cards, faults, setup_tests
from .calls import Call, success
from .clock import now
from .connections import shown
from .masking import STARS, masked_config
from .state import NameTaken
from .validation import IN_STATUS, TRANSIENT, Wanted, check_creation, name_taken
from .wire import Answer

if TYPE_CHECKING:
    from .app import Sandbox


def create(call: Call) -> Answer:
    wanted = check_creation(call.app, call.json())
    fault = faults.find(wanted.first_name)
    call.entry.facts["fault"] = fault.prefix if fault else None
    if fault and fault.before and (answer := fault.before(call, wanted, make)):
        return answer
    answer = make(call, wanted)
    return fault.after(call, answer) if fault and fault.after else answer


def make(call: Call, wanted: Wanted) -> Answer:
    """Create: store the connection, run its tests when requested, answer 201; ApiError when the name is taken."""
    app = call.app
    time.sleep(app.settings.create_seconds)  # Fivetran takes its time too
    doc = new_connection(app, wanted)
    try:
        app.state.add_connection(doc, unique=app.settings.unique_names)
    except NameTaken:
        raise name_taken(app, wanted.name) from None
    call.entry.facts["effect"] = doc["id"]
    call.reached("effect")  # a test may kill the caller here: created, and not answered
    app.deliveries.tell("create_connector", doc)
    if wanted.values["run_setup_tests"]:
        setup_tests.run(app, doc, **_trust(wanted))
        app.state.save_connection(doc)
        setup_tests.tell(app, doc)
    card = {"connect_card": cards.mint(app, doc)} if "connect_card_config" in doc else {}
    return _created(doc | card)


def check(call: Call) -> Answer:
    """What `create` would answer to this call now. Nothing is stored, used up, told to webhooks or waited for."""
    app, wanted = call.app, check_creation(call.app, call.json())
    fault = faults.find(wanted.first_name)
    answer = fault.before(call, wanted, make) if fault and fault.before else None
    if answer and not answer.deliver:  # how an answer gets lost on its way is not foretold
        return answer
    doc = new_connection(app, wanted)
    if app.settings.unique_names and app.state.list_connections(group_id=wanted.group_id, schema=wanted.name, limit=1):
        raise name_taken(app, wanted.name)
    if wanted.values["run_setup_tests"]:
        setup_tests.judge(app, doc, **_trust(wanted))
    # A card's address would open the card of whatever gets this id later.
    card = {"connect_card": {"token": STARS, "uri": STARS}} if "connect_card_config" in doc else {}
    return _created(doc | card)


def _trust(wanted: Wanted) -> dict[str, bool]:
    return {name: wanted.values[name] for name in ("trust_certificates", "trust_fingerprints")}


def _created(doc: dict[str, Any]) -> Answer:
    return success(shown(doc), "Connection has been created", 201)


def new_connection(app: "Sandbox", wanted: Wanted) -> dict[str, Any]:
    """A new connection as it is stored; keys beginning with _ are never shown, secrets are not kept."""
    values = {name: value for name, value in wanted.values.items() if name not in (*TRANSIENT, *IN_STATUS, "auth")}
    if values.get("external_secrets_keys_config"):
        values["_auth"] = ["external_secrets_keys_config"]
    values.pop("external_secrets_keys_config", None)
    return {
        "id": new_id(app, wanted.group_id, wanted.name),
        "group_id": wanted.group_id,
        "service": wanted.service.id,
        "service_version": 1,
        "schema": wanted.name,
        "connected_by": app.account["account"]["user_id"],
        "created_at": now(app),
        **values,
        "status": first_status(values["paused"]),
        "config": masked_config(wanted.config, wanted.service),
        "source_sync_details": {},
        **({"_auth": sorted(wanted.values["auth"])} if wanted.values.get("auth") else {}),
        "_first_name": wanted.first_name,
        "_wrong_secret": "wrong" in list(wanted.config.values()),
    }


def first_status(paused: bool) -> dict[str, Any]:
    """The status object of a connection whose tests never ran."""
    return {
        "setup_state": "incomplete",
        "sync_state": "paused" if paused else "scheduled",
        "update_state": "on_schedule",
        "is_historical_sync": True,
        "tasks": [],
        "warnings": [],
    }


def new_id(app: "Sandbox", *of: str) -> str:
    """Two words that nothing has as its id yet; a number is added when the pair is taken. `of` what: for `id_seed`."""
    seed = app.settings.id_seed
    dice = random.Random(" ".join([str(seed), *of])) if seed else secrets.SystemRandom()  # noqa: S311  # no secret
    words = {part: text.split() for part, text in app.account["words"].items()}
    pair = f"{dice.choice(words['first'])}_{dice.choice(words['second'])}"
    name = pair
    while app.state.is_taken(name):
        name = f"{pair}_{dice.randrange(10**6)}"
    return name
