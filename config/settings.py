"""
Settings, read from the environment.

Production is the default: without DEVELOPMENT=1 the program refuses to start until every secret and the public
address are given. `make run` and the tests set DEVELOPMENT=1, which keeps generated secrets in VAR_DIR/secrets/.
docs/operators.md lists every variable.
"""

import re
import sys
from base64 import urlsafe_b64decode
from pathlib import Path
from urllib.parse import urlsplit

import environ
from cryptography.fernet import Fernet, MultiFernet
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from csp.constants import NONE, SELF
from django.core.exceptions import ImproperlyConfigured
from django.utils.translation import gettext_lazy as _

from privacy.keys import read_or_make, why_guessable, why_open
from privacy.sealing import why_no_public_key
from tools import verify_mirror

BASE_DIR = Path(__file__).resolve().parent.parent
env = environ.FileAwareEnv()  # NAME_FILE names a file that holds the value of NAME

DEVELOPMENT = env.bool("DEVELOPMENT", default=False)
DEBUG = env.bool("DEBUG", default=False)
PORT = env.int("PORT", default=8000)
VAR_DIR = Path(env.str("VAR_DIR", default=str(BASE_DIR / "var"))).resolve()
MAIL_LIVE = env.bool("MAIL_LIVE", default=False)

_needed = [] if DEVELOPMENT else ["BASE_URL", "SECRET_KEY", "PRIVACY_KEYS", "PRIVACY_TAG_KEY", "LETTER_LOG_KEY"]
_needed += ["EMAIL_URL", "MAIL_FROM"] if MAIL_LIVE else []
if _missing := [name for name in _needed if name not in env.ENVIRON]:
    raise ImproperlyConfigured(f"missing are {', '.join(_missing)}. See docs/operators.md.")

BASE_URL = env.str("BASE_URL", default=f"http://127.0.0.1:{PORT}").rstrip("/")

# --- Secrets -----------------------------------------------------------------------------------------------------
# In development they are made once and kept beside the database's folder, never in the database.
# What may come from a file that nobody else may read.
SECRETS = ["SECRET_KEY", "SECRET_KEY_FALLBACKS", "PRIVACY_KEYS", "PRIVACY_TAG_KEY", "LETTER_LOG_KEY"]
SECRETS += ["METRICS_TOKEN", "DATABASE_URL", "EMAIL_URL"]


def secret(name: str) -> str:
    """Return the secret in the variable `name`; in development, one made on the first start."""
    if DEVELOPMENT and name not in env.ENVIRON:
        return read_or_make(VAR_DIR / "secrets" / name.lower())
    return env.str(name).strip()


SECRET_KEY = secret("SECRET_KEY")
# Former ones, comma-separated: what they have signed stays valid while they stand here.
SECRET_KEY_FALLBACKS = [key.strip() for key in env.str("SECRET_KEY_FALLBACKS", default="").split(",") if key.strip()]
# Fernet keys, comma-separated, newest first: the first one encrypts, each one decrypts.
PRIVACY_KEYS = [key.strip() for key in secret("PRIVACY_KEYS").split(",")]
# The key of the keyed tags (HMAC-SHA-256). It is not rotated: a tag made under another key would not match.
PRIVACY_TAG_KEY = secret("PRIVACY_TAG_KEY")
# The Ed25519 key that signs the heads of the log of accepted letters (protests.proving).
LETTER_LOG_KEY = secret("LETTER_LOG_KEY")
for _name, _key in (("SECRET_KEY", SECRET_KEY), ("PRIVACY_TAG_KEY", PRIVACY_TAG_KEY)):
    if len(_key) < 32:
        raise ImproperlyConfigured(f"{_name} is shorter than 32 characters, and could be guessed.")
try:
    MultiFernet([Fernet(_key) for _key in PRIVACY_KEYS])
except ValueError as _error:
    raise ImproperlyConfigured("PRIVACY_KEYS must be Fernet keys: 32 bytes each, in base64.") from _error
try:
    Ed25519PrivateKey.from_private_bytes(urlsafe_b64decode(LETTER_LOG_KEY))
except ValueError as _error:
    raise ImproperlyConfigured("LETTER_LOG_KEY must be 32 random bytes, in base64.") from _error
