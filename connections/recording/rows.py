"""Rows that decide who may do what: each change of them is an event with the fields before and after."""

from collections.abc import Iterable
from typing import Any

from django.contrib.auth.models import Group, User
from django.db.models import Model
from django.db.models.signals import m2m_changed, post_save, pre_delete, pre_save

from connections.models import (
    AccessDestination,
    AccessGroup,
    AccessRule,
    AccessService,
    Event,
    EventKind,
    PortalPolicy,
    Preset,
    ServiceRule,
    Team,
)
from connections.spec.differences import Changed, changed_fields
from portal.caller import acting_instead, person_calling
from portal.sign_on.models import DirectoryRole

_BEFORE = "_before_it_was_saved"
_ALL: tuple[str, ...] = ()
_OF_ACCOUNT = ("username", "first_name", "last_name", "email", "password")
# model -> the kind of its events, and the columns that count, or all.
WATCHED: dict[type[Model], tuple[EventKind, tuple[str, ...]]] = {
    User: (EventKind.RIGHTS_CHANGED, ("is_active", "is_staff", "is_superuser", *_OF_ACCOUNT)),
    Group: (EventKind.RIGHTS_CHANGED, ("name",)),
    Team: (EventKind.RIGHTS_CHANGED, _ALL),
    DirectoryRole: (EventKind.RIGHTS_CHANGED, _ALL),
    ServiceRule: (EventKind.RULE_CHANGED, _ALL),
    Preset: (EventKind.RULE_CHANGED, _ALL),
    PortalPolicy: (EventKind.POLICY_CHANGED, _ALL),
    AccessRule: (EventKind.RULE_CHANGED, ("name", "active")),
    AccessGroup: (EventKind.RULE_CHANGED, ("group", "may_request", "may_approve")),
    AccessDestination: (EventKind.RULE_CHANGED, ("group_id",)),
    AccessService: (EventKind.RULE_CHANGED, ("service",)),
}
# An access rule is several rows, and where a person edits it one event, which its page writes.
_BY_ITS_PAGE: tuple[type[Model], ...] = (AccessRule, AccessGroup, AccessDestination, AccessService)


def listen() -> None:
    for model in WATCHED:
        for signal, receiver in ((pre_save, read_before), (post_save, saved), (pre_delete, deleted)):
            signal.connect(receiver, sender=model, dispatch_uid=f"connections.recording.{receiver.__name__}")
        for field in model._meta.many_to_many:
            m2m_changed.connect(linked, sender=field.remote_field.through, dispatch_uid="connections.recording.linked")


def read_before(sender: type[Model], instance: Model, update_fields: Iterable[str] | None, **more: Any) -> None:
    """The row as it is stored; nothing where no column is written that counts, as by a log-in."""
    written = set(_columns(sender)) if update_fields is None else set(_columns(sender)) & set(update_fields)
    if more["raw"] or not written or (written == {"password"} and _only_hashed_anew(instance)):
        setattr(instance, _BEFORE, None)
        return
    stored = sender._base_manager.filter(pk=instance.pk).first() if instance.pk else None
    setattr(instance, _BEFORE, _state(stored) if stored else {})


def saved(sender: type[Model], instance: Model, **_more: Any) -> None:
    before = instance.__dict__.pop(_BEFORE, None)
    if before is not None and (changed := changed_fields(before, _state(instance))):
        _record(instance, changed)


def deleted(sender: type[Model], instance: Model, **_more: Any) -> None:
    before = _state(instance)
    if isinstance(instance, Group):  # its links go with it, without a signal
        before["members"] = list(instance.user_set.values_list("username", flat=True))
        before["permissions"] = [str(one) for one in instance.permissions.all()]
    _record(instance, changed_fields(before, {}), gone=True)


def linked(
    sender: type[Model], instance: Model, action: str, reverse: bool, model: type[Model], pk_set: Any, **_more: Any
) -> None:
    """`instance` got or lost links to the rows of `model`: as the owner of the field, or the other way round."""
    if action not in ("post_add", "pre_remove", "pre_clear"):
        return
    field = _field_of(sender)
    owner_to_other, other_to_owner = field.m2m_field_name(), field.m2m_reverse_field_name()
    mine, theirs = (other_to_owner, owner_to_other) if reverse else (owner_to_other, other_to_owner)
    links = sender._base_manager.filter(**{mine: instance.pk})
    if pk_set is not None:
        links = links.filter(**{f"{theirs}__in": pk_set})
    others = list(model._base_manager.filter(pk__in=links.values(theirs)))
    if not others:
        return
    # One event of each owner: of everybody who comes into a group, or of the one who comes into several.
    owners, targets = (others, [instance]) if reverse else ([instance], others)
    told = [_link(field.name, str(other), added=action == "post_add") for other in targets]
    kind, _ = WATCHED[type(owners[0])]
    Event.objects.record_each(kind, by=person_calling(), about=owners, detail={"changed": told, **_instead()})


def _link(field: str, name: str, *, added: bool) -> Changed:
    return Changed(field=field, before="" if added else name, after=name if added else "")


def _field_of(through: type[Model]) -> Any:
    links = (field for model in WATCHED for field in model._meta.many_to_many)
    return next(field for field in links if field.remote_field.through is through)


def _only_hashed_anew(person: Any) -> bool:
    """At a log-in Django stores the same password by a newer way of hashing."""
    return person._password is None and bool(person.has_usable_password())


def _record(row: Model, changed: list[Changed], *, gone: bool = False) -> None:
    by = person_calling()
    if by is not None and isinstance(row, _BY_ITS_PAGE):
        return
    kind, _ = WATCHED[type(row)]
    if isinstance(row, User) and all(one["field"] in _OF_ACCOUNT for one in changed):
        kind = EventKind.ACCOUNT_CHANGED
    detail: dict[str, Any] = {"changed": changed, **_instead()} | ({"deleted": True} if gone else {})
    Event.objects.record(kind, by=by, about=getattr(row, "rule", row), detail=detail)


def _instead() -> dict[str, str]:
    """Who it was, where that is no account."""
    return {"who": who} if (who := acting_instead()) else {}


def _columns(model: type[Model]) -> list[str]:
    _, names = WATCHED[model]
    fields = [f for f in model._meta.concrete_fields if not (f.primary_key or getattr(f, "auto_now", False))]
    return [field.name for field in fields if not names or field.name in names]


def _state(row: Model) -> dict[str, Any]:
    return {name: _plain(getattr(row, name)) for name in _columns(type(row))}


def _plain(value: Any) -> Any:
    return value if isinstance(value, bool | int | float | str | dict | list | None) else str(value)
