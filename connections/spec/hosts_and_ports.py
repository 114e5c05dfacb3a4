"""Whether a text can be a host or a port, as rules: shown beside the field while it is typed, and checked by the
server.
"""

import re
from collections.abc import Iterator, Mapping

from connections.spec.rules import Effect, Rule, When
from connections.spec.source_key import FAMILY

_PORT_NAME = re.compile(r"(^|_)port$")
_HOST_NAME = re.compile(r"(^|_)(host|hosts|hostname|host_name)$")
_SERVERS = frozenset({*FAMILY, "sftp", "ftp"})  # what Fivetran reaches by host and port, and never by a URL
# Regular expressions that mean the same to Python and to a browser.
_NO_PORT = r"^(?!(?:[1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5])$)."
_SCHEME = r"(?:^|\n)[ ]*[A-Za-z][A-Za-z0-9+.-]*://"
_MORE = r"[ /@?#]"
_WITH_PORT = r"^[^:]*:[0-9]+$"
PORT = "a port is a number from 1 to 65535"
HOST = "a host is a name such as db.example.com, without https:// before it"
HOST_ONLY = "a host is a name such as db.example.com: Fivetran may refuse a path, a user or a blank in it"
PORT_APART = "the port goes into a setting of its own: Fivetran may refuse it here"


def is_port(path: str) -> bool:
    return bool(_PORT_NAME.search(path.rpartition(".")[2]))


def address_rules(service: str, helps: Mapping[str, str]) -> Iterator[Rule]:
    """`helps`: path (`config.…`) -> Fivetran's description, for every setting of `service`."""
    for path, told in helps.items():
        name = path.rpartition(".")[2]
        if is_port(path):
            yield Rule(path, Effect.REFUSED, (When(path, (), pattern=_NO_PORT),), PORT)
            continue
        # Where Fivetran's own words speak of an address, it may take one: nothing is said.
        if not _HOST_NAME.search(name) or re.search(r"://|\burls?\b", told, re.IGNORECASE):
            continue
        yield Rule(path, Effect.WARNED, (When(path, (), pattern=_MORE),), HOST_ONLY)
        if not path.endswith("hosts"):
            yield Rule(path, Effect.WARNED, (When(path, (), pattern=_WITH_PORT),), PORT_APART)
        if service in _SERVERS or name == "tunnel_host":
            yield Rule(path, Effect.REFUSED, (When(path, (), pattern=_SCHEME),), HOST)