# Public keys: those of the organisers, to whom lists of people are sealed, and of the operator, to whom backups are.
SEALED_EXPORT_KEY = env.str("SEALED_EXPORT_KEY", default="").strip()
BACKUP_KEY = env.str("BACKUP_KEY", default="").strip()
for _name, _key in (("SEALED_EXPORT_KEY", SEALED_EXPORT_KEY), ("BACKUP_KEY", BACKUP_KEY)):
    if _key and (_wrong := why_no_public_key(_key)):
        raise ImproperlyConfigured(f"{_name} {_wrong}.")
if not DEVELOPMENT:
    _keys = [("SECRET_KEY", SECRET_KEY), ("PRIVACY_TAG_KEY", PRIVACY_TAG_KEY), ("LETTER_LOG_KEY", LETTER_LOG_KEY)]
    _keys += [("PRIVACY_KEYS", key) for key in PRIVACY_KEYS]
    _keys += [("SECRET_KEY_FALLBACKS", key) for key in SECRET_KEY_FALLBACKS]
    _weak = [f"{name} {why}." for name, key in _keys if (why := why_guessable(key))]
    if len({key for _name, key in _keys}) < len(_keys):
        _weak.append("Two secrets are the same: each must be a key of its own.")
    _files = [name for name in env.ENVIRON if name.endswith("_FILE") and name.removesuffix("_FILE") in SECRETS]
    _weak += [why for name in sorted(_files) if (why := why_open(Path(env.ENVIRON[name])))]
    if _weak:
        raise ImproperlyConfigured(f"{' '.join(_weak)} See “Keys” in docs/operators.md.")

# --- Web ---------------------------------------------------------------------------------------------------------
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=[urlsplit(BASE_URL).hostname])
if DEVELOPMENT:
    ALLOWED_HOSTS += ["127.0.0.1", "localhost", "[::1]"]
if (_host := urlsplit(BASE_URL).hostname) not in ALLOWED_HOSTS:
    ALLOWED_HOSTS.append(_host)  # public pages are made for it
CSRF_TRUSTED_ORIGINS = [BASE_URL]
# The same site as an onion service.
ONION_URL = env.str("ONION_URL", default="").strip().rstrip("/")
if ONION_URL:
    if not re.fullmatch(r"http://[a-z2-7]{56}\.onion", ONION_URL):
        raise ImproperlyConfigured("ONION_URL must be http:// and an address of 56 letters and digits before .onion.")
    ALLOWED_HOSTS.append(urlsplit(ONION_URL).hostname)
    CSRF_TRUSTED_ORIGINS.append(ONION_URL)
# The key with which copies of the site are signed, as minisign writes public keys, and where such copies are.
MIRROR_PUBLIC_KEY = env.str("MIRROR_PUBLIC_KEY", default="").strip()
try:
    MIRROR_KEY = verify_mirror.read_key(MIRROR_PUBLIC_KEY) if MIRROR_PUBLIC_KEY else None
except verify_mirror.Refused as _error:
    raise ImproperlyConfigured(f"MIRROR_PUBLIC_KEY: {_error}") from _error
MIRRORS = [url.strip() for url in env.list("MIRRORS", default=[]) if url.strip()]
if _no_addresses := [url for url in MIRRORS if not re.fullmatch(r"https?://[^\s/]+(/\S*)?", url)]:
    raise ImproperlyConfigured(f"MIRRORS must be addresses with https:// or http://, and {_no_addresses[0]!r} is none.")
ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

INSTALLED_APPS = [
    "config",
    "config.apps.OrganisersAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "crispy_forms",
    "crispy_bootstrap5",
    "csp",
    "parler",
    "django_otp",
    "django_otp.plugins.otp_static",
    "django_otp_webauthn",
    "privacy",
    "outbox",
    "limits",
    "organisers",
    "campaign",
    "protests",
    "donations",
]

MIDDLEWARE = [
    "config.middleware.HeadersMiddleware",
    "config.middleware.PolicyMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "config.middleware.LanguageMiddleware",
    "django.middleware.common.CommonMiddleware",
    "config.middleware.MethodMiddleware",  # before CommonMiddleware says how long the answer is
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django_otp.middleware.OTPMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.template.context_processors.i18n",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "campaign.context_processors.campaign",
            ],
        },
    },
]
CRISPY_ALLOWED_TEMPLATE_PACKS = "bootstrap5"
CRISPY_TEMPLATE_PACK = "bootstrap5"

