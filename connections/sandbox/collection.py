"""What the account has beside connections, told as data: `data/collections.json` says of each collection which fields
it has, and this module lists, makes, shows, changes and deletes. A stand-in: it checks what a caller may get wrong by
mistake, and nothing follows from what is stored here but what connections refer to.
"""

import json
import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from .calls import OPERATION, ApiError, Call, invalid, not_found, success
from .catalog import DATA
from .clock import now
from .creation import new_id
from .fault_tests import result
from .masking import masked_config
from .wire import Answer

if TYPE_CHECKING:
    from .app import Sandbox

View = Callable[..., Answer]


@dataclass(frozen=True)
class Action:
    """A call below one item, such as `POST /v1/system-keys/{id}/rotate`."""

    path: str
    method: str = "POST"
    sets: dict[str, Any] = field(default_factory=dict)
    once: bool = False  # the answer shows new values of `Collection.once`
    tests: bool = False  # the answer has setup tests
    message: str = OPERATION


@dataclass(frozen=True)
class Collection:
    kind: str
    path: str
    name: str  # as in NotFound_<name> and in messages
    of: str = ""  # the kind that it belongs to, whose id is in the path
    id: str = ""  # the field of the body that is the id; one of two words is made without it
    required: dict[str, Any] = field(default_factory=dict)  # fields that a body must have, with a value of their type
    fields: dict[str, Any] = field(default_factory=dict)  # others with their default
    fixed: tuple[str, ...] = ()  # what a PATCH cannot change
    renamed: dict[str, str] = field(default_factory=dict)  # field of the body -> field of the answer
    made: dict[str, Any] = field(default_factory=dict)  # what an answer has beside; `values` says what @ begins
    once: dict[str, Any] = field(default_factory=dict)  # shown in the answer to the creation alone
    only_once: bool = False  # that answer shows nothing else
    hidden: tuple[str, ...] = ()
    unlisted: tuple[str, ...] = ()  # what the items of a list lack
    texts: bool = False  # the numbers of `config` are shown as texts
    tested: dict[str, Any] | None = None  # what setup tests set, for a collection that has them
    locked: dict[str, Any] = field(default_factory=dict)  # an item like this cannot be changed
    refers: dict[str, str] = field(default_factory=dict)  # field -> the kind that it names
    unique: tuple[str, ...] = ()  # fields of which no two items have the same value
    filters: dict[str, str] = field(default_factory=dict)  # name in the query -> field
    methods: tuple[str, ...] = ("list", "create", "get", "change", "delete")
    actions: tuple[Action, ...] = ()
    messages: dict[str, str] = field(default_factory=dict)

    def routes(self) -> Iterator[tuple[str, str, View]]:
        one = self.path + "/{item_id}"
        views: dict[str, tuple[str, str, View]] = {
            "list": ("GET", self.path, self.index),
            "create": ("POST", self.path, self.create),
            "get": ("GET", one, self.retrieve),
            "change": ("PATCH", one, self.change),
            "delete": ("DELETE", one, self.delete),
        }
        yield from (views[name] for name in self.methods)
        for action in self.actions:
            yield action.method, f"{one}/{action.path}", self._acting(action)

    def index(self, call: Call, owner_id: str = "") -> Answer:
        docs = call.app.state.items(self.kind, self._owner(call, owner_id))
        for asked, name in self.filters.items():
            if wanted := call.query.get(asked):
                docs = [doc for doc in docs if doc.get(name) == wanted]
        hidden = {*self.hidden, *self.unlisted}
        shown = [{name: value for name, value in doc.items() if name not in hidden} for doc in docs]
        return call.listing(shown, self.messages.get("list", OPERATION))

    def create(self, call: Call, owner_id: str = "") -> Answer:
        owner, body = self._owner(call, owner_id), call.json()
        for name in self.required:
            if body.get(name) in (None, ""):
                raise invalid(f"Field '{name}' is required")
        given = self._given(body)
        self._check_known(call, given)
        self._check_unique(call, given, owner)
        item_id = given[self.id] if self.id else new_id(call.app, self.kind, str(body))
        if call.app.state.item(self.kind, item_id, owner):
            raise ApiError(409, "Conflict", f"{self.name} with id '{item_id}' already exists")
        doc = {"id": item_id, **self.fields, **given}
        doc |= values(call.app, self.made, doc)
        tests = self._tested(body, doc)
        call.app.state.save_item(self.kind, doc, owner)
        call.entry.facts["effect"] = item_id
        once = values(call.app, self.once, doc)
        data = once if self.only_once else self._shown(doc) | once | tests
        return success(data, self._message("create", item_id, "has been created"), 201)

    def retrieve(self, call: Call, item_id: str, owner_id: str = "") -> Answer:
        return success(self._shown(self._existing(call, item_id, self._owner(call, owner_id))))

    def change(self, call: Call, item_id: str, owner_id: str = "") -> Answer:
        owner = self._owner(call, owner_id)
        doc, body = self._existing(call, item_id, owner), call.json()
        if self.locked and self.locked.items() <= doc.items():
            raise ApiError(400, "IllegalState", f"{self.name} '{item_id}' is in state {doc['state']}")
        given = {name: value for name, value in self._given(body).items() if name not in self.fixed}
        self._check_known(call, given)
        if isinstance(doc.get("config"), dict):
            given["config"] = doc["config"] | given.get("config", {})
        doc |= given | ({"updated_at": now(call.app)} if "updated_at" in doc else {})
        tests = self._tested(body, doc)
        call.app.state.save_item(self.kind, doc, owner)
        return success(self._shown(doc) | tests, self._message("change", item_id, "has been updated"))

    def delete(self, call: Call, item_id: str, owner_id: str = "") -> Answer:
        if not call.app.state.delete_item(self.kind, item_id, self._owner(call, owner_id)):
            raise not_found(self.name, item_id)
        return success(message=self._message("delete", item_id, f"with id '{item_id}' has been deleted"))

    def _acting(self, action: Action) -> View:
        def act(call: Call, item_id: str, owner_id: str = "") -> Answer:
            owner = self._owner(call, owner_id)
            doc = self._existing(call, item_id, owner) | action.sets
            tests = self._tested({}, doc) if action.tests else {}
            call.app.state.save_item(self.kind, doc, owner)
            if action.method == "DELETE":
                return success(message=action.message)
            once = values(call.app, self.once, doc) if action.once else {}
            data = once if action.once and self.only_once else self._shown(doc) | once | tests
            return success(data, action.message)

        return act

    def _check_known(self, call: Call, given: dict[str, Any]) -> None:
        for name, kind in self.refers.items():
            if given.get(name) and call.app.state.item(kind, given[name]) is None:
                raise not_found(of_kind(kind).name, given[name])

    def _check_unique(self, call: Call, given: dict[str, Any], owner: str) -> None:
        for name in self.unique:
            if any(doc.get(name) == given[name] for doc in call.app.state.items(self.kind, owner)):
                raise ApiError(409, "Conflict", f"{self.name} with {name} '{given[name]}' already exists")

    def _owner(self, call: Call, owner_id: str) -> str:
        if not self.of:
            return ""
        if call.app.state.item(self.of, owner_id) is None:
            raise not_found(of_kind(self.of).name, owner_id)
        return f"{self.of}/{owner_id}"

    def _existing(self, call: Call, item_id: str, owner: str) -> dict[str, Any]:
        doc = call.app.state.item(self.kind, item_id, owner)
        if doc is None:
            raise not_found(self.name, item_id)
        return doc

    def _given(self, body: dict[str, Any]) -> dict[str, Any]:
        """The known fields of a body, with no secret in them."""
        known, given = self.fields | self.required, {}
        for name, value in body.items():
            if name not in known:
                continue
            # An empty text in the data says that it is a text, a null that anything goes.
            if value is not None and known[name] is not None and not isinstance(value, type(known[name])):
                raise invalid(f"Invalid value for field '{name}'")
            given[self.renamed.get(name, name)] = self._config(value) if name == "config" else value
        return masked_config(given, None)

    def _config(self, config: dict[str, Any] | None) -> dict[str, Any]:
        masked = masked_config(config or {}, None)
        if not self.texts:
            return masked
        return {name: str(value) if type(value) is int else value for name, value in masked.items()}

    def _tested(self, body: dict[str, Any], doc: dict[str, Any]) -> dict[str, Any]:
        """What setup tests found, and their effect on `doc`; nothing where they are not wanted."""
        if self.tested is None or body.get("run_setup_tests") is False:
            return {}
        doc |= self.tested
        return {"setup_tests": [result("Validate Login"), result("Checking permissions")]}

    def _shown(self, doc: dict[str, Any]) -> dict[str, Any]:
        return {name: value for name, value in doc.items() if name not in self.hidden}

    def _message(self, what: str, item_id: str, usual: str) -> str:
        return self.messages.get(what, f"{self.name} {usual}").format(id=item_id)


def values(app: "Sandbox", wanted: dict[str, Any], doc: dict[str, Any]) -> dict[str, Any]:
    """`wanted` with what begins with @ worked out."""
    found = {}
    for name, value in wanted.items():
        match value:
            case "@now":
                found[name] = now(app)
            case "@user":
                found[name] = app.account["account"]["user_id"]
            case "@account":
                found[name] = app.account["account"]["account_id"]
            case "@token":
                found[name] = secrets.token_urlsafe(24)
            case "@cloud":
                found[name] = doc["region"].partition("_")[0]
            case "@id":
                found[name] = doc["id"]
            case _:
                found[name] = value
    return found


def _read() -> Iterator[Collection]:
    for spec in json.loads((DATA / "collections.json").read_text(encoding="utf-8")):
        actions = tuple(Action(**action) for action in spec.pop("actions", ()))
        lists = {name: tuple(value) for name, value in spec.items() if isinstance(value, list)}
        yield Collection(**(spec | lists), actions=actions)


COLLECTIONS = tuple(_read())


def of_kind(kind: str) -> Collection:
    return next(collection for collection in COLLECTIONS if collection.kind == kind)
