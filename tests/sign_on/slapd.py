"""Debian's slapd as a process, and its administrator."""

import contextlib
import shutil
import tempfile
from collections.abc import Iterator
from datetime import datetime
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import trustme

from tests import processes

SUFFIX = "dc=example,dc=com"
PEOPLE, GROUPS = f"ou=people,{SUFFIX}", f"ou=groups,{SUFFIX}"
RIGHT = "right-password"  # of everybody in it, unless said otherwise
ADMIN, PASSWORD = f"cn=admin,{SUFFIX}", "directory-password"
_CONFIGURATION = """
include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/inetorgperson.schema
modulepath /usr/lib/ldap
moduleload back_mdb
pidfile {folder}/pid
TLSCertificateFile {folder}/cert.pem
TLSCertificateKeyFile {folder}/key.pem
database mdb
maxsize 16777216
suffix {suffix}
rootdn {admin}
rootpw {password}
directory {folder}/data
"""


class Directory:
    """The directory's side: who is in it, and in which groups."""

    def __init__(self, port: int, tls_port: int, folder: Path) -> None:
        self.url, self.tls_url = f"ldap://127.0.0.1:{port}", f"ldaps://127.0.0.1:{tls_port}"
        self.certificates = str(folder / "ca.pem")
        self.process: processes.Process | None = None

    @contextlib.contextmanager
    def _link(self) -> Iterator[Any]:
        import ldap

        link = ldap.initialize(self.url)
        link.simple_bind_s(ADMIN, PASSWORD)
        yield link
        link.unbind_s()

    def empty(self) -> None:
        """As it was at first: two branches, and the portal's own account."""
        import ldap

        with self._link() as link:
            with contextlib.suppress(ldap.NO_SUCH_OBJECT):
                found = link.search_s(SUFFIX, ldap.SCOPE_SUBTREE, attrlist=["1.1"])
                for dn, _attributes in sorted(found, key=lambda entry: -len(entry[0])):
                    link.delete_s(dn)
            link.add_s(SUFFIX, _values(objectClass=["dcObject", "organization"], dc="example", o="Example"))
            for branch in (PEOPLE, GROUPS):
                link.add_s(branch, _values(objectClass="organizationalUnit", ou=branch[3:].partition(",")[0]))
            portal = _values(
                objectClass=["simpleSecurityObject", "applicationProcess"], cn="portal", userPassword="reads"
            )
            link.add_s(f"cn=portal,{SUFFIX}", portal)

    def has(self, uid: str, password: str = RIGHT, **attributes: Any) -> str:
        """Add a person; returns the DN."""
        dn = f"uid={uid},{PEOPLE}"
        values = {"objectClass": "inetOrgPerson", "uid": uid, "cn": uid, "sn": uid.title(), "userPassword": password}
        with self._link() as link:
            link.add_s(dn, _values(**{**values, **attributes}))
        return dn

    def has_group(self, name: str, *members: str) -> None:
        with self._link() as link:
            link.add_s(f"cn={name},{GROUPS}", _values(objectClass="groupOfNames", cn=name, member=[ADMIN, *members]))

    def without_groups(self, dn: str) -> None:
        import ldap

        with self._link() as link:
            for group, _attributes in link.search_s(GROUPS, ldap.SCOPE_ONELEVEL, f"(member={dn})", ["cn"]):
                link.modify_s(group, [(ldap.MOD_DELETE, "member", dn.encode())])

    def change(self, dn: str, **attributes: str) -> None:
        import ldap

        with self._link() as link:
            link.modify_s(dn, [(ldap.MOD_REPLACE, name, value.encode()) for name, value in attributes.items()])

    def rename(self, dn: str, uid: str) -> None:
        with self._link() as link:
            link.rename_s(dn, f"uid={uid}")

    def delete(self, dn: str) -> None:
        with self._link() as link:
            link.delete_s(dn)


def _values(**attributes: Any) -> list[tuple[str, list[bytes]]]:
    return [
        (name, [one.encode() for one in ([value] if isinstance(value, str) else value)])
        for name, value in attributes.items()
        if value
    ]


@contextlib.contextmanager
def running(ends: datetime | None = None) -> Iterator[Directory]:
    """The directory; its certificate ends at `ends`. Raises Missing."""
    program = shutil.which("slapd") or shutil.which("slapd", path="/usr/sbin")
    if not program:
        raise processes.Missing("There is no LDAP directory on this machine (Debian: apt-get install slapd).")
    if not find_spec("ldap") or not find_spec("django_auth_ldap"):
        raise processes.Missing("The packages of LDAP are not installed (requirements-ldap.txt).")
    port, tls_port = processes.free_port(), processes.free_port()
    with tempfile.TemporaryDirectory(prefix="portal-test-") as name:
        folder = Path(name)
        (folder / "data").mkdir()
        authority = trustme.CA()
        certificate = authority.issue_cert("127.0.0.1", not_after=ends)
        authority.cert_pem.write_to_path(folder / "ca.pem")
        certificate.private_key_pem.write_to_path(folder / "key.pem")
        for part in certificate.cert_chain_pems:
            part.write_to_path(folder / "cert.pem", append=True)
        text = _CONFIGURATION.format(folder=folder, suffix=SUFFIX, admin=ADMIN, password=PASSWORD)
        (folder / "slapd.conf").write_text(text)
        directory = Directory(port, tls_port, folder)
        command = [program, "-f", str(folder / "slapd.conf"), "-h", f"{directory.url} {directory.tls_url}", "-d", "0"]
        with processes.running("slapd", command) as process:
            process.wait_until(lambda: processes.listens(tls_port))
            directory.process = process
            yield directory
