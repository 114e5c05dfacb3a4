"""What the portal asks the SAML provider, and whom an answer names: signed, for us, of now, and never seen before."""

import hashlib
import logging
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.db import IntegrityError, transaction
from django.urls import reverse
from onelogin.saml2.auth import OneLogin_Saml2_Auth
from onelogin.saml2.constants import OneLogin_Saml2_Constants as Saml
from onelogin.saml2.errors import OneLogin_Saml2_Error, OneLogin_Saml2_ValidationError
from onelogin.saml2.response import OneLogin_Saml2_Response
from onelogin.saml2.settings import OneLogin_Saml2_Settings
from onelogin.saml2.utils import OneLogin_Saml2_Utils

from portal.logs import one_line
from portal.sign_on import saml_signature, words
from portal.sign_on.accounts import Person, Refused
from portal.sign_on.addresses import address_of, folded
from portal.sign_on.models import UsedAssertion
from portal.sign_on.saml import PROVIDER_ID
from portal.sign_on.saml_metadata import BROKEN, provider
from portal.sign_on.saml_signature import UNUSABLE

log = logging.getLogger(__name__)
_TOO_MANY_GROUPS = "http://schemas.microsoft.com/claims/groups.link"  # Entra ID, above 150
MOST_SKEW = timedelta(minutes=5, seconds=30)  # between the provider's clock and ours, with the way here
MOST_LIFE = timedelta(hours=24)  # for which an assertion is remembered, whatever it says of itself
FORMATS = {
    "PERSISTENT": Saml.NAMEID_PERSISTENT,
    "UNSPECIFIED": Saml.NAMEID_UNSPECIFIED,
    "EMAILADDRESS": Saml.NAMEID_EMAIL_ADDRESS,
}
_TOO_SOON_OR_LATE = {
    OneLogin_Saml2_ValidationError.ASSERTION_TOO_EARLY,
    OneLogin_Saml2_ValidationError.ASSERTION_EXPIRED,
}


@dataclass(frozen=True)
class Answer:
    """Whom the provider names, to which question of ours."""

    person: Person
    groups: list[str]
    in_response_to: str

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, stored: dict[str, Any]) -> "Answer":
        return cls(**{**stored, "person": Person(**stored["person"])})


def receiver() -> str:
    return f"{settings.PUBLIC_URL}{reverse('saml_acs')}"


def configuration(idp: dict[str, Any]) -> OneLogin_Saml2_Settings:
    wanted = Saml.NAMEID_UNSPECIFIED if settings.SAML_SUBJECT_ATTRIBUTE else FORMATS[settings.SAML_NAME_ID]
    try:
        return _settings(idp, wanted)
    except OneLogin_Saml2_Error as error:  # an address that it does not take for one
        why = f"the description of the provider, or PUBLIC_URL, cannot be used: {one_line(str(error))[:300]}"
        raise Refused(BROKEN, why) from None


def _settings(idp: dict[str, Any], wanted: str) -> OneLogin_Saml2_Settings:
    return OneLogin_Saml2_Settings(
        {
            "strict": True,
            "sp": {
                "entityId": settings.SAML_ENTITY_ID,
                "assertionConsumerService": {"url": receiver(), "binding": Saml.BINDING_HTTP_POST},
                "NameIDFormat": wanted,
            },
            "idp": idp,
            "security": {
                "wantAssertionsSigned": True,
                "wantNameId": False,  # read and judged below
                "wantAttributeStatement": False,
                "allowRepeatAttributeName": True,
                "requestedAuthnContext": False,  # how people prove who they are is the provider's policy
                "rejectDeprecatedAlgorithm": True,  # SHA-1
                "rejectUnsolicitedResponsesWithInResponseTo": True,
                "allowSingleLabelDomains": True,
                # It is given to providers as a file: after two days they would take the portal for gone.
                "metadataValidUntil": "",
                "metadataCacheDuration": "",
            },
        },
        sp_validation_only=not idp,
    )


