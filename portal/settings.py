"""The site's settings. Every variable of the environment is read here, once, with an error that says what to do. The
defaults are those of production; `make run` and the tests set variables, nothing below asks where it runs.
"""

import ssl
from datetime import timedelta
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from bootstrap_wrapper import get_bootstrap_dir
from kombu.entity import Exchange, Queue

from portal import database
from portal import environment as read

BASE_DIR = Path(__file__).resolve().parent.parent

# --- who may talk to us --------------------------------------------------------------------------------------------
DEBUG = read.flag("DEBUG", default=False)
SECRET_KEY = read.required(
    "SECRET_KEY",
    "Set it to a long random text, for instance the output of "
    "`python3 -c 'import secrets; print(secrets.token_urlsafe(50))'`, or set SECRET_KEY_FILE to a file that holds one. "
    "For a trial without any configuration: make run.",
)
# What was signed or encrypted by an earlier key is still read; sessions and second factors survive the change of a key.
SECRET_KEY_FALLBACKS = read.names("SECRET_KEY_FALLBACKS")
PORT = read.whole("PORT", 8000, minimum=1)
PUBLIC_URL = read.public_url("PUBLIC_URL", f"http://127.0.0.1:{PORT}")
_HTTPS = PUBLIC_URL.startswith("https:")
_OWN_HOSTS = (
    ["127.0.0.1", "localhost", "[::1]"] if read.is_loopback(PUBLIC_URL) else [str(urlsplit(PUBLIC_URL).hostname)]
)
# The own ones always: people come by them, and the container's health check asks by PUBLIC_URL's.
ALLOWED_HOSTS = list(dict.fromkeys([*_OWN_HOSTS, *read.allowed_hosts("ALLOWED_HOSTS")]))
# Whose portal it is, for people outside who are asked for credentials; without a value its host is all that is known.
COMPANY_NAME = read.text("COMPANY_NAME", str(urlsplit(PUBLIC_URL).hostname))
CSRF_TRUSTED_ORIGINS = read.origins("CSRF_TRUSTED_ORIGINS", [PUBLIC_URL])
TRUSTED_PROXY_HOPS = read.whole("TRUSTED_PROXY_HOPS", 0)

# --- what the site is made of --------------------------------------------------------------------------------------
INSTALLED_APPS = [
    "portal.apps.PortalConfig",
    "connections",
    *(["connections.demo"] if find_spec("connections.demo") else []),  # the image is without it
    "portal.apps.PortalAdmin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.humanize",
    "portal.apps.TrimmedStaticFiles",
    "allauth.account",
    "allauth.socialaccount",
    "allauth.socialaccount.providers.openid_connect",
    "allauth.socialaccount.providers.saml",
    "allauth.mfa",
    "portal.sign_on",
    "axes",
    "crispy_forms",
    "crispy_bootstrap5",
    "csp",
    "django_htmx",
    "heroicons",
]
MIDDLEWARE = [
    "csp.middleware.CSPMiddleware",  # first, so that redirects and error pages carry the policy too
    "django.middleware.security.SecurityMiddleware",
    "portal.fetch_metadata.OwnPages",  # before the static files, which carry its header, and before any view
    "portal.middleware.body_limit",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    # Pages compress to a fifth. That a compressed length tells nothing of a secret (BREACH): no other site reads a page
    # with a session (OwnPages, SameSite), each answer masks its CSRF token anew, and each length is padded at random.
    "django.middleware.gzip.GZipMiddleware",
    "portal.middleware.no_store",
    "portal.caller.remember_caller",  # before the session, whose end is an event too
    "portal.concurrency.AddressLimits",
    "connections.health.anonymous_probes",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "portal.concurrency.PersonLimit",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "portal.middleware.idle_limit",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "portal.sign_on.session_limit.limit_by_rights",
    "portal.sign_on.second_factor.set_up_first.set_up_first",
    "connections.views.errors.LogInAndReturn",
    "allauth.account.middleware.AccountMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "connections.timezones.reader_zone",
    "connections.views.errors.RefusalsInWords",
    "axes.middleware.AxesMiddleware",
]
ROOT_URLCONF = "portal.urls"
WSGI_APPLICATION = "portal.wsgi.application"
TEMPLATES: list[dict[str, Any]] = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "connections.context_processors.portal",
            ],
        },
    }
]
CRISPY_ALLOWED_TEMPLATE_PACKS = "bootstrap5"
CRISPY_TEMPLATE_PACK = "bootstrap5"
CRISPY_FAIL_SILENTLY = False
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_I18N = False
FORMAT_MODULE_PATH = ["portal.formats"]
TIME_ZONE = "UTC"

