"""What Fivetran offers, cached in the database: the last good copy serves, and says how old it is."""

from connections.catalog.offers import (
    Freshness,
    Option,
    destinations,
    freshness,
    hybrid_agents,
    naming_keys,
    private_links,
    proxy_agents,
    services,
)
from connections.catalog.refresh import refresh_all, refresh_service

__all__ = [
    "Freshness",
    "Option",
    "destinations",
    "freshness",
    "hybrid_agents",
    "naming_keys",
    "private_links",
    "proxy_agents",
    "refresh_all",
    "refresh_service",
    "services",
]