def ask() -> tuple[str, str]:
    """Where a browser is sent to log in, and the number of this question. Raises Away and Refused."""
    auth = OneLogin_Saml2_Auth(_request_data(), configuration(provider()))
    return str(auth.login(return_to="")), str(auth.get_last_request_id())


def own_metadata() -> bytes:
    """What the provider's administrators read in, to make the portal known there."""
    document = configuration({}).get_sp_metadata()
    return document if isinstance(document, bytes) else str(document).encode()


def read(posted: str) -> Answer:
    """Raises Refused, and Away where the provider's keys cannot be had."""
    config, response = configuration(provider()), None
    try:
        response = OneLogin_Saml2_Response(config, posted)
        saml_signature.check(response.document)
        response.is_valid(_request_data(), raise_exceptions=True)
        assertion = response.get_xml_document().find("saml:Assertion", Saml.NSMAP)
        until = _check(response, assertion)
        answer = Answer(
            person=_person(response, config),
            groups=_groups(response),
            in_response_to=str(response.get_in_response_to()),
        )
    except OneLogin_Saml2_ValidationError as error:
        raise _refused(error, response) from None
    except OneLogin_Saml2_Error as error:
        is_encrypted = error.code == OneLogin_Saml2_Error.PRIVATE_KEY_NOT_FOUND
        why = "the assertion is encrypted" if is_encrypted else f"the answer cannot be read: code {error.code}"
        raise Refused(words.BROKEN, why) from None
    except Refused:
        raise
    except Exception as error:  # noqa: BLE001  # bytes of strangers, read by a library that raises all kinds
        raise Refused(words.BROKEN, f"the answer cannot be read: {type(error).__name__}") from None
    _use_up(f"{answer.person.issuer}\n{assertion.get('ID')}", until)
    return answer


def _request_data() -> dict[str, Any]:
    # By PUBLIC_URL, not by what a request says of itself: an answer for another host is not ours.
    site = urlsplit(receiver())
    return {
        "https": "on" if site.scheme == "https" else "off",
        "http_host": site.netloc,
        "script_name": site.path,
        "path_info": "",
        "get_data": {},
        "post_data": {},
    }


def _refused(error: OneLogin_Saml2_ValidationError, response: OneLogin_Saml2_Response | None) -> Refused:
    # Perhaps no signature was looked at yet: whatever the answer says of itself, anybody may have written.
    why, refused = one_line(str(error))[:300], "the provider refused"
    if response is None:
        return Refused(words.BROKEN, why, on_record=UNUSABLE)
    if error.code == OneLogin_Saml2_ValidationError.STATUS_CODE_IS_NOT_SUCCESS:
        return Refused(words.REFUSED, f"{refused}: {_status(response)}", on_record=refused)
    if error.code in _TOO_SOON_OR_LATE:
        return Refused(words.STALE, f"{why} {_skew(response)}", on_record="the answer is too old, or a clock is wrong")
    return Refused(words.BROKEN, why, on_record=UNUSABLE)


def _status(response: OneLogin_Saml2_Response) -> str:
    status = response.get_xml_document().find("samlp:Status", Saml.NSMAP)
    codes = [str(code.get("Value")).rpartition(":")[2] for code in status.iterfind(".//samlp:StatusCode", Saml.NSMAP)]
    return one_line(", ".join([*codes, status.findtext("samlp:StatusMessage", "", Saml.NSMAP)]))[:300]


def _skew(response: OneLogin_Saml2_Response) -> str:
    try:
        seconds = OneLogin_Saml2_Utils.now() - response.get_assertion_issue_instant()
    except Exception:  # noqa: BLE001  # as above
        return "It does not say when it was made."
    return f"By the clock here it was made {abs(seconds)} seconds {'ago' if seconds >= 0 else 'from now'}."


