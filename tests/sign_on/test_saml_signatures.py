"""The signatures of an answer are looked at before they are computed: what is not allowed there is not carried out."""

import base64
import re
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from tests.sign_on.saml import SamlProvider, begin, come_back
from tests.sign_on.test_saml import MIA, is_logged_in

pytestmark = pytest.mark.database
DS = 'xmlns:ds="http://www.w3.org/2000/09/xmldsig#"'
EXCLUSIVE = "http://www.w3.org/2001/10/xml-exc-c14n#"
ENVELOPED = "http://www.w3.org/2000/09/xmldsig#enveloped-signature"
STYLESHEET = "http://www.w3.org/TR/1999/REC-xslt-19991116"
XPATH = "http://www.w3.org/TR/1999/REC-xpath-19991116"
Edit = Callable[[str], str]


def replace(old: str, new: str) -> Edit:
    return lambda xml: re.sub(old, new, xml, count=1, flags=re.DOTALL)


def both(first: Edit, second: Edit) -> Edit:
    return lambda xml: second(first(xml))


TRANSFORM = rf'<(\w+:)?Transform Algorithm="{ENVELOPED}"\s*/>'
SIGNATURE = r"<(\w+:)?Signature .*</(\w+:)?Signature>"
PREFIXES = f'<InclusiveNamespaces xmlns="{EXCLUSIVE}" PrefixList="{{}}"/>'


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        (replace(ENVELOPED, STYLESHEET), f"the algorithm {STYLESHEET}"),
        (
            replace(TRANSFORM, f'<ds:Transform {DS} Algorithm="{XPATH}"><ds:XPath>true()</ds:XPath></ds:Transform>'),
            XPATH,
        ),
        (
            replace(TRANSFORM, rf'<ds:Transform {DS} Algorithm="{ENVELOPED}"><ds:XPath>1</ds:XPath></ds:Transform>'),
            "arg",
        ),
        (replace(TRANSFORM, r"\g<0>\g<0>"), "more than two transforms"),
        (
            replace(rf'CanonicalizationMethod Algorithm="{EXCLUSIVE}"', f'CanonicalizationMethod Algorithm="{XPATH}"'),
            XPATH,
        ),
        (
            replace(
                TRANSFORM,
                f'<ds:Transform {DS} Algorithm="{EXCLUSIVE}">{PREFIXES.format("a " * 31)}</ds:Transform>',
            ),
            "arguments",
        ),
        (replace(r"rsa-sha256", "hmac-sha256"), "hmac-sha256"),
        (replace(r"xmlenc#sha256", "xmldsig-more#md5"), "md5"),
        (replace(r"<(\w+:)?Reference .*</(\w+:)?Reference>", r"\g<0>\g<0>"), "something else than"),
        (replace(r"</(\w+:)?Signature>", rf"<ds:Object {DS}/>\g<0>"), "something else than"),
        (
            replace(
                r"</(\w+:)?KeyInfo>",
                rf'<ds:RetrievalMethod {DS}><ds:Transforms><ds:Transform Algorithm="{XPATH}"/></ds:Transforms>'
                r"</ds:RetrievalMethod>\g<0>",
            ),
            "outside of what is signed",
        ),
        (replace(r'URI="#[^"]+"', 'URI=""'), "another element"),
        (
            both(
                replace(r'URI="#[^"]+"', "URI=\"#xpointer(id('a'))\""),
                lambda xml: re.sub(r'(Assertion [^>]*)\bID="[^"]+"', r"""\1ID="xpointer(id('a'))" """, xml, count=1),
            ),
            "another element",
        ),
        (replace(SIGNATURE, r"\g<0>\g<0>\g<0>"), "more than two signatures"),
        (replace(":Response ", ":Response " + "".join(f'a{n}="" ' for n in range(100))), "more than 100 attributes"),
    ],
)
def test_a_signature_that_has_more_to_do_than_saml_allows_is_not_computed(
    saml: SamlProvider, caplog: Any, edit: Edit, said: str
) -> None:
    saml.has("mia", **MIA)
    client = Client()
    xml = base64.b64decode(saml.answers(begin(client), "mia")).decode()
    assert edit(xml) != xml
    answer = come_back(client, base64.b64encode(edit(xml).encode()).decode())
    assert answer.status_code == 403 and "Begin again." in answer.content.decode()
    assert re.search("(signature|element) of the answer has", caplog.text) and said in caplog.text
    assert not is_logged_in(client) and not User.objects.exists()
