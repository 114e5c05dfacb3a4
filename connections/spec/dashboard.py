"""The address of a connection in Fivetran's dashboard."""

from urllib.parse import quote, urlsplit

API_HOST, DASHBOARD = "api.fivetran.com", "https://fivetran.com"


def connection_page(api_root: str, connection_id: str) -> str:
    """Source: the address that Fivetran's own Connector SDK prints; another API root than Fivetran's has its own."""
    root = urlsplit(api_root)
    site = DASHBOARD if root.hostname == API_HOST else f"{root.scheme}://{root.netloc}"
    return f"{site}/dashboard/connections/{quote(connection_id, safe='')}/status"