STATIC_URL = "/static/"
STATIC_ROOT = Path(env.str("STATIC_ROOT", default=str(VAR_DIR / "static")))
STATICFILES_DIRS = [BASE_DIR / "static"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "config.stylesheets.StaticFiles"},
}
MEDIA_ROOT = VAR_DIR / "media"
# Who was erased, as keyed tags: outside the database, so that a restored backup brings nobody back.
ERASURES = VAR_DIR / "erasures"
MEDIA_URL = "/media/"

# --- Security ----------------------------------------------------------------------------------------------------
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF],
        "font-src": [SELF],
        "connect-src": [SELF],
        "form-action": [SELF],
        "base-uri": [NONE],
        "frame-ancestors": [NONE],
        # No script of ours writes HTML as text; static/js/prove.js names its worker, and nothing else.
        "require-trusted-types-for": ["'script'"],
        "trusted-types": ["worker"],
    },
}
# By feature, who may use it. Only those that browsers know: they warn of others. by-hand.js copies a text.
PERMISSIONS_POLICY = dict.fromkeys(
    (
        *("accelerometer", "autoplay", "browsing-topics", "camera", "display-capture", "encrypted-media", "fullscreen"),
        *("geolocation", "gyroscope", "hid", "idle-detection", "local-fonts", "magnetometer", "microphone", "midi"),
        *("payment", "picture-in-picture", "publickey-credentials-create", "publickey-credentials-get"),
        *("screen-wake-lock", "serial", "storage-access", "usb", "window-management", "xr-spatial-tracking"),
    ),
    "",
) | {"clipboard-write": "self"}
# Organisers log in with passkeys.
PERMISSIONS_POLICY_ADMIN = {"publickey-credentials-create": "self", "publickey-credentials-get": "self"}
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "no-referrer"  # in the admin "same-origin"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
# Sessions of organisers, the only ones there are: how old one may become, and how long it may lie idle.
SESSION_HOURS = env.int("SESSION_HOURS", default=12)
SESSION_IDLE_MINUTES = env.int("SESSION_IDLE_MINUTES", default=120)
# For how long after a factor was given what is grave asks for none (config.acts, organisers.reauthenticating).
REAUTHENTICATION_MINUTES = env.int("REAUTHENTICATION_MINUTES", default=15)
SESSION_ENGINE = "organisers.sessions"
SESSION_COOKIE_AGE = SESSION_HOURS * 3600
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
SESSION_EXPIRE_AT_BROWSER_CLOSE = True
CSRF_COOKIE_HTTPONLY = True
if not DEVELOPMENT:
    SECURE_SSL_REDIRECT = True
    SECURE_REDIRECT_EXEMPT = [r"^healthz$", r"^readyz$", r"^metrics$"]
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    SECURE_HSTS_SECONDS = 365 * 24 * 3600
    SECURE_HSTS_INCLUDE_SUBDOMAINS = True
    SECURE_HSTS_PRELOAD = True
    SESSION_COOKIE_SECURE = True
    CSRF_COOKIE_SECURE = True