# --- database ------------------------------------------------------------------------------------------------------
# How long a transaction waits for another one's to end on SQLite. `portal/wsgi.py` makes it 3 for the web processes,
# where a person and a thread wait; a worker, a scheduler and a command have time, and nobody to tell.
SQLITE_LOCK_TIMEOUT = read.whole("SQLITE_LOCK_TIMEOUT", 20, minimum=1)
# A request that waits longer than this on the database fails instead of holding a thread; 0 (for migrations) never.
STATEMENT_TIMEOUT = read.whole("STATEMENT_TIMEOUT", 5)
LOCK_TIMEOUT = 2  # seconds
DATABASE_LIMITS = database.limits(STATEMENT_TIMEOUT, LOCK_TIMEOUT)
_DATABASE = read.database_url("DATABASE_URL", f"sqlite:///{BASE_DIR / 'db.sqlite3'}", "DATABASE_PASSWORD")
if _DATABASE["ENGINE"].endswith("sqlite3"):
    _DATABASE["OPTIONS"]["timeout"] = SQLITE_LOCK_TIMEOUT
DATABASES = {"default": _DATABASE}

# --- Redis: broker and cache ---------------------------------------------------------------------------------------
REDIS_URL, _BROKER_URL = read.redis_urls("REDIS_URL", "redis://127.0.0.1:6379/0", "REDIS_PASSWORD")
_CACHE: dict[str, Any] = {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}
if read.text("REDIS_URL"):
    _CACHE = {
        "BACKEND": "django.core.cache.backends.redis.RedisCache",
        "LOCATION": REDIS_URL,
        "KEY_PREFIX": "portal",
        "OPTIONS": {"socket_connect_timeout": 0.5, "socket_timeout": 0.5},
    }
CACHES = {"default": _CACHE}

# --- Celery: the message says only where to look, the row is the queue --------------------------------------------
CELERY_BROKER_URL = _BROKER_URL
CELERY_BROKER_USE_SSL = {"ssl_cert_reqs": ssl.CERT_REQUIRED} if _BROKER_URL.startswith("rediss:") else None
CELERY_RESULT_BACKEND = None
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = False  # the default, set on purpose: a late acknowledgement would run a started task again
CELERY_TASK_REJECT_ON_WORKER_LOST = False
CELERY_TASK_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_TASK_PUBLISH_RETRY_POLICY = {"max_retries": 1, "interval_start": 0, "interval_step": 0.1, "interval_max": 0.1}
CELERY_BROKER_TRANSPORT_OPTIONS = {
    "visibility_timeout": 3600,
    "socket_connect_timeout": 2,
    "socket_timeout": 5,  # without it a hung Redis holds the worker for ever
    "socket_keepalive": True,
    "health_check_interval": 25,
}
CELERY_WORKER_CONSUMER = "portal.consumer:Consumer"
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_CONNECTION_MAX_RETRIES = None  # the default gives up after 100 tries
CELERY_BROKER_CHANNEL_ERROR_RETRY = True  # a broker that is full (OOM) or demoted (READONLY) is a lost connection
CELERY_WORKER_CANCEL_LONG_RUNNING_TASKS_ON_CONNECTION_LOSS = False
# Threads: a submission waits for Fivetran for minutes and computes nothing; a process for each costs 80 MB.
CELERY_WORKER_POOL = "threads"
CELERY_WORKER_CONCURRENCY = 16
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_REDIRECT_STDOUTS = False
CELERY_TIMEZONE = TIME_ZONE
# Both lanes are declared, so that a plain `celery -A portal worker` serves both.
CELERY_TASK_QUEUES = [
    Queue(lane, Exchange(lane, type="direct"), routing_key=lane)  # type: ignore[no-untyped-call]
    for lane in ("slow", "control")
]
CELERY_TASK_DEFAULT_QUEUE = "control"
CELERY_TASK_CREATE_MISSING_QUEUES = False

