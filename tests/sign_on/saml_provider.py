"""`python saml_provider.py PORT FOLDER`: a SAML identity provider, pysaml2's, whose directory the tests write.

PUT /portal: the portal's own metadata · PUT /users/NAME: who they are, as JSON · GET /metadata: its own · GET /sso: the
page that asks who one is · POST /sso: the page that posts the answer to the portal.

A person's JSON: `subject` and `format` of the NameID, `attributes`; `answer` holds arguments of pysaml2's
`create_authn_response` that replace the right ones, and `refuses` a status that is sent instead.
"""

import datetime
import html
import json
import shutil
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID
from saml2 import BINDING_HTTP_POST, BINDING_HTTP_REDIRECT
from saml2.authn_context import PASSWORDPROTECTEDTRANSPORT
from saml2.config import IdPConfig
from saml2.metadata import entity_descriptor
from saml2.saml import NAMEID_FORMAT_PERSISTENT, NameID
from saml2.server import Server
from saml2.xmldsig import DIGEST_SHA256, SIG_RSA_SHA256

PORT, FOLDER = int(sys.argv[1]), Path(sys.argv[2])
OWN = f"http://127.0.0.1:{PORT}"
PEOPLE: dict[str, dict[str, Any]] = {}
PAGE = "<!doctype html><html lang=en><title>Example</title><main>{}</main></html>"


def certificate(days: int = 30) -> None:
    key = rsa.generate_private_key(65537, 2048)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "provider")])
    now = datetime.datetime.now(datetime.UTC)
    made = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    made = made.serial_number(x509.random_serial_number())
    made = made.not_valid_before(now - datetime.timedelta(days=1)).not_valid_after(now + datetime.timedelta(days=days))
    (FOLDER / "cert.pem").write_bytes(made.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
    pem = serialization.PrivateFormat.TraditionalOpenSSL
    (FOLDER / "key.pem").write_bytes(key.private_bytes(serialization.Encoding.PEM, pem, serialization.NoEncryption()))


def configuration(portal: str = "") -> IdPConfig:
    sso = [(f"{OWN}/sso", BINDING_HTTP_REDIRECT)]
    policy = {"default": {"lifetime": {"minutes": 10}, "attribute_restrictions": None}}
    return IdPConfig().load(
        {
            "entityid": f"{OWN}/metadata",
            "service": {"idp": {"endpoints": {"single_sign_on_service": sso}, "policy": policy}},
            "key_file": str(FOLDER / "key.pem"),
            "cert_file": str(FOLDER / "cert.pem"),
            "xmlsec_binary": shutil.which("xmlsec1"),
            "metadata": {"inline": [portal]} if portal else {},
        }
    )


def answer(server: Server, person: dict[str, Any], asked: Any) -> str:
    portal = asked.issuer.text
    where = {"in_response_to": asked.id, "destination": asked.assertion_consumer_service_url}
    if "refuses" in person:
        status, why = person["refuses"]
        return str(server.create_error_response(**where, info=(status, why or None), sign=False))
    given = {**where, "sp_entity_id": portal, "sign_assertion": True, "sign_response": False}
    given |= {"sign_alg": SIG_RSA_SHA256, "digest_alg": DIGEST_SHA256}
    name_id = None
    if person.get("subject"):
        name_id = NameID(format=person.get("format", NAMEID_FORMAT_PERSISTENT), text=person["subject"])
    authn = {"class_ref": PASSWORDPROTECTEDTRANSPORT, "authn_auth": OWN}
    return str(
        server.create_authn_response(
            person.get("attributes", {}), name_id=name_id, authn=authn, **{**given, **person.get("answer", {})}
        )
    )


class Handler(BaseHTTPRequestHandler):
    server_of_portal: Server

    def do_PUT(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        kind, _, name = self.path.strip("/").partition("/")
        if kind == "portal":
            Handler.server_of_portal = Server(config=configuration(body))
        else:
            PEOPLE[name] = json.loads(body)
        self.say("")

    def do_GET(self) -> None:
        if self.path == "/metadata":
            return self.say(str(entity_descriptor(configuration())), "application/samlmetadata+xml")
        fields = {name: values[0] for name, values in parse_qs(urlsplit(self.path).query).items()}
        hidden = "".join(f'<input type=hidden name="{k}" value="{html.escape(v)}">' for k, v in fields.items())
        ask = '<label>Name <input name="user"></label><button>Log in</button>'
        return self.say(PAGE.format(f'<form method="post" action="/sso">{hidden}{ask}</form>'))

    def do_POST(self) -> None:
        sent = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode(), keep_blank_values=True)
        asked = self.server_of_portal.parse_authn_request(sent["SAMLRequest"][0], BINDING_HTTP_REDIRECT).message
        text = answer(self.server_of_portal, PEOPLE[sent["user"][0]], asked)
        where = asked.assertion_consumer_service_url
        relay = sent.get("RelayState", [""])[0]
        form = self.server_of_portal.apply_binding(BINDING_HTTP_POST, text, where, relay, response=True)
        self.say(str(form["data"]))

    def say(self, text: str, kind: str = "text/html; charset=utf-8") -> None:
        body = text.encode()
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


if __name__ == "__main__":
    certificate()
    ThreadingHTTPServer(("127.0.0.1", PORT), Handler).serve_forever()
