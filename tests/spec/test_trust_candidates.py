"""What is to be trusted is found by its shape, whatever comes, and read for people."""

import base64
import hashlib
from typing import Any

import pytest
import trustme
from hypothesis import given
from hypothesis import strategies as st

from connections.spec.trust_candidates import Candidate, TrustKind, candidates, left_out

CERTIFICATE = {
    "hash": "abc=",
    "encoded_cert": "MII",
    "public_key": "Sun RSA",
    "name": "CN=x",
    "sha1": "1",
    "sha256": "2",
}
KEY = {"hash": "def=", "public_key": "ssh-rsa AAAA", "type": "ssh-rsa", "name": "bastion"}


def test_both_shapes_are_found_alone_and_in_a_list() -> None:
    [one] = candidates(CERTIFICATE)
    assert (one.kind, one.hash, one.proof, one.public_key) == (TrustKind.CERTIFICATE, "abc=", "MII", "Sun RSA")
    [two] = candidates(KEY)
    assert (two.kind, two.hash, two.proof, two.type) == (TrustKind.FINGERPRINT, "def=", "ssh-rsa AAAA", "ssh-rsa")
    assert candidates([CERTIFICATE, "text", None, KEY, CERTIFICATE]) == [one, two]


@pytest.mark.parametrize(
    "details",
    [
        None, "", "text", 7, True, [], {}, [[CERTIFICATE]], {"hash": "a"}, {"hash": "a", "name": "n"},
        {"encoded_cert": "x"}, {"public_key": "x"}, {"hash": "", "public_key": "x"}, {"hash": 7, "public_key": "x"},
        {"hash": "a", "public_key": ["x"]}, {"hash": "a", "encoded_cert": "", "public_key": "x"},
        {"hash": "a" * 501, "public_key": "x"}, {"hash": "a", "public_key": "x" * 20_001},
        {"hash": "a\0", "public_key": "x"}, {"hash": "  ", "public_key": "x"},
    ],
)  # fmt: skip
def test_what_lacks_the_shape_is_nothing_to_approve(details: Any) -> None:
    assert candidates(details) == []


def test_a_list_is_looked_at_up_to_a_number() -> None:
    many = [KEY | {"hash": f"h{number}"} for number in range(500)]
    assert len(candidates(many)) == 20
    assert left_out(many) == 480
    assert left_out([*many[:20], {"left_out": 7}]) == 7
    assert left_out([*many[:21], {"left_out": 7}]) == 8


@pytest.mark.parametrize(
    "details", [None, KEY, [KEY], [KEY, {"left_out": 0}], [KEY, {"left_out": "7"}], [7, {"left_out": 7}], [1] * 30]
)
def test_where_all_is_looked_at_nothing_is_said_to_be_missing(details: Any) -> None:
    assert left_out(details) == 0


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from([*CERTIFICATE, "type", "other"]), inner),
    max_leaves=12,
)


@given(JSON)
def test_nothing_that_comes_raises(details: Any) -> None:
    assert left_out(details) >= 0
    for one in candidates(details):
        assert one.hash and one.proof and len(one.digest) == 64
        assert isinstance(one.facts, list) and isinstance(one.contradiction, str) and one.sha256_label


@pytest.mark.parametrize("change", [{"hash": "x"}, {"encoded_cert": "MIJ"}, {"sha256": "3"}, {"name": "CN=y"}])
def test_the_digest_covers_everything_that_is_shown(change: dict[str, str]) -> None:
    [before], [after] = candidates(CERTIFICATE), candidates(CERTIFICATE | change)
    assert before.digest != after.digest


@pytest.fixture(scope="module")
def authority() -> bytes:
    return trustme.CA(organization_name="Example Ltd").cert_pem.bytes()


def test_a_certificate_of_an_authority_is_read(authority: bytes) -> None:
    [one] = candidates({"hash": "h", "encoded_cert": authority.decode()})
    facts = dict(one.facts)
    assert "organizationName=Example Ltd" in facts["Subject"]
    assert " to " in facts["Valid"]
    raw = base64.b64decode("".join(authority.decode().splitlines()[1:-1]))
    assert (
        facts["SHA-256 of the certificate, computed here"].replace(":", "").lower() == hashlib.sha256(raw).hexdigest()
    )
    [bare] = candidates({"hash": "h", "encoded_cert": base64.b64encode(raw).decode()})
    assert bare.facts == one.facts


def test_a_sum_that_is_not_that_of_the_bytes_is_named(authority: bytes) -> None:
    text = authority.decode()
    raw = base64.b64decode("".join(text.splitlines()[1:-1]))
    right, other = hashlib.sha256(raw).hexdigest(), hashlib.sha256(b"other").hexdigest()
    shapes = {right: "", right.upper(): "", ":".join(right[i : i + 2] for i in range(0, 64, 2)): "", "short": ""}
    for said, expected in shapes.items():
        assert Candidate(TrustKind.CERTIFICATE, "h", text, sha256=said).contradiction == expected
    assert "Do not approve" in Candidate(TrustKind.CERTIFICATE, "h", text, sha256=other).contradiction


def test_each_sum_says_what_it_is_of(authority: bytes) -> None:
    text = authority.decode()
    raw = base64.b64decode("".join(text.splitlines()[1:-1]))
    of_bytes, of_text, other = (hashlib.sha256(content).hexdigest() for content in (raw, authority, b"other"))
    labels = {of_bytes: "SHA-256 of the certificate, says Fivetran", other: "SHA-256, says Fivetran"}
    labels[of_text] = "SHA-256 of its encoded text, says Fivetran"
    for said, label in labels.items():
        assert Candidate(TrustKind.CERTIFICATE, "h", text, sha256=said).sha256_label == label
    assert Candidate(TrustKind.FINGERPRINT, "h", "ssh-rsa AAAA", sha256=other).sha256_label == labels[other]


def test_a_host_key_is_shown_as_ssh_keygen_prints_it() -> None:
    body = base64.b64encode(b"\0\0\0\x0bssh-ed25519\0\0\0 " + b"k" * 32).decode()
    facts = dict(Candidate(TrustKind.FINGERPRINT, "h", f"ssh-ed25519 {body} host").facts)
    said = base64.b64encode(hashlib.sha256(base64.b64decode(body)).digest()).decode().rstrip("=")
    assert facts["As ssh-keygen -l shows it"] == f"SHA256:{said}"
    assert facts["The older form"].startswith("MD5:") and facts["The older form"].count(":") == 16
    assert Candidate(TrustKind.FINGERPRINT, "h", "no key").facts == []