# --- the product: Fivetran and the clocks (seconds) ----------------------------------------------------------------
FIVETRAN_BASE_URL = read.api_root("FIVETRAN_BASE_URL", "https://api.fivetran.com")
FIVETRAN_IS_LOCAL = read.is_loopback(FIVETRAN_BASE_URL)
FIVETRAN_CREDENTIALS = read.fresh_pair("FIVETRAN_API_KEY", "FIVETRAN_API_SECRET")
FIVETRAN_PROXY_URL = read.proxy("FIVETRAN_PROXY_URL")
FIVETRAN_CA_BUNDLE = read.certificates("FIVETRAN_CA_BUNDLE")
FIVETRAN_WEBHOOK_SECRET = read.text("FIVETRAN_WEBHOOK_SECRET")  # empty: no webhook is taken
CONNECT_CARD_REDIRECT_HOSTS = read.hosts("CONNECT_CARD_REDIRECT_HOSTS")
CREATIONS_PER_MINUTE = read.whole("CREATIONS_PER_MINUTE", 40)
OPEN_REQUESTS = read.whole("OPEN_REQUESTS", 20)  # of one person at once; 0 = no limit
SUBMISSIONS_PER_MINUTE = read.whole("SUBMISSIONS_PER_MINUTE", 10)  # of one person; 0 = no limit
EXPIRE_DAYS = read.whole("EXPIRE_DAYS", 30, minimum=1)
HANDOVER_REMIND_DAYS = read.whole("HANDOVER_REMIND_DAYS", 3, minimum=1)
SUBMIT_CONNECT_TIMEOUT = read.seconds("SUBMIT_CONNECT_TIMEOUT", 5)
SUBMIT_READ_TIMEOUT = read.seconds("SUBMIT_READ_TIMEOUT", 900)
SUBMIT_DEADLINE = read.seconds("SUBMIT_DEADLINE", 930)
SETTLE_SECONDS = read.seconds("SETTLE_SECONDS", 900)
SWEEP_INTERVAL = read.seconds("SWEEP_INTERVAL", 30)
CLAIM_LEASE = read.seconds("CLAIM_LEASE", 60)
PROBE_SECONDS = read.seconds("PROBE_SECONDS", 30)
OBSERVE_INTERVAL = read.seconds("OBSERVE_INTERVAL", 300)
SYNC_HISTORY_INTERVAL = read.seconds("SYNC_HISTORY_INTERVAL", 3600)
NOTIFY_INTERVAL = 30
SEAL_INTERVAL = 20
ERASE_INTERVAL = 3600
ENQUEUE_TIMEOUT = 0.5  # for one message; nobody waits longer for a broker that hangs
CATALOG_INTERVAL = 15 * 60
PROBE_INTERVAL = 2.5  # two of them, and what is sent then, pass within the 5 s after which all is to be as before
CELERY_BEAT_SCHEDULER = "celery.beat:Scheduler"  # keeps no file, in which an earlier clock would stand

# --- log-in --------------------------------------------------------------------------------------------------------
AUTHENTICATION_BACKENDS = [
    "axes.backends.AxesStandaloneBackend",
    "portal.sign_on.local_accounts.NamedAlone",
    "django.contrib.auth.backends.ModelBackend",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]