DATA_UPLOAD_MAX_MEMORY_SIZE = 1024 * 1024
# Where files are uploaded, and how much with what the form adds (MAXIMUM_BYTES in campaign.picturing and
# donations.uploading).
UPLOAD_MAX_SIZES = {
    r"/pickets/[-\w]+/pictures/[^/]+/\Z": 8 * 1024 * 1024 + 64 * 1024,
    r"/admin/campaign/picture/add/\Z": 8 * 1024 * 1024 + 64 * 1024,
    r"/admin/donations/(collectionsheet/\d+/scan|disbursement/\d+/evidence)/\Z": 8 * 1024 * 1024 + 64 * 1024,
    r"/admin/donations/bankstatement/import/\Z": 10 * 1024 * 1024 + 64 * 1024,
}
# None of them is ever written to disk as it is.
FILE_UPLOAD_MAX_MEMORY_SIZE = 16 * 1024 * 1024
PASSWORD_HASHERS = ["django.contrib.auth.hashers.Argon2PasswordHasher"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {
        "NAME": "django.contrib.auth.password_validation.MinimumLengthValidator",
        "OPTIONS": {"min_length": 12},
    },
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
# The second factor. organisers.lockout counts what fails, so that nobody who guesses locks an organiser out for ever.
OTP_STATIC_THROTTLE_FACTOR = 0
# What an app for codes shows beside the name.
OTP_ISSUER = f"Solidarity {urlsplit(BASE_URL).hostname}"
OTP_WEBAUTHN_RP_NAME = "Solidarity"
OTP_WEBAUTHN_RP_ID_CALLABLE = "organisers.passkeys.rp_id"
OTP_WEBAUTHN_HELPER_CLASS = "organisers.passkeys.Helper"
OTP_WEBAUTHN_ALLOW_PASSWORDLESS_LOGIN = False
SILENCED_SYSTEM_CHECKS = ["otp_webauthn.E030"]  # the helper knows the origin: see organisers.passkeys
# How many proxies of ours stand before the program: so many addresses of X-Forwarded-For, from the right, are theirs.
TRUSTED_PROXIES = env.int("TRUSTED_PROXIES", default=0)
# From how many posts within ten minutes on proof of work is asked, and from how many within an hour they are held.
LIMIT_NETWORK_NEAR = env.int("LIMIT_NETWORK_NEAR", default=30)
LIMIT_NETWORK_OVER = env.int("LIMIT_NETWORK_OVER", default=200)
LIMIT_DOMAIN_NEAR = env.int("LIMIT_DOMAIN_NEAR", default=60)
LIMIT_DOMAIN_OVER = env.int("LIMIT_DOMAIN_OVER", default=300)
# Nobody reads a form and fills it in in less, not even with the browser's help. What comes sooner is held.
FORM_SECONDS = env.int("FORM_SECONDS", default=2)
# For so long each web process goes by the blocks that it has read.
BLOCKS_SECONDS = 2
METRICS_TOKEN = env.str("METRICS_TOKEN", default="").strip()

# --- Database and cache ------------------------------------------------------------------------------------------
DATABASES = {"default": env.db_url("DATABASE_URL", default=f"sqlite:///{VAR_DIR / 'solidarity.sqlite3'}")}
if DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":
    DATABASES["default"]["OPTIONS"] = {
        # IMMEDIATE: a transaction that will write waits for its turn at the start instead of failing at the end.
        "transaction_mode": "IMMEDIATE",
        "timeout": 20,
        # FULL: a mail's mark "being handed over" must survive a power cut, else the mail could leave twice.
        # secure_delete: what is deleted is overwritten, not only forgotten.
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA secure_delete=ON;",
    }
else:
    DATABASES["default"]["CONN_MAX_AGE"] = env.int("CONN_MAX_AGE", default=60)
    DATABASES["default"]["CONN_HEALTH_CHECKS"] = True
# In each web process: a reader then needs neither network nor database (config.page_cache), and nothing of a page lies
# where another program could change it or is missed when it is away.
CACHES = {
    "default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache", "LOCATION": "default"},
    "pages": {
        "BACKEND": "django.core.cache.backends.locmem.LocMemCache",
        "LOCATION": "pages",
        "TIMEOUT": 600,
        "OPTIONS": {"MAX_ENTRIES": 1200},
    },
}
# For how many seconds a public page is shown as it was made, and what browsers and proxies are told.
PAGE_SECONDS = env.int("PAGE_SECONDS", default=10)
PAGE_MAX_AGE = 5
PAGE_STALE_WHILE_REVALIDATE = 10

# --- Celery ------------------------------------------------------------------------------------------------------
CELERY_BROKER_URL = env.str("CELERY_BROKER_URL", default="filesystem://localhost")
if CELERY_BROKER_URL.startswith("filesystem://"):
    CELERY_BROKER_TRANSPORT_OPTIONS = {
        "data_folder_in": str(VAR_DIR / "broker" / "queue"),
        "data_folder_out": str(VAR_DIR / "broker" / "queue"),
        "control_folder": str(VAR_DIR / "broker" / "control"),
        "polling_interval": 0.5,
    }
