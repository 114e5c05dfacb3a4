"""Passkeys (WebAuthn), kept in django-allauth's rows. As a second factor after the password, so a key that asks for
neither finger nor PIN will do.
"""

import json
import logging
from typing import Any

from allauth.mfa.models import Authenticator
from allauth.mfa.webauthn.internal.auth import WebAuthn
from django.contrib.auth.models import User
from django.http import HttpRequest
from fido2.server import Fido2Server
from fido2.utils import websafe_encode
from fido2.webauthn import (
    AttestedCredentialData,
    AuthenticationResponse,
    AuthenticatorData,
    PublicKeyCredentialRpEntity,
    PublicKeyCredentialUserEntity,
    RegistrationResponse,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from portal.sign_on.second_factor.passkeys import LONGEST_ANSWER, NotAccepted, host_of, passkeys_of

log = logging.getLogger(__name__)
_STATE = "second_factor_passkey"
_PREFERRED = UserVerificationRequirement.PREFERRED


def begin_adding(request: HttpRequest, user: User) -> dict[str, Any]:
    """What the browser needs to make one."""
    entity = PublicKeyCredentialUserEntity(
        id=str(user.pk).encode(), name=user.get_username(), display_name=user.get_full_name() or user.get_username()
    )
    options, request.session[_STATE] = _server(request).register_begin(
        entity,
        credentials=[_credential(one) for one in passkeys_of(user)],
        resident_key_requirement=ResidentKeyRequirement.DISCOURAGED,
        user_verification=_PREFERRED,
    )
    return dict(options)


def add(request: HttpRequest, user: User, answer: str, name: str) -> Authenticator:
    """Raises NotAccepted."""
    sent = _parsed(answer)
    state = request.session.pop(_STATE, None)
    try:
        made = RegistrationResponse.from_dict(sent)
        data = _server(request).register_complete(state, made)
    except Exception as error:  # noqa: BLE001  # bytes of strangers, read by a library that raises all kinds
        raise NotAccepted from _told(error)
    passkey: Authenticator = WebAuthn.add(user, name, _stored(made)).instance
    _keep_count(passkey, data)
    return passkey


def _stored(made: RegistrationResponse) -> dict[str, Any]:
    """As django-allauth reads it back; nothing else of what was sent."""
    number, answer = websafe_encode(made.raw_id), made.response
    texts = {"clientDataJSON": answer.client_data, "attestationObject": answer.attestation_object}
    response = {name: websafe_encode(value) for name, value in texts.items()}
    return {"id": number, "rawId": number, "type": "public-key", "response": response}


def begin_log_in(request: HttpRequest, user: User) -> dict[str, Any]:
    """What the browser needs to prove one."""
    known = [_credential(one) for one in passkeys_of(user)]
    options, request.session[_STATE] = _server(request).authenticate_begin(known, user_verification=_PREFERRED)
    return dict(options)


def check(request: HttpRequest, user: User, answer: str) -> Authenticator:
    """The passkey of `user` that answered. Raises NotAccepted."""
    proof = _parsed(answer)
    state = request.session.pop(_STATE, None)  # each challenge is for one answer, right or wrong
    own = {_credential(one).credential_id: one for one in passkeys_of(user)}
    try:
        known = [_credential(one) for one in own.values()]
        used = _server(request).authenticate_complete(state, known, proof)
        data = AuthenticationResponse.from_dict(proof).response.authenticator_data
    except Exception as error:  # noqa: BLE001  # as above
        raise NotAccepted from _told(error)
    passkey = own[used.credential_id]
    before = passkey.data.get("count", 0)
    if (data.counter or before) and data.counter <= before:
        log.warning("passkey %s of user %s counts backwards: somebody may have copied it", passkey.pk, user.pk)
        raise NotAccepted
    _keep_count(passkey, data)
    return passkey


def _keep_count(passkey: Authenticator, data: AuthenticatorData) -> None:
    passkey.data["count"] = data.counter
    passkey.save(update_fields=["data"])


def _parsed(answer: str) -> dict[str, Any]:
    try:
        found = json.loads(answer) if len(answer) <= LONGEST_ANSWER else None
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise NotAccepted
    return found


def _told(error: Exception) -> Exception:
    log.info("a passkey was not accepted: %s", type(error).__name__)
    return error


def _credential(passkey: Authenticator) -> AttestedCredentialData:
    found: AttestedCredentialData = WebAuthn(passkey).authenticator_data.credential_data
    return found


def _server(request: HttpRequest) -> Fido2Server:
    # The page's own origin alone: the library would take one of any host below this one.
    origin = f"{request.scheme}://{request.get_host()}"
    party = PublicKeyCredentialRpEntity(name="Connection portal", id=host_of(request))
    return Fido2Server(party, verify_origin=lambda said: said == origin)