LOCAL_ACCOUNTS = read.flag("LOCAL_ACCOUNTS", default=True)  # passwords here, beside the company's own log-in
LOCAL_ADMINISTRATORS = read.names("LOCAL_ADMINISTRATORS")  # who may use one all the same, while the provider is down
# Groups of the portal whose members with a password here must have a second factor; * for everybody with one.
SECOND_FACTOR_GROUPS = read.names("SECOND_FACTOR_GROUPS")
SIGN_ON_NEW_ACCOUNTS = read.flag("SIGN_ON_NEW_ACCOUNTS", default=True)  # for people of the company who have none
SIGN_ON_PROXY_URL = read.proxy("SIGN_ON_PROXY_URL")  # to the provider of OpenID Connect, and to SAML_METADATA_URL
OIDC_ISSUER = read.issuer("OIDC_ISSUER")  # empty: nobody logs in by a provider
OIDC_NAME = read.text("OIDC_NAME", "your company")
OIDC_GROUPS_CLAIM = read.text("OIDC_GROUPS_CLAIM", "groups")
OIDC_GROUP_ROLES = read.group_roles("OIDC_GROUP_ROLES")
OIDC_EMAIL_VERIFIED_CLAIM = read.text("OIDC_EMAIL_VERIFIED_CLAIM", "email_verified")
OIDC_SCOPES = read.text("OIDC_SCOPES", "openid profile email").split()  # and groups, where the provider has it
OIDC_CA_BUNDLE = read.certificates("OIDC_CA_BUNDLE")
SAML_METADATA_URL = read.document_url("SAML_METADATA_URL")
SAML_METADATA = read.text("SAML_METADATA")  # the document itself, as a rule by SAML_METADATA_FILE
SAML_IS_ON = read.with_packages(
    "SAML_METADATA_URL" if SAML_METADATA_URL else "SAML_METADATA" if SAML_METADATA else "",
    ("onelogin", "xmlsec", "lxml"),
    "requirements-saml.txt",
)
SAML_NAME = read.text("SAML_NAME", "your company")
SAML_ENTITY_ID = read.text("SAML_ENTITY_ID") or f"{PUBLIC_URL}/accounts/saml/metadata/"  # the portal's name there
SAML_CA_BUNDLE = read.certificates("SAML_CA_BUNDLE")
# Who somebody is: an attribute that never changes, or the NameID of this format.
SAML_SUBJECT_ATTRIBUTE = read.text("SAML_SUBJECT_ATTRIBUTE")
SAML_NAME_ID = read.choice("SAML_NAME_ID", "PERSISTENT", ("PERSISTENT", "UNSPECIFIED", "EMAILADDRESS"))
SAML_OWNS_ADDRESSES = read.flag("SAML_OWNS_ADDRESSES", default=False)  # no person there can enter another's address
# Attributes as Entra ID names them, by their OID (Shibboleth), and as people name them by hand; the first one counts.
_CLAIM, _OID = "http://schemas.xmlsoap.org/ws/2005/05/identity/claims", "urn:oid"
SAML_ATTRIBUTES = {
    "email": read.names("SAML_EMAIL_ATTRIBUTE")
    or [f"{_CLAIM}/emailaddress", f"{_OID}:0.9.2342.19200300.100.1.3", "email"],
    "name": read.names("SAML_USERNAME_ATTRIBUTE")
    or [f"{_CLAIM}/name", f"{_OID}:0.9.2342.19200300.100.1.1", "username"],
    "first_name": read.names("SAML_FIRST_NAME_ATTRIBUTE") or [f"{_CLAIM}/givenname", f"{_OID}:2.5.4.42", "firstName"],
    "last_name": read.names("SAML_LAST_NAME_ATTRIBUTE") or [f"{_CLAIM}/surname", f"{_OID}:2.5.4.4", "lastName"],
}
SAML_GROUPS_ATTRIBUTE = read.names("SAML_GROUPS_ATTRIBUTE") or [
    "http://schemas.microsoft.com/ws/2008/06/identity/claims/groups",
    "groups",
]
SAML_GROUP_ROLES = read.group_roles("SAML_GROUP_ROLES")
LDAP_URL = read.directory_url("LDAP_URL")
LDAP_IS_ON = read.with_packages("LDAP_URL" if LDAP_URL else "", ("ldap", "django_auth_ldap"), "requirements-ldap.txt")
LDAP_START_TLS = read.start_tls("LDAP_START_TLS", directory=LDAP_URL)
LDAP_CA_BUNDLE = read.certificates("LDAP_CA_BUNDLE")
LDAP_BIND_DN, LDAP_BIND_PASSWORD = read.reader_of("LDAP_BIND_DN", "LDAP_BIND_PASSWORD", directory=LDAP_URL)
LDAP_USER_SEARCH = read.base_of(
    "LDAP_USER_SEARCH", directory=LDAP_URL
)  # people are below this entry, found by one attribute
LDAP_USER_ATTRIBUTE = read.text("LDAP_USER_ATTRIBUTE", "uid")
LDAP_USER_FILTER = read.directory_filter("LDAP_USER_FILTER", "(objectClass=*)")  # and only those that it lets pass
LDAP_SUBJECT_ATTRIBUTE = read.text("LDAP_SUBJECT_ATTRIBUTE", "entryUUID")  # never changes, as objectGUID
LDAP_GROUP_SEARCH = read.text("LDAP_GROUP_SEARCH")
LDAP_GROUP_FILTER = read.directory_filter("LDAP_GROUP_FILTER", "(member={dn})", ("{dn}", "{name}"))
LDAP_GROUP_ATTRIBUTE = read.text("LDAP_GROUP_ATTRIBUTE", "cn")
LDAP_GROUP_ROLES = read.group_roles("LDAP_GROUP_ROLES")
LDAP_OWNS_ADDRESSES = read.flag("LDAP_OWNS_ADDRESSES", default=False)
if LDAP_IS_ON:  # with LOCAL_ACCOUNTS off whoever is not named is refused before Django's own backend
    _PLACE = len(AUTHENTICATION_BACKENDS) if LOCAL_ACCOUNTS else 1
    AUTHENTICATION_BACKENDS.insert(_PLACE, "portal.sign_on.ldap_accounts.DirectoryAccounts")
