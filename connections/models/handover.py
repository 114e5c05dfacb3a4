"""The hand-over of a connection's credentials to its source owner. Nothing in the row opens anything by itself."""

import hashlib
import secrets
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from django.core import signing
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.crypto import salted_hmac

from connections.people import display_name
from connections.states import LIVE_HANDOVER, HandoverState

# The link is a signature over id and nonce: a new nonce makes it invalid. The mailed code is derived from the row and
# SECRET_KEY. Of the state that a Connect Card returns only a hash is stored, of the card's address nothing.
_LINK, _STATE, _CODE = ("connections.handover." + what for what in ("link", "state", "code"))
CODE_DIGITS = 8
CODE_TRIES = 5
CODE_LIFE = timedelta(minutes=15)
CARD_LIFE = timedelta(days=1)  # of Fivetran's card (its Connect Card guide), and so of the state that it brings back


def new_nonce() -> str:
    return secrets.token_hex(16)  # 128 bits


def hashed(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()  # of 128 random bits, so that nothing slower is needed


RETURNABLE = (*LIVE_HANDOVER, HandoverState.DONE)  # in which the current card brings its owner back


def find_owner(text: str) -> tuple[User | None, str]:
    """The user or the e-mail address that `text` means; (None, "") where it is neither."""
    people = User.objects.filter(is_active=True)
    if found := people.filter(username=text).first():
        return found, ""
    if "@" not in text:
        return None, ""
    having = list(people.filter(email__iexact=text)[:2])
    return (having[0], "") if len(having) == 1 else (None, text[:254])


def why_not_mailed(text: str) -> str:
    """Why nobody whom `text` means can be mailed a link; empty if somebody can."""
    # Only for people who may know every user: the answer tells whether somebody has that name.
    return why_no_mail_reaches(*find_owner(text))


def why_no_mail_reaches(owner: User | None, address: str) -> str:
    if owner is None and not address:
        return "Enter a username of this portal, or an e-mail address"
    if owner is None or owner.email:
        return ""
    name = display_name(owner)
    return f"{name} has no e-mail address in this portal, so no link can be mailed. Enter an e-mail address instead"


def owner_or(requester: User, text: str) -> tuple[User | None, str]:
    owner, address = find_owner(text) if text else (requester, "")
    # Nobody is told whether the user is unknown or has no mail address: that would tell who has an account.
    if (owner is None and not address) or (owner is not None and not owner.email):
        return requester, ""
    return owner, address


class HandoverManager(models.Manager["Handover"]):
    def begun(self, request: Any, setup_state: str) -> "Handover | None":
        """A new hand-over with its first mail, not stored yet; None where no Connect Card is wanted, or the connection
        is connected already.
        """
        if not (request.payload or {}).get("connect_card_config") or setup_state == "connected":
            return None
        owner, address = owner_or(request.requester, request.source_owner)
        return self.model(request=request, owner=owner, address=address, mails=1)

    def by_token(self, token: str) -> "Handover | None":
        """The hand-over that a link's `token` opens; None for a forged token and for one that was replaced."""
        try:
            number, _, nonce = _signer(_LINK).unsign(token).partition("-")
            return self._known().get(pk=int(number), nonce=nonce)
        except (signing.BadSignature, ValueError, OverflowError, self.model.DoesNotExist):
            return None

    def by_state(self, state: str) -> "Handover | None":
        """The hand-over whose current card returns the valid `state`, else None."""
        try:
            number, _, nonce = _signer(_STATE).unsign(state).partition("-")
            # Done too: Fivetran may have told of the connection before its owner was back.
            known = self._known().filter(state__in=RETURNABLE, return_expires_at__gt=Now())
            return known.get(pk=int(number), return_hash=hashed(nonce))
        except (signing.BadSignature, ValueError, OverflowError, self.model.DoesNotExist):
            return None

    def live(self) -> "models.QuerySet[Handover]":
        return self.filter(state__in=LIVE_HANDOVER, request__deleted_at_fivetran_at=None)

    def _known(self) -> "models.QuerySet[Handover]":
        return self.select_related("request__requester", "request__connection", "owner")


class Handover(models.Model):
    """Who enters the credentials at Fivetran: a user, or somebody who proves by a mailed code to hold the address."""

    request = models.OneToOneField("connections.ConnectionRequest", models.PROTECT, related_name="handover")
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="handovers")
    address = models.EmailField(blank=True)  # of an owner without an account
    nonce = models.CharField(max_length=32, default=new_nonce)
    state = models.CharField(max_length=10, choices=HandoverState.choices(), default=HandoverState.WAITING)
    sent_at = models.DateTimeField(db_default=Now())
    opened_at = models.DateTimeField(null=True)  # first, by the owner: a mail scanner's visit is none
    card_at = models.DateTimeField(null=True)
    card_expires_at = models.DateTimeField(null=True)
    card_expired_at = models.DateTimeField(null=True)  # when the sweeper saw that the last card was never used
    returned_at = models.DateTimeField(null=True)
    done_at = models.DateTimeField(null=True)
    revoked_at = models.DateTimeField(null=True)
    # The single-use state of the current card.
    return_hash = models.CharField(max_length=64, blank=True)
    return_expires_at = models.DateTimeField(null=True)
    # The mailed code: how it is derived, until when it counts, and how often it was tried.
    code_nonce = models.CharField(max_length=32, blank=True)
    code_expires_at = models.DateTimeField(null=True)
    code_tries = models.PositiveSmallIntegerField(default=0)
    code_sent_at = models.DateTimeField(null=True)
    codes_since = models.DateTimeField(null=True)  # the hour in which
    codes_sent = models.PositiveSmallIntegerField(default=0)  # so many were mailed
    mails = models.PositiveIntegerField(default=0)  # tells notices of one kind apart
    reminders = models.PositiveSmallIntegerField(default=0)
    last_notified_at = models.DateTimeField(db_default=Now())  # when the owner was last asked

    objects = HandoverManager()

    class Meta:
        verbose_name = "hand-over"
        constraints = [
            models.CheckConstraint(
                condition=Q(owner__isnull=False, address="") | (Q(owner__isnull=True) & ~Q(address="")),
                name="handover_has_one_owner",
            ),
            models.CheckConstraint(
                condition=Q(state__in=[s.value for s in HandoverState]),
                name="known_handover_state",
            ),
        ]
        indexes = [
            models.Index(
                fields=["last_notified_at"], condition=Q(state__in=[s.value for s in LIVE_HANDOVER]), name="told_live"
            ),
            models.Index(
                fields=["card_expires_at"], condition=Q(state=HandoverState.OPEN.value), name="handover_card_expires"
            ),
        ]

    def __str__(self) -> str:
        return f"hand-over of request {self.request_id}"

    @property
    def owner_name(self) -> str:
        return str(self.owner) if self.owner else self.address

    @property
    def owner_shown(self) -> str:
        """The owner as people name them; `owner_name` is what finds them."""
        return display_name(self.owner) if self.owner else self.address

    @property
    def is_live(self) -> bool:
        return self.state in LIVE_HANDOVER

    @property
    def token(self) -> str:
        return _signer(_LINK).sign(f"{self.pk}-{self.nonce}")

    @property
    def code(self) -> str:
        """The code that is mailed on request; empty where nobody asked for one."""
        if not self.code_nonce:
            return ""
        mac = salted_hmac(_CODE, f"{self.pk}-{self.nonce}-{self.code_nonce}", algorithm="sha256").digest()
        return str(int.from_bytes(mac[:16]) % 10**CODE_DIGITS).zfill(CODE_DIGITS)

    def return_state(self, nonce: str) -> str:
        """What the card returns when it was made with `nonce`, whose hash the row keeps."""
        return _signer(_STATE).sign(f"{self.pk}-{nonce}")


def _signer(salt: str) -> signing.Signer:
    # A dot, because not every program that makes links of a mail's text takes a colon inside one.
    return signing.Signer(salt=salt, sep=".")
