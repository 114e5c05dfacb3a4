"""Whether the signatures of an answer are such as SAML allows, looked at before any of them is computed."""

import re
from typing import Any

from portal.logs import one_line
from portal.sign_on import words
from portal.sign_on.accounts import Refused

_DS = "{http://www.w3.org/2000/09/xmldsig#}"
_MORE = "http://www.w3.org/2001/04/xmldsig-more#"
_EXCLUSIVE = "http://www.w3.org/2001/10/xml-exc-c14n#"
_CANONICAL = {_EXCLUSIVE, f"{_EXCLUSIVE}WithComments"}
_TRANSFORMS = {"http://www.w3.org/2000/09/xmldsig#enveloped-signature", *_CANONICAL}
_DIGESTS = {"http://www.w3.org/2001/04/xmlenc#sha256", "http://www.w3.org/2001/04/xmlenc#sha512", f"{_MORE}sha384"}
_SIGNATURES = {f"{_MORE}{kind}-sha{bits}" for kind in ("rsa", "ecdsa") for bits in (256, 384, 512)}
_PLAIN_ID = re.compile(r"#[\w.-]+")  # as an XPointer it would be an expression to evaluate
_MOST_PREFIXES = 30
UNUSABLE = "the answer cannot be used"
_MOST_ATTRIBUTES = 100  # they are put in order one by one: thirty thousand take ten seconds


def check(document: Any) -> None:
    """Raises Refused. xmlsec carries out the transforms of a signature before it knows whose it is: a stylesheet or an
    XPath expression of a stranger could take hours of a processor.
    """
    if any(len(element.attrib) > _MOST_ATTRIBUTES for element in document.iter("*")):
        raise Refused(words.BROKEN, f"an element of the answer has more than {_MOST_ATTRIBUTES} attributes")
    signatures = list(document.iter(f"{_DS}Signature"))
    if len(signatures) > 2:  # of the answer and of the assertion
        raise _refused("more than two signatures")
    checked = sum(_check(signature) for signature in signatures)
    if checked != sum(1 for _one in document.iter(f"{_DS}Transform")):  # of a key, or of an encrypted part
        raise _refused("a transform outside of what is signed")


def _check(signature: Any) -> int:
    """How many transforms it has."""
    signed, _value = _children(signature, ["SignedInfo", "SignatureValue"], may_end_in="KeyInfo")
    canonical, method, reference = _children(signed, ["CanonicalizationMethod", "SignatureMethod", "Reference"])
    transforms, digest, _value = _children(reference, ["Transforms", "DigestMethod", "DigestValue"])
    _check_algorithm(canonical, _CANONICAL)
    _check_algorithm(method, _SIGNATURES)
    _check_algorithm(digest, _DIGESTS)
    if len(transforms) > 2:
        raise _refused("more than two transforms")
    for transform in transforms:
        _check_algorithm(transform, _TRANSFORMS)
    address = reference.get("URI", "")
    if not _PLAIN_ID.fullmatch(address) or address[1:] != signature.getparent().get("ID"):
        raise _refused("another element than the one that it stands in")
    return len(transforms)


def _children(element: Any, names: list[str], may_end_in: str = "") -> list[Any]:
    found = list(element)
    tags = [child.tag for child in found]
    wanted = [f"{_DS}{name}" for name in names]
    if tags != wanted and tags != [*wanted, f"{_DS}{may_end_in}"]:
        raise _refused(f"something else than {', '.join(names)}")
    return found[: len(names)]


def _check_algorithm(element: Any, known: set[str]) -> None:
    name = element.get("Algorithm")
    if name not in known:
        raise _refused(f"the algorithm {one_line(str(name))[:100]}, which is not accepted")
    for child in element:
        is_list = child.tag == f"{{{_EXCLUSIVE}}}InclusiveNamespaces" and not len(child)
        if not is_list or len(child.get("PrefixList", "").split()) > _MOST_PREFIXES:
            raise _refused("an algorithm with arguments")


def _refused(what: str) -> Refused:
    return Refused(words.BROKEN, f"a signature of the answer has {what}", on_record=UNUSABLE)