_OIDC_SECRETS = read.client_of("OIDC_CLIENT_ID", "OIDC_CLIENT_SECRET", needed=bool(OIDC_ISSUER))
SOCIALACCOUNT_PROVIDERS = {
    "openid_connect": {
        "provider_class": "portal.sign_on.oidc.CompanyProvider",
        "OAUTH_PKCE_ENABLED": True,
        "APPS": [
            {
                "provider_id": "company",
                "name": OIDC_NAME,
                "client_id": _OIDC_SECRETS[0],
                "secret": _OIDC_SECRETS[1],
                "settings": {"server_url": OIDC_ISSUER},
            }
        ]
        if OIDC_ISSUER
        else [],
    },
    "saml": {
        "provider_class": "portal.sign_on.saml.CompanySaml",
        "APPS": [{"provider_id": "saml", "name": SAML_NAME, "client_id": "company", "settings": {}}],
    },
}
SOCIALACCOUNT_ADAPTER = "portal.sign_on.adapters.CompanyAccounts"
SOCIALACCOUNT_LOGIN_ON_GET = True  # a link: a form would need the provider's origin in form-action
SOCIALACCOUNT_EMAIL_VERIFICATION = "none"
ACCOUNT_ADAPTER = "portal.sign_on.adapters.LocalAccounts"
ACCOUNT_EMAIL_VERIFICATION = "none"
ACCOUNT_SESSION_REMEMBER = False
ACCOUNT_LOGIN_TIMEOUT = 5 * 60  # seconds between the password and the code
ACCOUNT_RATE_LIMITS = MFA_RATE_LIMITS = False  # they need a cache; those of portal/throttle.py are in the database
MFA_ADAPTER = "portal.sign_on.second_factor.encryption.Secrets"
MFA_SUPPORTED_TYPES = ["totp", "recovery_codes", "webauthn"]
MFA_TOTP_ISSUER = f"Connection portal ({urlsplit(PUBLIC_URL).hostname})"
MFA_TOTP_TOLERANCE = 1  # steps of 30 seconds
LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "/"
LOGOUT_REDIRECT_URL = "login"
PASSWORD_RESET_TIMEOUT = 3600
AXES_HANDLER = "portal.throttle.LoginThrottle"
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"], "ip_address", "username"]
AXES_FAILURE_LIMIT = 5
LOGIN_FAILURES_PER_ADDRESS = 50
LOGIN_FAILURES_PER_NAME = 100  # from all addresses together; each further hundred makes the pause longer
LOGIN_PAUSE = timedelta(seconds=30)
LOGIN_LONGEST_PAUSE = timedelta(minutes=5)
LOGIN_KNOWN_FOR = timedelta(days=90)  # where somebody logged in within this time, that person need not pause
AXES_COOLOFF_TIME = timedelta(minutes=15)
AXES_RESET_ON_SUCCESS = True
AXES_RESET_COOL_OFF_ON_FAILURE_DURING_LOCKOUT = False
AXES_CLIENT_IP_CALLABLE = "portal.throttle.counted_address"
AXES_USERNAME_CALLABLE = "portal.throttle.counted_name"
AXES_LOCKOUT_CALLABLE = "portal.throttle.refused"
AXES_VERBOSE = False
SESSION_ENGINE = "portal.sessions"
SESSION_IDLE_LIMIT = timedelta(hours=1)
SESSION_ABSOLUTE_LIMIT = timedelta(hours=10)
SESSION_APPROVER_LIMIT = timedelta(minutes=read.whole("APPROVER_SESSION_MINUTES", 60, minimum=5))
SESSION_COOKIE_AGE = int(SESSION_ABSOLUTE_LIMIT.total_seconds())

