"""The Connect Card: the page on which somebody hands over a source's credentials without the caller seeing them."""

import json
import secrets
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode, urlsplit

from . import setup_tests, tokens
from .calls import Call
from .catalog import Service
from .masking import masked_config
from .pages import card_page, message_page
from .wire import Answer

if TYPE_CHECKING:
    from .app import Sandbox

PATH = "/connect-card/setup"
AUTHORIZED = "auth.authorized"  # the check box that stands for a sign-in at the source


def mint(app: "Sandbox", doc: dict[str, Any]) -> dict[str, str]:
    """A new `connect_card`: token and address, valid for one day unless the settings say otherwise."""
    config = doc["connect_card_config"]
    claims = {"sub": doc["id"], "jti": secrets.token_hex(8), "redirect_uri": config["redirect_uri"]}
    claims["exp"] = time.time() + app.settings.card_seconds
    token = tokens.sign(claims, app.state.signing_key())
    hide = "true" if config.get("hide_setup_guide") else "false"
    query = urlencode({"redirect_uri": config["redirect_uri"], "auth": token, "hide_setup_guide": hide})
    return {"token": token, "uri": f"{app.root}{PATH}?{query}"}


def card(call: Call) -> Answer:
    """A GET shows the form. A POST (Save & Test) redirects to redirect_uri only when the tests passed."""
    app = call.app
    try:
        claims = tokens.read(call.query.get("auth", ""), app.state.signing_key())
    except tokens.BadToken as refused:
        return message_page(403, "This Connect Card cannot be used", str(refused))
    doc = app.state.connection(claims["sub"])
    if doc is None:
        return message_page(404, "This Connect Card cannot be used", "The connection was deleted.")
    if call.query.get("redirect_uri", claims["redirect_uri"]) != claims["redirect_uri"]:
        return message_page(403, "This Connect Card cannot be used", "The return address was changed.")
    if claims["jti"] in doc.get("_used_cards", ()):
        return message_page(403, "This Connect Card cannot be used", "It was used already. Ask for a new one.")
    if call.method != "POST":
        return _form(call, doc, claims)
    call.entry.facts["effect"] = doc["id"]
    return _save(call, doc, claims)


def _save(call: Call, doc: dict[str, Any], claims: dict[str, Any]) -> Answer:
    app, form = call.app, call.form()
    service = app.catalog.get(doc["service"])
    given = {name: form[name] for name in fields(service) if form.get(name)} if service else {}
    doc["config"] |= masked_config(_typed(given, service), service)
    # "wrong" is the one bad password: with it, tests that need a secret fail.
    doc["_wrong_secret"] = "wrong" in given.values()
    doc["_auth"] = sorted({*doc.get("_auth", []), *([AUTHORIZED] if form.get(AUTHORIZED) else [])})
    setup_tests.run(app, doc, trust_certificates=True, trust_fingerprints=True)
    connected = doc["status"]["setup_state"] == "connected"
    if connected:  # a card that did not connect may be used again
        doc["_used_cards"] = [*doc.get("_used_cards", []), claims["jti"]]
    app.state.save_connection(doc)
    setup_tests.tell(app, doc)
    if not connected:
        return _form(call, doc, claims)
    return Answer(303, b"", {"Location": claims["redirect_uri"], "Content-Type": "", "Referrer-Policy": "no-referrer"})


def _form(call: Call, doc: dict[str, Any], claims: dict[str, Any]) -> Answer:
    service = call.app.catalog.get(doc["service"])
    back = urlsplit(claims["redirect_uri"])
    return card_page(call, doc, fields(service) if service else {}, f"{back.scheme}://{back.netloc}")


def fields(service: Service) -> dict[str, dict[str, Any]]:
    """What the card asks for: the service's own choice, else its secrets; a check box means a sign-in at the source."""
    names = service.card or sorted(service.secrets)
    asked = {name: service.config[name] for name in names}
    if service.auth:
        asked[AUTHORIZED] = {"type": "boolean", "title": f"Let Fivetran read this {service.about['name']} account"}
    return asked


def _typed(given: dict[str, str], service: Service | None) -> dict[str, Any]:
    typed: dict[str, Any] = {}
    for name, value in given.items():
        kind = service.config[name]["type"] if service and name in service.config else None
        if kind == "integer" and value.isascii() and value.isdigit():
            typed[name] = int(value)
        elif kind == "array":
            typed[name] = [part.strip() for part in value.split(",")]
        elif kind == "object":
            try:
                parsed = json.loads(value)
            except ValueError:
                parsed = {}
            typed[name] = parsed if isinstance(parsed, dict) else {}
        elif kind:
            typed[name] = value
    return typed