else:
    # Tried once: else each visitor who rings waits for six seconds while the broker is away.
    CELERY_BROKER_TRANSPORT_OPTIONS = {"socket_connect_timeout": 2, "socket_timeout": 30, "max_retries": 0}
# The worker's timer is precise on Redis only; elsewhere it would run a task beside another one.
BELL_SECONDS = 2 if CELERY_BROKER_URL.startswith(("redis://", "rediss://", "redis+socket://")) else 0
OUTBOX_SWEEP_SECONDS = env.int("OUTBOX_SWEEP_SECONDS", default=15)
TALLY_SECONDS = env.int("TALLY_SECONDS", default=5)
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_PUBLISH_RETRY = False  # the sweep rings again: a visitor never waits for the broker
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BEAT_SCHEDULE_FILENAME = str(VAR_DIR / "beat")
CELERY_BEAT_SCHEDULE = {
    "sweep-outbox": {
        "task": "outbox.tasks.sweep",
        "schedule": OUTBOX_SWEEP_SECONDS,
        "options": {"expires": OUTBOX_SWEEP_SECONDS},  # while no worker runs, bells do not pile up
    },
    # Both look at rows: what fell out is made up for. The hour of the first one is DIGEST_HOUR.
    "write-digest": {"task": "protests.tasks.write_digest", "schedule": 600, "options": {"expires": 600}},
    "tell-signers": {"task": "protests.tasks.tell_signers", "schedule": 300, "options": {"expires": 300}},
    # Longer than brokers and busy workers take to hear it: else one after the other could expire unheard.
    "tally": {"task": "protests.tasks.tally", "schedule": TALLY_SECONDS, "options": {"expires": TALLY_SECONDS + 10}},
    "log-letters": {"task": "protests.tasks.log_letters", "schedule": 60, "options": {"expires": 60}},
    "remind-donors": {"task": "donations.tasks.remind", "schedule": 3600, "options": {"expires": 3600}},
    "import-statements": {"task": "donations.tasks.import_statements", "schedule": 60, "options": {"expires": 60}},
    "enqueue-mailings": {
        "task": "campaign.tasks.enqueue_mailings",
        "schedule": OUTBOX_SWEEP_SECONDS,
        "options": {"expires": OUTBOX_SWEEP_SECONDS},
    },
    "heartbeat": {"task": "outbox.tasks.heartbeat", "schedule": 30, "options": {"expires": 120}},
    # All once a day, by the rows; what is kept for a day at most, each hour.
    "purge": {"task": "privacy.tasks.purge", "schedule": 3600, "options": {"expires": 3600}},
    "sweep": {"task": "campaign.tasks.sweep_pictures", "schedule": 24 * 3600},
}

# --- Mail --------------------------------------------------------------------------------------------------------


def in_ascii(name: str) -> str:
    """Return an address or a domain with its domain in ASCII, as it stands in envelopes, Message-IDs and signatures."""
    local_part, at, domain = name.strip().rpartition("@")
    return f"{local_part}{at}{domain.encode('idna').decode()}"