# --- what a web process takes at once ------------------------------------------------------------------------------
# Pairs: how many run, and how many more wait for their turn. All together are fewer than the threads
# (gunicorn.conf.py), so that some are always free; those that run share the processors with everybody else's pages.
PASSWORDS_AT_ONCE = 1, 2
PASSWORD_HASHERS = ["portal.concurrency.LimitedHasher"]
_COMPANY_DOORS = [door for door, is_on in (("/accounts/oidc/", OIDC_ISSUER), ("/accounts/saml/", SAML_IS_ON)) if is_on]
REQUESTS_AT_ONCE = {  # strangers reach these too
    "/webhooks/": (1, 2),
    "/handover/": (2, 1),
    # Where there are two, each has its own half: a provider that hangs does not close the other one's door. Nobody
    # waits there, for whoever runs has less to wait for than whoever waits.
    **{door: (2, 2) if len(_COMPANY_DOORS) == 1 else (2, 0) for door in _COMPANY_DOORS},
}
PERSON_REQUESTS_AT_ONCE = 2, 4  # a browser opens six connections

# --- what browsers are told ----------------------------------------------------------------------------------------
_SELF, _NOTHING = ["'self'"], ["'none'"]
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": _NOTHING,
        "script-src": _SELF,
        "style-src": _SELF,
        "img-src": ["'self'", "data:"],  # data: for the arrows and ticks inside Bootstrap's style sheet
        "connect-src": _SELF,
        "font-src": _SELF,
        "form-action": _SELF,
        "base-uri": _NOTHING,
        "frame-ancestors": _NOTHING,
    }
}
X_FRAME_OPTIONS = "DENY"
# Not no-referrer: with that Chromium sends `Origin: null` and Django's CSRF check refuses every form.
SECURE_REFERRER_POLICY = "same-origin"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = SECURE_SSL_REDIRECT = _HTTPS
SESSION_COOKIE_NAME = "__Host-sessionid" if _HTTPS else "sessionid"
CSRF_COOKIE_NAME = "__Host-csrftoken" if _HTTPS else "csrftoken"
SECURE_HSTS_SECONDS = int(timedelta(days=365).total_seconds()) if _HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = _HTTPS
SECURE_REDIRECT_EXEMPT = [r"^healthz$", r"^readyz$"]
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if TRUSTED_PROXY_HOPS else None
# W021 asks for the browsers' preload list: that is the decision of whoever owns the whole domain.
SILENCED_SYSTEM_CHECKS = ["security.W021"]
# A table of 512 KiB for several requests at once, with its corrections; a little too much is still answered in words.
DATA_UPLOAD_MAX_MEMORY_SIZE = 1024 * 1024
# A whole request, files included: the web process refuses more before it has read it. It is less than what Django
# takes into memory, so no upload reaches the disk.
REQUEST_BODY_LIMIT = 2 * 1024 * 1024

