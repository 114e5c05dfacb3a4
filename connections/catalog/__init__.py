"""What Fivetran offers, cached in the database: the last good copy serves, and says how old it is."""

from connections.catalog import existing_connections
from connections.catalog.credentials import Credentials, credentials_of, needs_authorisation, without_secrets
from connections.catalog.destination_fit import fitting_rules
from connections.catalog.existing_connections import LiveConnection
from connections.catalog.learning import Group, group_of, learn_group, learn_sources
from connections.catalog.offers import (
    OFFLINE,
    Freshness,
    Listed,
    Option,
    Service,
    destinations,
    every_service,
    freshness,
    freshness_of,
    freshness_of_all,
    group_names,
    guide_at,
    hybrid_agents,
    known_metadata_of,
    metadata_of,
    naming_keys,
    naming_keys_of,
    private_links,
    proxy_agents,
    service_config_of,
    services,
)
from connections.catalog.policy import refusal
from connections.catalog.refresh import is_metadata, keep_metadata, refresh_all