# In the sandbox, which is the default, outbox.smtp refuses every server that is not on this machine.
SINK_PORT = env.int("SINK_PORT", default=PORT + 1000)
_relay = env.email_url("EMAIL_URL", default=f"smtp://127.0.0.1:{SINK_PORT}")
EMAIL_HOST = _relay["EMAIL_HOST"]
EMAIL_PORT = _relay["EMAIL_PORT"]
EMAIL_HOST_USER = _relay["EMAIL_HOST_USER"] or ""
EMAIL_HOST_PASSWORD = _relay["EMAIL_HOST_PASSWORD"] or ""
EMAIL_USE_TLS = _relay.get("EMAIL_USE_TLS", False)  # smtp+tls:// is STARTTLS
EMAIL_USE_SSL = _relay.get("EMAIL_USE_SSL", False)  # smtp+ssl:// is TLS from the first byte
EMAIL_BACKEND = "django.core.mail.backends.dummy.EmailBackend"  # all mail goes through outbox/
# The campaign's own domain is in the addresses that letters and mails are sent from.
MAIL_FROM = in_ascii(env.str("MAIL_FROM", default="letters@solidarity.example.org"))
MAIL_REPLY_TO = env.str("MAIL_REPLY_TO", default=MAIL_FROM)
# PEM files of private keys, comma-separated: each as `selector:path`, or as a path alone, which DKIM_SELECTOR names.
DKIM_SELECTOR = env.str("DKIM_SELECTOR", default="solidarity")
DKIM_KEYS = [
    (selector or DKIM_SELECTOR, path)
    for selector, _colon, path in (
        entry.strip().rpartition(":") for entry in env.str("DKIM_KEY_FILE", default="").split(",") if entry.strip()
    )
]
DKIM_DOMAIN = in_ascii(env.str("DKIM_DOMAIN", default="") or MAIL_FROM.rpartition("@")[2])
# Each mail's bounces come back to an address of its own below this domain; empty: to MAIL_FROM, and nobody takes them.
BOUNCE_DOMAIN = in_ascii(env.str("BOUNCE_DOMAIN", default=MAIL_FROM.rpartition("@")[2]))
BOUNCE_PORT = env.int("BOUNCE_PORT", default=PORT + 2000)
OUTBOX_LEASE_SECONDS = env.int("OUTBOX_LEASE_SECONDS", default=300)
OUTBOX_SMTP_TIMEOUT_SECONDS = env.int("OUTBOX_SMTP_TIMEOUT_SECONDS", default=60)
OUTBOX_BACKOFF_SECONDS = env.int("OUTBOX_BACKOFF_SECONDS", default=60)
OUTBOX_GIVE_UP_DAYS = env.int("OUTBOX_GIVE_UP_DAYS", default=5)
# From which hour on, in TIME_ZONE, the organisers get their mail of the day; empty: they get none.
_digest_hour = env.str("DIGEST_HOUR", default="7").strip()
if _digest_hour and _digest_hour not in map(str, range(24)):
    raise ImproperlyConfigured("DIGEST_HOUR must be an hour from 0 to 23, or empty.")
DIGEST_HOUR = int(_digest_hour) if _digest_hour else None

# --- Being ready to go live: whom outbox.readiness asks ------------------------------------------------------------
# As `address` or `address:port`, comma-separated; none: those of the machine.
DNS_RESOLVERS = env.list("DNS_RESOLVERS", default=[])
DNS_TIMEOUT_SECONDS = env.float("DNS_TIMEOUT_SECONDS", default=3)
TIME_SERVER = env.str("TIME_SERVER", default="")
# Where the relay is on this machine: the public address from which it sends.
SENDING_ADDRESS = env.str("SENDING_ADDRESS", default="").strip()

# --- Languages ---------------------------------------------------------------------------------------------------
LANGUAGE_CODE = "en"
LANGUAGES = [("en", _("English")), ("de", _("German")), ("ru", _("Russian"))]
PARLER_DEFAULT_LANGUAGE_CODE = "en"
PARLER_LANGUAGES = {
    None: tuple({"code": code} for code, _name in LANGUAGES),
    # Whatever language a text was written in, readers of another one see that rather than nothing.
    "default": {"fallbacks": [code for code, _name in LANGUAGES], "hide_untranslated": False},
}
# Pages prefetch translations; a cache in each process would go on showing the text before a correction.
PARLER_ENABLE_CACHING = False
LOCALE_PATHS = [BASE_DIR / "locale"]
# How English writes dates; the other languages keep Django's ways.
FORMAT_MODULE_PATH = ["config.formats"]
USE_I18N = True
USE_TZ = True
TIME_ZONE = env.str("TIME_ZONE", default="UTC")

# --- Logging: to standard error, without addresses or names of people ---------------------------------------------
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "plain": {"class": "privacy.logs.Plain", "format": "{asctime} {levelname} {name}: {message}", "style": "{"}
    },
    "handlers": {"stderr": {"class": "logging.StreamHandler", "stream": sys.stderr, "formatter": "plain"}},
    "root": {"handlers": ["stderr"], "level": env.str("LOG_LEVEL", default="INFO")},
    "loggers": {
        "mail": {"level": "WARNING"},  # aiosmtpd would log every command, with addresses
        "flufl.bounce": {"level": "CRITICAL"},  # what it cannot read; outbox.bounces says so in one line
        "django.request": {"level": "ERROR"},  # each 404 and refused form, with the secret in its path
    },
}