# --- static files --------------------------------------------------------------------------------------------------
STATIC_URL = "/static/"
STATIC_ROOT = Path(read.text("STATIC_ROOT", str(BASE_DIR / "staticfiles")))
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "portal.storage.HashedOnceCollected"},
}
# Where nobody ran `collectstatic`, the files are served as they lie in the packages: slower, but no page fails.
WHITENOISE_USE_FINDERS = not (STATIC_ROOT / "staticfiles.json").is_file()
STATICFILES_DIRS = [("bootstrap", Path(get_bootstrap_dir()))]

# --- mail ----------------------------------------------------------------------------------------------------------
_MAIL = read.mail("EMAIL_URL", "consolemail://")
EMAIL_BACKEND = _MAIL["EMAIL_BACKEND"]
EMAIL_HOST = _MAIL["EMAIL_HOST"] or "localhost"
EMAIL_PORT = _MAIL["EMAIL_PORT"] or 25
EMAIL_HOST_USER = _MAIL["EMAIL_HOST_USER"] or ""
EMAIL_HOST_PASSWORD = _MAIL["EMAIL_HOST_PASSWORD"] or ""
EMAIL_USE_TLS = _MAIL.get("EMAIL_USE_TLS", False)
EMAIL_USE_SSL = _MAIL.get("EMAIL_USE_SSL", False)
EMAIL_FILE_PATH = _MAIL["EMAIL_FILE_PATH"] or None
EMAIL_TIMEOUT = 10
DEFAULT_FROM_EMAIL = SERVER_EMAIL = read.sender("DEFAULT_FROM_EMAIL", f"portal@{urlsplit(PUBLIC_URL).hostname}")

# --- logs: one line a record, on standard error --------------------------------------------------------------------
LOG_LEVEL = read.choice("LOG_LEVEL", "INFO", ("CRITICAL", "ERROR", "WARNING", "INFO", "DEBUG"))
DEFAULT_EXCEPTION_REPORTER = "portal.reports.Reporter"
DEFAULT_EXCEPTION_REPORTER_FILTER = "portal.reports.NamesOnly"
LOGGING: dict[str, Any] = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "line": {"()": "portal.logs.OneLine", "format": "{asctime} {levelname} {name}: {message}", "style": "{"},
    },
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["stderr"], "level": LOG_LEVEL},
    "loggers": {
        "django": {"handlers": [], "level": LOG_LEVEL, "propagate": True},
        "axes": {"level": "WARNING"},
        # Celery names each start and end of a task at INFO; the request's own timeline says it better.
        "celery.worker.strategy": {"level": "WARNING"},
        "celery.app.trace": {"level": "WARNING"},
        "celery.beat": {"level": "WARNING"},
    },
}