def _check(response: OneLogin_Saml2_Response, assertion: Any) -> datetime:
    """What python3-saml leaves open where the provider leaves it out; returns until when the assertion can be used."""
    audiences = response.get_audiences()
    if settings.SAML_ENTITY_ID not in audiences:
        raise Refused(words.BROKEN, f"the assertion is not for {settings.SAML_ENTITY_ID} alone: it names no audience")
    if response.get_xml_document().get("Destination") not in (None, receiver()):
        raise Refused(words.BROKEN, "the answer was made for another address of the portal")
    made = _moment(assertion.get("IssueInstant"))
    if abs(datetime.now(UTC) - made) > MOST_SKEW:
        raise Refused(words.STALE, f"the assertion is old, or a clock is wrong. {_skew(response)}")
    asked, ends = response.get_in_response_to(), []
    for data in assertion.iterfind("saml:Subject/saml:SubjectConfirmation/saml:SubjectConfirmationData", Saml.NSMAP):
        # The number beside the signature is anybody's to write; this one is signed.
        if asked and data.get("InResponseTo") == asked and data.get("Recipient") == receiver():
            ends.append(_moment(data.get("NotOnOrAfter")))
    if not ends:
        raise Refused(
            words.STALE, "the assertion was not asked for: its signed part names no question, or another address"
        )
    return min(max(ends), made + MOST_LIFE) + MOST_SKEW


def _moment(text: str | None) -> datetime:
    return datetime.fromtimestamp(OneLogin_Saml2_Utils.parse_SAML_to_time(text), UTC)


def _person(response: OneLogin_Saml2_Response, config: OneLogin_Saml2_Settings) -> Person:
    attributes = response.get_attributes()
    found = {key: (_first(attributes, names) or [""])[0] for key, names in settings.SAML_ATTRIBUTES.items()}
    sent = _first(attributes, settings.SAML_ATTRIBUTES["email"])
    email, *others = list(filter(None, map(address_of, sent))) or [""]
    return Person(
        provider=PROVIDER_ID,
        issuer=config.get_idp_data()["entityId"],
        subject=_subject(response, attributes),
        email=email,
        email_is_verified=settings.SAML_OWNS_ADDRESSES,
        other_emails=tuple(others),
        name=found["name"],
        first_name=found["first_name"],
        last_name=found["last_name"],
    )


def _subject(response: OneLogin_Saml2_Response, attributes: dict[str, Any]) -> str:
    """Who it is, in a way that neither a new name nor a new address changes. Raises Refused."""
    if name := settings.SAML_SUBJECT_ATTRIBUTE:
        values = _first(attributes, [name])
        if len(values) != 1:
            raise Refused(
                words.NO_SUBJECT, f"SAML_SUBJECT_ATTRIBUTE has {len(values)} values in the assertion, not one"
            )
        return f"{name}={values[0]}"  # so that no NameID is taken for it
    wanted, given = FORMATS[settings.SAML_NAME_ID], response.get_nameid_format() or Saml.NAMEID_UNSPECIFIED
    value = response.get_nameid()
    if given != wanted or not (value and value.strip()) or len(value) > 1024:
        raise Refused(
            words.NO_SUBJECT, f"the assertion has no NameID of the format {wanted} (it has: {one_line(given)[:100]})"
        )
    is_address = wanted == Saml.NAMEID_EMAIL_ADDRESS  # which a provider spells as it likes
    return folded(str(value)) if is_address else str(value)


def _groups(response: OneLogin_Saml2_Response) -> list[str]:
    attributes = response.get_attributes()
    if attributes.get(_TOO_MANY_GROUPS):
        log.error("the SAML provider left out the groups of a person, who has too many: have it send the assigned ones")
    return _first(attributes, settings.SAML_GROUPS_ATTRIBUTE)


def _first(attributes: dict[str, Any], names: list[str]) -> list[str]:
    """The texts of the first of these attributes that is there."""
    values: list[Any] = next((attributes[name] for name in names if attributes.get(name)), [])
    return [value for value in values if isinstance(value, str) and "\0" not in value and len(value) <= 1024]


def _use_up(assertion: str, until: datetime) -> None:
    now = datetime.now(UTC)
    UsedAssertion.objects.filter(until__lt=now).delete()
    try:
        with transaction.atomic():
            UsedAssertion.objects.create(key=hashlib.sha256(assertion.encode()).hexdigest(), until=until)
    except IntegrityError:
        raise Refused(words.STALE, "the assertion was used before: a copy, or a page that was loaded again") from None
