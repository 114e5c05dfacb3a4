"""What the demo's people asked for in the last six weeks, the oldest first."""

from dataclasses import dataclass, field
from typing import Any

WAREHOUSE, FINANCE, LOGISTICS, STAGING = "amber_harbor", "calm_lantern", "gentle_prairie", "brisk_meadow"
_DATABASE = {"config.user": "fivetran", "config.connection_type": "Directly"}


@dataclass(frozen=True)
class Ask:
    """One request; `life` names what became of it (`connections.demo.lives`)."""

    days: int  # working days ago; with 0, `at` are minutes ago
    at: str
    by: str
    life: str
    service: str
    group: str
    name: str  # as Fivetran spells it: schema, prefix, or schema.table
    reason: str
    values: dict[str, Any] = field(default_factory=dict)
    owner: str = ""
    preset: str = ""


ASKS: tuple[Ask, ...] = (
    Ask(30, "09:12", "sofia", "connected", "salesforce", WAREHOUSE, "salesforce",
        "Pipeline and bookings for the weekly sales review."),
    Ask(30, "13:40", "requester2", "connected", "google_analytics_4", WAREHOUSE, "web_analytics",
        "Visits and conversions of the shop, next to what the campaigns cost."),
    Ask(29, "08:55", "requester", "to_be_changed", "stripe", FINANCE, "stripe",
        "Card payments and refunds, for revenue recognition at month end."),
    Ask(29, "15:20", "requester", "expired", "netsuite_suiteanalytics", FINANCE, "netsuite_trial",
        "To see whether NetSuite could replace the export by hand.",
        {"config.host": "123456.connect.api.netsuite.com", "config.account": "123456"}),
    Ask(28, "10:05", "kenji", "connected", "postgres", WAREHOUSE, "shop",
        "Orders and deliveries for the dashboard of the depots.",
        {**_DATABASE, "config.host": "orders-db.example.com", "config.port": 5432, "config.database": "orders",
         "config.update_method": "QUERY_BASED", "sync_frequency": 60}, owner="operator"),
    Ask(27, "11:31", "requester2", "connected", "hubspot", WAREHOUSE, "hubspot",
        "Contacts and campaigns, to tell Sales which leads came from where."),
    Ask(26, "09:47", "operator", "connected", "fivetran_log", WAREHOUSE, "fivetran_log",
        "Fivetran's own log: which syncs fail, and what they cost.", {"config.is_account_level_connector": True}),
    Ask(25, "14:16", "sofia", "connected", "google_sheets", WAREHOUSE, "targets.quarter",
        "The sales targets of each quarter, which live in a sheet.",
        {"config.sheet_id": "1-5GAkIRlq2CmSVLWTVzRAmYIqZbuCCKSeSuHuSCLUPU", "config.named_range": "targets",
         "config.auth_type": "ServiceAccount", "sync_frequency": 1440, "daily_sync_time": "05:00"}),
    Ask(24, "08:20", "kenji", "connected", "sftp", LOGISTICS, "carrier.shipments",
        "Shipment files that the carrier puts on its server each night.",
        {"config.host": "files.carrier.example.com", "config.port": 22, "config.user": "fivetran",
         "config.file_type": "csv", "sync_frequency": 180}, preset="Files from a partner"),
    Ask(23, "16:02", "approver", "connected", "github", WAREHOUSE, "github",
        "How long reviews take, for the engineering report.", {"config.sync_mode": "AllRepositories"}),
    Ask(22, "10:38", "lena", "connected", "xero", FINANCE, "xero",
        "Invoices of the Danish office, for the consolidated accounts."),
    Ask(21, "12:09", "requester2", "withdrawn", "mixpanel", WAREHOUSE, "mixpanel.events",
        "Product events, for the onboarding funnel.", {"config.project_id": "2041177"}),
    Ask(20, "09:26", "requester2", "rescheduled", "google_ads", WAREHOUSE, "marketing_google_ads",
        "What each campaign costs a day, for the budget of the quarter.",
        {"config.sync_mode": "AllAccounts", "config.customer_id": "123-456-7890", "sync_frequency": 360}),
    Ask(19, "11:14", "requester2", "connected", "facebook_ads", WAREHOUSE, "marketing_facebook_ads",
        "Spend and reach on Facebook and Instagram, beside Google Ads.", {"config.sync_mode": "AllAccounts"}),
    Ask(18, "13:52", "sofia", "drifted", "zendesk", WAREHOUSE, "sales_zendesk",
        "Tickets by customer, so that account managers see trouble coming.", {"config.domain": "example"}),
    Ask(17, "09:03", "requester", "connected", "postgres", FINANCE, "finance_postgres_billing",
        "Open invoices from the billing database, for cash forecasts.",
        {**_DATABASE, "config.host": "billing-db.example.com", "config.port": 5432, "config.database": "billing",
         "config.update_method": "QUERY_BASED"}, owner="operator"),
    Ask(16, "10:41", "kenji", "broken", "mysql", LOGISTICS, "logistics_mysql_depot",
        "Stock by depot, to see shortages a day earlier.",
        {**_DATABASE, "config.host": "depot-db.example.com", "config.port": 3306, "config.database": "stock",
         "config.replica_id": 4711}, owner="operator"),
    Ask(15, "14:33", "kenji", "connected", "shopify", WAREHOUSE, "logistics_shopify",
        "Orders of the new shop, until it moves to our own database.", {"config.shop": "example-shop"}),
    Ask(14, "15:48", "sofia", "refused", "intercom", STAGING, "sales_intercom",
        "Conversations with trial customers, for the product research."),
    Ask(13, "09:30", "sofia", "connected", "intercom", WAREHOUSE, "sales_intercom",
        "Conversations with trial customers, for the product research."),
    Ask(12, "11:22", "requester2", "rejected", "mixpanel", WAREHOUSE, "marketing_mixpanel.events",
        "Product events, minute by minute, for a screen in the office.",
        {"config.project_id": "2041177", "sync_frequency": 5}),
    Ask(11, "10:17", "requester", "connected", "google_sheets", WAREHOUSE, "finance_google_sheets.budget",
        "The budget by cost centre, which the controllers keep in a sheet.",
        {"config.sheet_id": "1xQeFb0tUbbWmQ2yVnZl5cJ3rY8hR1aS", "config.named_range": "budget",
         "config.auth_type": "ServiceAccount", "sync_frequency": 1440, "daily_sync_time": "05:00"},
        preset="Google Sheet, every morning"),
    Ask(10, "08:44", "lena", "overdue", "netsuite_suiteanalytics", FINANCE, "finance_netsuite_suiteanalytics",
        "General ledger of the parent company, for the yearly audit.",
        {"config.host": "654321.connect.api.netsuite.com", "config.account": "654321"},
        owner="controller@parent.example.com"),
    Ask(9, "13:05", "kenji", "connected", "s3", LOGISTICS, "logistics_s3.manifests",
        "Manifests of the containers, which the port writes to a bucket.",
        {"config.bucket": "port-manifests", "config.prefix": "daily/", "config.auth_type": "IAM_ROLE",
         "config.file_type": "csv"}),
    Ask(8, "09:58", "requester2", "paused", "marketo", WAREHOUSE, "marketing_marketo",
        "Mails and who opened them, until the move to HubSpot is done."),
    Ask(6, "10:25", "kenji", "certificate", "postgres", LOGISTICS, "cert_training_postgres",
        "Who may drive which truck: certificates from the training database.",
        {**_DATABASE, "config.host": "training-db.example.com", "config.port": 5432, "config.database": "training",
         "config.update_method": "QUERY_BASED"}),
    Ask(4, "11:40", "kenji", "sent_back", "sql_server", WAREHOUSE, "logistics_sql_server",
        "Movements of the warehouse system, for the picking report.",
        {**_DATABASE, "config.host": "wms.example.com", "config.port": 1433, "config.database": "wms",
         "sync_frequency": 15}),
    Ask(3, "09:15", "sofia", "attention", "sql_server", WAREHOUSE, "sales_sql_server_quotes",
        "Quotes from the old configurator, until it is switched off.",
        {**_DATABASE, "config.host": "quotes-db.example.com", "config.port": 1433, "config.database": "quotes"}),
    Ask(2, "15:11", "kenji", "pending", "postgres", WAREHOUSE, "logistics_postgres_orders",
        "Orders once more, with the returns that the depots need.",
        {**_DATABASE, "config.host": "orders-db.example.com", "config.port": 5432, "config.database": "orders",
         "config.update_method": "QUERY_BASED", "trust_certificates": True, "sync_frequency": 15},
        owner="dba@hosting.example.net"),
    Ask(2, "15:50", "requester", "opened", "google_ads", FINANCE, "finance_google_ads",
        "Ad spend by cost centre, for the monthly accruals.",
        {"config.sync_mode": "SpecificAccounts", "config.customer_id": "987-654-3210", "sync_frequency": 1440},
        owner="requester2"),
    Ask(1, "10:52", "sofia", "pending", "notion", WAREHOUSE, "sales_notion",
        "Notes on accounts, so that reports can name the next step."),
    Ask(0, "55", "requester", "draft", "stripe", FINANCE, "finance_stripe_us",
        "Payments of the American subsidiary."),
    Ask(0, "19", "kenji", "approved", "webhooks", WAREHOUSE, "logistics_webhooks.scans",
        "Scans of parcels as they happen.", {"config.auth_method": "NONE"}),
    Ask(0, "13", "sofia", "claimed", "google_sheets", WAREHOUSE, "sales_google_sheets.partners",
        "The list of partners, by region.",
        {"config.sheet_id": "1mTq7o3KfC9bYv2", "config.named_range": "partners", "config.auth_type": "ServiceAccount"}),
    Ask(0, "11", "requester2", "sending", "google_drive", WAREHOUSE, "marketing_google_drive.briefs",
        "Briefs of the agencies, to count how many are late.",
        {"config.folder_id": "https://drive.google.com/drive/folders/1a2b3c"}),
    Ask(0, "9", "requester", "unknown", "gcs", FINANCE, "finance_gcs.statements",
        "Bank statements that arrive in a bucket.",
        {"config.bucket": "bank-statements", "config.auth_type": "FIVETRAN_SERVICE_ACCOUNT"}),
)  # fmt: skip

# One table of four, of which one is created, one rejected, and two wait.
BATCH_BY, BATCH_DAYS, BATCH_AT = "requester2", 1, "13:30"
BATCH: tuple[Ask, ...] = tuple(
    Ask(BATCH_DAYS, BATCH_AT, BATCH_BY, "batch", "google_sheets", WAREHOUSE, f"marketing_google_sheets_{tab}.{tab}",
        f"The {words} that the agencies send as a sheet each month.",
        {"config.sheet_id": f"1b{tab}9QeFb0tUbbWmQ2yVnZl5", "config.named_range": tab,
         "config.auth_type": "ServiceAccount", "sync_frequency": 1440, "daily_sync_time": "05:00"})
    for tab, words in (
        ("print", "costs of print"), ("radio", "costs of radio"),
        ("events", "guests of events"), ("posters", "places of posters"),
    )
)  # fmt: skip

# Made at Fivetran by somebody else: an operator can adopt them.
OUTSIDE: tuple[dict[str, Any], ...] = (
    {"group_id": WAREHOUSE, "service": "zendesk", "schema": "zendesk_2024", "connected_by": "former_consultant"},
    {"group_id": FINANCE, "service": "google_sheets", "schema": "old_budget.plan", "connected_by": "former_consultant"},
)
