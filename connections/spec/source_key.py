"""Which source a connection reads, as far as its `config` tells: a host, account, site, sheet, bucket or folder. Names
of services and keys are those of Fivetran's OpenAPI file.
"""

import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

LONGEST = 500  # characters of a value that still identify something

# Fivetran's services for one kind of server, wherever it runs: they share their sources.
_FAMILIES: dict[str, str] = {
    "postgres": "postgres postgres_rds aurora_postgres azure_postgres google_cloud_postgresql heroku_postgres",
    "mysql": "mysql mysql_rds mysql_azure google_cloud_mysql aurora maria maria_rds maria_azure "
    "magento_mysql magento_mysql_rds",
    "sql_server": "sql_server sql_server_rds sql_server_hva sql_server_sap_ecc_hva azure_sql_db azure_sql_managed_db "
    "google_cloud_sqlserver",
    "oracle": "oracle oracle_rds oracle_rac oracle_ebs oracle_hva oracle_sap_hva oracle_sap_hva_netweaver",
    "mongo": "mongo mongo_sharded azure_cosmos_for_mongo",
    "salesforce": "salesforce salesforce_sandbox",
}
# Service -> family: two connections that read one server must get the same key, whichever service they use.
FAMILY: dict[str, str] = {service: family for family, services in _FAMILIES.items() for service in services.split()}


@dataclass(frozen=True)
class Source:
    what: str  # such as "host"
    value: str  # normalized
    key: str  # a hash of both


def host_of(text: str) -> str:
    text = re.sub(r"^[a-z][a-z0-9+.-]*://", "", text.strip().lower())
    text = re.split(r"[/?#]", text, maxsplit=1)[0].rpartition("@")[2]
    return re.sub(r":\d{1,5}$", "", text).rstrip(".")


def site_label(text: str) -> str:
    """`acme` for `https://acme.example.com/`."""
    return host_of(text).partition(".")[0]


def account_of(text: str) -> str:
    """`123-456-7890` is `1234567890`, `act_77` is `77`."""
    return re.sub(r"[\s-]", "", text.lower()).removeprefix("act_")


def document_of(text: str) -> str:
    """The id in the address of a Google document or folder; capitals count."""
    found = re.search(r"/(?:d|folders)/([\w-]+)", text)
    return found[1] if found else text.strip()


def bucket_of(text: str) -> str:
    return re.sub(r"^[a-z0-9]+://", "", text.strip().lower()).split("/")[0]


@dataclass(frozen=True)
class _Clue:
    what: str
    keys: str
    spelling: Callable[[str], str]


# The keys of `config` that tell sources apart, the most telling first; the first one with a value counts.
_CLUES: tuple[_Clue, ...] = (
    _Clue("sheet", "sheet_id", document_of),
    _Clue("bucket", "bucket bucket_name s3bucket gcs_bucket", bucket_of),
    _Clue("storage account", "storage_account_name", bucket_of),
    _Clue("folder", "folder_id", document_of),
    _Clue("host", "host hosts hostname host_name servers server_name sftp_host ftp_host agent_host", host_of),
    _Clue("project", "project_id", account_of),
    _Clue("account", "account_id customer_id accounts account account_name account_sid manager_accounts", account_of),
    _Clue("account", "business_accounts advertisers profiles organization_id organizations organization", account_of),
    _Clue("account", "company_id workspace_id workspace store_hash store_id tenant_name tenant tenant_id", account_of),
    _Clue("site", "sub_domain subdomain shop instance domain_prefix", site_label),
    _Clue("site", "domain domain_name domain_host_name base_domain organization_domain site_urls site_id", host_of),
    _Clue("site", "base_url custom_base_url host_url server_url instance_url custom_url tenant_url api_url", host_of),
)
_HERE = re.compile(r"localhost|127\.[\d.]+|::1|\[::1\]|0\.0\.0\.0")


def family(service: str) -> str:
    return FAMILY.get(service, service)


def source_of(service: str, config: Mapping[str, Any]) -> Source | None:
    """None where `config` does not tell: only OAuth or the Connect Card may know."""
    for clue in _CLUES:
        for key in clue.keys.split():
            value = _value(config.get(key), clue.spelling)
            # Behind an SSH tunnel every source is called localhost: only the tunnel's host tells them apart.
            if clue.what == "host" and _HERE.fullmatch(value):
                tunnel = _value(config.get("tunnel_host"), host_of)
                value = f"{value} behind {tunnel}" if tunnel else ""
            if service and value:
                hashed = hashlib.sha256("\0".join((family(service), clue.what, value)).encode()).hexdigest()
                return Source(clue.what, value, hashed)
    return None


def source_key(service: str, config: Mapping[str, Any]) -> str:
    """64 hexadecimal digits; empty where the source is not known."""
    source = source_of(service, config)
    return source.key if source else ""


def _value(value: object, spelling: Callable[[str], str]) -> str:
    """A text, a number or a sorted list of them as one text; empty for anything else, and for Fivetran's mask."""
    several = value if isinstance(value, list) else [value]
    if not all(isinstance(one, str | int) and not isinstance(one, bool) for one in several):
        return ""
    found = sorted({spelling(text) for one in several if (text := str(one)).strip("* ") and len(text) <= LONGEST})
    return ",".join(one for one in found if one)
