"""
Whether the campaign can go live: what must be right before mail leaves this machine, and what shows that it runs.

Each check looks at one thing and says in one sentence how it stands and, unless all is well, what to do. A blocking
one of BEFORE_SENDING keeps a live instance from sending; those of RUNNING cannot, since a worker that has just
started has no history. What cannot be found out is a warning, never blocking: a silent DNS server stops no letter.
"""

import os
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

from django.conf import settings
from django.db import connection
from django.db.models import TextChoices
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from outbox import pacing
from outbox.dkim_signing import KeyUnusable, Signer, is_open_to_others, signers
from outbox.models import Heartbeat, queues
from outbox.resolving import Names, Silent
from outbox.smtp import Unavailable, on_this_machine
from outbox.time_server import seconds_ahead
from privacy import purging
from privacy.keys import CONTAINER_SECRETS, why_guessable


class Level(TextChoices):
    OK = "ok", gettext_lazy("ok")
    WARNING = "warning", gettext_lazy("warning")
    BLOCKING = "blocking", gettext_lazy("blocking")


@dataclass(frozen=True)
class Finding:
    """How something stands: one sentence, and what to do about it."""

    level: Level
    says: str
    to_do: str = ""


@dataclass(frozen=True)
class Check:
    name: str | Promise
    look: Callable[[Names], Finding]


@dataclass(frozen=True)
class Result:
    name: str
    finding: Finding


def ok(says: str) -> Finding:
    return Finding(Level.OK, says)


def warning(says: str, to_do: str) -> Finding:
    return Finding(Level.WARNING, says, to_do)


def blocking(says: str, to_do: str) -> Finding:
    return Finding(Level.BLOCKING, says, to_do)


def run(checks: "Iterable[Check]") -> list[Result]:
    """Look at each; those that need DNS say so where it does not answer."""
    names = Names()
    return [Result(str(check.name), _look(check, names)) for check in checks]


def _look(check: Check, names: Names) -> Finding:
    try:
        return check.look(names)
    except Silent:
        return warning(
            _("No DNS server answered, so this could not be looked up."),
            _("Ask again later, and from a process that may reach the world (in containers: the worker)."),
        )


def blocked(results: Iterable[Result]) -> list[Result]:
    return [result for result in results if result.finding.level == Level.BLOCKING]


# --- What is set -------------------------------------------------------------------------------------------------

EXAMPLES = ("example", "example.org", "example.com", "example.net", "test", "invalid", "localhost", "local")


def sender_domain() -> str:
    return str(settings.MAIL_FROM.rpartition("@")[2])


def sender(names: Names) -> Finding:
    """The sender's address is one of the campaign's own (RFC 2606 keeps some domains for examples)."""
    domain = sender_domain().casefold()
    if any(domain == example or domain.endswith(f".{example}") for example in EXAMPLES):
        return blocking(
            _("Mail would come from %(address)s, which is an example and nobody's.") % {"address": settings.MAIL_FROM},
            _("Set MAIL_FROM to an address under a domain of your own, which somebody reads."),
        )
    return ok(_("Mail comes from %(address)s.") % {"address": settings.MAIL_FROM})


def base_url(names: Names) -> Finding:
    address = urlsplit(settings.BASE_URL)
    if address.scheme != "https" or address.hostname in {"localhost", "127.0.0.1", "::1"}:
        return blocking(
            _("Mailed links would lead to %(url)s.") % {"url": settings.BASE_URL},
            _("Set BASE_URL to the public address, which begins with https://."),
        )
    return ok(_("Mailed links lead to %(url)s.") % {"url": settings.BASE_URL})


def proxies(names: Names) -> Finding:
    """The program speaks no TLS of its own: where the public address is https, a proxy stands before it."""
    if settings.BASE_URL.startswith("https://") and not settings.TRUSTED_PROXIES:
        return warning(
            _("All visitors count as one network: no proxy is trusted to say where they come from."),
            _("Set TRUSTED_PROXIES to the number of proxies of yours that stand before the program, mostly 1."),
        )
    return ok(_("Number of proxies that are trusted: %(count)d.") % {"count": settings.TRUSTED_PROXIES})


def debugging(names: Names) -> Finding:
    if settings.DEBUG or settings.DEVELOPMENT:
        return blocking(
            _("The program runs for development: with DEBUG or DEVELOPMENT on it shows strangers its insides."),
            _("Set DEBUG=0 and DEVELOPMENT=0, and give the secrets that it then asks for."),
        )
    return ok(_("DEBUG and DEVELOPMENT are off."))


# As long as what `deploy/make-secrets` makes, nearly.
SHORTEST_SECRET = 32


def secrets(names: Names) -> Finding:
    """The secrets look random: long, of many characters, and without the words of examples."""
    named = [("SECRET_KEY", settings.SECRET_KEY), ("PRIVACY_TAG_KEY", settings.PRIVACY_TAG_KEY)]
    named.append(("LETTER_LOG_KEY", settings.LETTER_LOG_KEY))
    named += [("PRIVACY_KEYS", key) for key in settings.PRIVACY_KEYS]
    if settings.METRICS_TOKEN:
        named.append(("METRICS_TOKEN", settings.METRICS_TOKEN))
    weak = {name for name, secret in named if len(secret) < SHORTEST_SECRET or why_guessable(secret)}
    if weak:
        return blocking(
            _("These secrets can be guessed: %(names)s.") % {"names": ", ".join(sorted(weak))},
            _("Make new ones, at random; docs/operators.md says how, and which one cannot be changed later."),
        )
    return ok(_("No secret is short, or an example."))


SECRETS_IN_FILES = (
    *("SECRET_KEY", "SECRET_KEY_FALLBACKS", "PRIVACY_KEYS", "PRIVACY_TAG_KEY", "LETTER_LOG_KEY", "METRICS_TOKEN"),
    *("DATABASE_URL", "EMAIL_URL"),
    "CELERY_BROKER_URL",
)


def key_files(names: Names) -> Finding:
    """No file that holds a secret is open to others on this machine. What a container mounts is not looked at."""
    files = [Path(path) for _selector, path in settings.DKIM_KEYS]
    files += (Path(settings.VAR_DIR) / "secrets").glob("[!.]*")
    files += [Path(os.environ[f"{name}_FILE"]) for name in SECRETS_IN_FILES if f"{name}_FILE" in os.environ]
    there = [file for file in files if file.is_file() and not str(file).startswith(CONTAINER_SECRETS)]
    open_to_others = [str(file) for file in there if is_open_to_others(file)]
    if open_to_others:
        return blocking(
            _("Every user of this machine can open %(files)s.") % {"files": ", ".join(open_to_others)},
            "chmod 600 " + " ".join(open_to_others),
        )
    return ok(
        ngettext(
            "%(count)d file with keys is closed to other users.",
            "%(count)d files with keys are closed to other users.",
            len(there),
        )
        % {"count": len(there)}
    )


def rotation(names: Names) -> Finding:
    """An old key goes once nothing uses it: while it stays, whoever finds it reads what it has encrypted."""
    count = len(settings.PRIVACY_KEYS)
    if count == 1:
        return ok(_("What is encrypted is under one key."))
    return warning(
        _("PRIVACY_KEYS holds %(count)d keys.") % {"count": count},
        _("Run `manage.py rotate_keys`: it brings everything under the newest one, and says when the others can go."),
    )


# --- What is published -------------------------------------------------------------------------------------------


def spf(names: Names) -> Finding:
    """RFC 7208. Whether the record names the relay is not worked out: only the mail that arrives shows it."""
    domain = sender_domain()
    found = [text for text in names.texts(domain) if text.casefold().split(" ")[0] == "v=spf1"]
    to_do = _('Publish one TXT record for %(domain)s: "v=spf1 … -all", with what your relay\'s operator names.') % {
        "domain": domain
    }
    if not found:
        return blocking(_("%(domain)s publishes no SPF record.") % {"domain": domain}, to_do)
    if len(found) > 1:
        return blocking(
            _("%(domain)s publishes %(count)d SPF records, and servers then heed none.")
            % {"domain": domain, "count": len(found)},
            to_do,
        )
    terms = found[0].casefold().split()[1:]
    if terms in (["-all"], ["~all"]):
        return blocking(
            _("The SPF record of %(domain)s says that no server sends its mail.") % {"domain": domain}, to_do
        )
    if "all" in terms or "+all" in terms:
        return warning(_("The SPF record of %(domain)s lets everybody send in its name.") % {"domain": domain}, to_do)
    return ok(
        _("%(domain)s publishes SPF. Whether it names your relay, a trial letter's headers show.") % {"domain": domain}
    )


def dkim(names: Names) -> Finding:
    """RFC 6376: each key's record is published and holds that key, under a domain aligned with the sender's."""
    try:
        keys = signers()
    except KeyUnusable as error:
        return blocking(str(error), _("`manage.py make_dkim_key SELECTOR` makes a key; DKIM_KEY_FILE names it."))
    if not keys:
        return warning(
            _("The program signs nothing: no DKIM key is set."),
            _("Let the relay sign for your domain, or make a key: `manage.py make_dkim_key SELECTOR --rsa`."),
        )
    sending, signing = sender_domain().casefold(), settings.DKIM_DOMAIN.casefold()
    if sending != signing and not sending.endswith(f".{signing}"):
        return blocking(
            _("Signatures name %(signing)s, but mail comes from %(sending)s: DMARC does not count them.")
            % {"signing": signing, "sending": sending},
            _("Leave DKIM_DOMAIN out, or set it to the sender's domain."),
        )
    for key in keys:
        if wrong := _wrong_with_record(key, names):
            to_do = _("Publish this TXT record at %(name)s: %(record)s") % {
                "name": key.record_name,
                "record": key.record,
            }
            return blocking(wrong, to_do)
    if all(key.kind != "rsa" for key in keys):
        return warning(
            _("The key is published, but not every receiver can check ed25519."),
            _("Sign with a second key too: `manage.py make_dkim_key SELECTOR --rsa`."),
        )
    published = ", ".join(key.record_name for key in keys)
    return ok(_("The published keys match ours: %(names)s.") % {"names": published})


def _wrong_with_record(key: Signer, names: Names) -> str:
    found = [_tags(text) for text in names.texts(key.record_name)]
    values = {"name": key.record_name}
    if not found:
        return _("The key's record is not published at %(name)s.") % values
    if len(found) > 1:
        return _("Several records are published at %(name)s, and only one may be.") % values
    tags = found[0]
    if not tags.get("p"):
        return _("The record at %(name)s revokes the key.") % values
    if tags["p"] != key.public_key or tags.get("k", "rsa") != key.kind:
        return _("The record at %(name)s holds another key than ours.") % values
    return ""


def _tags(record: str) -> dict[str, str]:
    """Return the tags of a record (RFC 6376, 3.2), their values without blanks."""
    pairs = (part.partition("=") for part in record.split(";"))
    return {name.strip(): "".join(value.split()) for name, equals, value in pairs if equals}


POLICIES = {"none", "quarantine", "reject"}


def dmarc(names: Names) -> Finding:
    """The domain's own record or that of a domain above it; up to the last but one, since public suffixes have none."""
    labels = sender_domain().split(".")
    to_do = _('Publish a TXT record at _dmarc.%(domain)s, to begin with: "v=DMARC1; p=none".') % {
        "domain": sender_domain()
    }
    for at in range(max(1, len(labels) - 1)):
        domain = ".".join(labels[at:])
        found = [text for text in names.texts(f"_dmarc.{domain}") if _tags(text).get("v") == "DMARC1"]
        if len(found) > 1:
            return blocking(
                _("%(domain)s publishes several DMARC records, and only one may be.") % {"domain": domain}, to_do
            )
        if found:
            policy = _tags(found[0]).get("p", "").casefold()
            if policy not in POLICIES:
                return blocking(_("The DMARC record of %(domain)s has no policy.") % {"domain": domain}, to_do)
            return ok(
                _("%(domain)s publishes DMARC with the policy %(policy)s.") % {"domain": domain, "policy": policy}
            )
    return warning(
        _("%(domain)s publishes no DMARC record, and large providers ask for one.") % {"domain": sender_domain()}, to_do
    )


def mail_servers(names: Names) -> Finding:
    """Answers and bounces can come back: MX, or an address in its stead (RFC 5321, 5.1)."""
    domain = sender_domain()
    found = names.mail_servers(domain)
    to_do = _("Publish an MX record for %(domain)s that leads to a mailbox which somebody reads.") % {"domain": domain}
    if found == [""]:
        return blocking(_("%(domain)s says that it takes no mail at all.") % {"domain": domain}, to_do)
    if found:
        return ok(
            _("Answers to %(domain)s go to %(servers)s.") % {"domain": domain, "servers": ", ".join(sorted(found))}
        )
    if names.addresses(domain):
        return warning(
            _("%(domain)s has no MX record; answers would be tried at its web address.") % {"domain": domain}, to_do
        )
    return blocking(_("No server takes answers or bounces for %(domain)s.") % {"domain": domain}, to_do)


def reverse_name(names: Names) -> Finding:
    """Where this machine itself sends to the world, its address leads to a name, and that name back to it."""
    try:
        local = on_this_machine(settings.EMAIL_HOST, settings.EMAIL_PORT)
    except (OSError, UnicodeError):  # UnicodeError: the name has an empty or too long part
        return warning(
            _("The relay %(host)s could not be found.") % {"host": settings.EMAIL_HOST},
            _("Check EMAIL_URL, and whether this machine can look names up."),
        )
    if not local:
        return ok(_("The relay is another machine; the name of its address is its operator's to keep."))
    if not settings.SENDING_ADDRESS:
        return warning(
            _("The relay is on this machine, and the program cannot know its public address."),
            _("Set SENDING_ADDRESS to it, or EMAIL_URL to a relay elsewhere."),
        )
    try:
        return _leads_back(settings.SENDING_ADDRESS, names)
    except ValueError:
        return blocking(
            _("%(address)s is not an IP address.") % {"address": settings.SENDING_ADDRESS},
            _("Set SENDING_ADDRESS to one."),
        )


def _leads_back(address: str, names: Names) -> Finding:
    found = names.names_of(address)
    to_do = _("Ask whoever rents you the server to set the reverse name of %(address)s to its host name.") % {
        "address": address
    }
    if not found:
        return blocking(_("The address %(address)s leads to no name.") % {"address": address}, to_do)
    for name in found:
        if address in names.addresses(name):
            return ok(_("%(address)s leads to %(name)s and back.") % {"address": address, "name": name})
    return blocking(
        _("%(address)s leads to %(name)s, but that name does not lead back.")
        % {"address": address, "name": ", ".join(found)},
        to_do,
    )


WRONG_CLOCK, INACCURATE_CLOCK = 300.0, 10.0  # seconds


def clock(names: Names) -> Finding:
    """
    The clock, against TIME_SERVER; without one, against the database's.

    A database on the same machine shares its clock, so only a time server can show that both are wrong.
    """
    to_do = _("Let the machine set its clock by itself (timedatectl set-ntp true).")
    if settings.TIME_SERVER:
        witness = settings.TIME_SERVER
        try:
            ahead = seconds_ahead(witness)
        except OSError:
            return warning(
                _("The time server %(server)s did not answer.") % {"server": witness},
                _("Ask again later, or set TIME_SERVER to another."),
            )
    elif connection.vendor == "postgresql":
        witness = _("the database")
        with connection.cursor() as cursor:
            cursor.execute("SELECT clock_timestamp()")
            ahead = (timezone.now() - cursor.fetchone()[0]).total_seconds()
    else:
        return warning(
            _("There is nothing to compare the clock with."),
            _("Set TIME_SERVER to a time server that you trust, such as your provider's."),
        )
    values = {"seconds": f"{abs(ahead):.0f}", "server": witness}
    if abs(ahead) >= WRONG_CLOCK:
        return blocking(
            _("The clock differs by %(seconds)s s from %(server)s: such dates look forged.") % values, to_do
        )
    if abs(ahead) >= INACCURATE_CLOCK:
        return warning(_("The clock differs by %(seconds)s s from %(server)s.") % values, to_do)
    if settings.TIME_SERVER:
        return ok(_("The clock agrees with %(server)s.") % values)
    return ok(_("The clock agrees with %(server)s; whether both are right, only TIME_SERVER could tell.") % values)


# --- What runs ---------------------------------------------------------------------------------------------------

SILENT_FOR = timedelta(minutes=5)
LATE, TOO_LATE = timedelta(minutes=10), timedelta(hours=1)


def beat(names: Names) -> Finding:
    if _lives(Heartbeat.BEAT):
        return ok(_("Beat rings."))
    return blocking(
        _("Beat has not rung for more than five minutes."), _("Start it again; without it nothing is tried twice.")
    )


def worker(names: Names) -> Finding:
    if _lives(Heartbeat.WORKER):
        return ok(_("A worker hears beat's bell."))
    return blocking(
        _("No worker has heard beat's bell for more than five minutes."),
        _("Start worker, beat and broker; if beat and broker run, the worker hangs or is very busy."),
    )


def _lives(name: str) -> bool:
    # A stamp of the future is one from before the clock was set back.
    now = timezone.now()
    return Heartbeat.objects.filter(name=name, seen_at__range=(now - SILENT_FOR, now + SILENT_FOR)).exists()


def deleting(names: Names) -> Finding:
    """What is past its date has been deleted within the last day."""
    if wrong := purging.alarm():
        return blocking(*wrong)
    if finished := purging.finished_at():
        when = date_format(timezone.localtime(finished), "DATETIME_FORMAT")
        return ok(_("What is past its date was deleted on %(when)s.") % {"when": when})
    return ok(_("Nothing was to be deleted yet."))


def oldest_due(names: Names) -> Finding:
    """The age of the oldest mail whose turn has come."""
    oldest = [pacing.oldest_due(queue) for queue in queues()]
    age = max((timezone.now() - at for at in oldest if at), default=timedelta(0))
    if age < LATE:
        return ok(_("No mail has waited longer than ten minutes for its turn."))
    minutes = int(age.total_seconds() // 60)
    says = ngettext(
        "The oldest mail whose turn has come has waited %(minutes)d minute.",
        "The oldest mail whose turn has come has waited %(minutes)d minutes.",
        minutes,
    ) % {"minutes": minutes}
    to_do = _("See whether the worker runs and whether the relay answers; the worker's log says why it sends nothing.")
    return blocking(says, to_do) if age >= TOO_LATE else warning(says, to_do)


def in_doubt(names: Names) -> Finding:
    count = sum(queue._default_manager.in_doubt().count() for queue in queues())
    if not count:
        return ok(_("No mail is in doubt."))
    return warning(
        ngettext("%(count)d mail is in doubt.", "%(count)d mails are in doubt.", count) % {"count": count},
        _("Look for their Message-ID in the relay's log, and settle them in the admin."),
    )


def restored(names: Names) -> Finding:
    if since := Heartbeat.paused_since():
        return blocking(
            _("All mail is paused since a backup was restored on %(date)s.") % {"date": since.date().isoformat()},
            _("Settle what is in doubt, then run `manage.py resume_mail`: docs/operators.md, “Backups”."),
        )
    return ok(_("Mail is not paused by a restore."))


BEFORE_SENDING = (
    Check(gettext_lazy("Sender"), sender),
    Check("SPF", spf),
    Check("DKIM", dkim),
    Check("DMARC", dmarc),
    Check("MX", mail_servers),
    Check(gettext_lazy("Reverse name"), reverse_name),
    Check(gettext_lazy("Clock"), clock),
    Check(gettext_lazy("Key files"), key_files),
    Check(gettext_lazy("Secrets"), secrets),
    Check(gettext_lazy("Debugging"), debugging),
    Check(gettext_lazy("Public address"), base_url),
    Check(gettext_lazy("Proxies"), proxies),
)
# The apps above add theirs, in a module `readiness`.
RUNNING = [
    Check(gettext_lazy("Rotation of keys"), rotation),
    Check(gettext_lazy("Restored"), restored),
    Check(gettext_lazy("Beat"), beat),
    Check(gettext_lazy("Worker"), worker),
    Check(gettext_lazy("Deleting"), deleting),
    Check(gettext_lazy("Oldest due mail"), oldest_due),
    Check(gettext_lazy("Mails in doubt"), in_doubt),
]


class Gate:
    """What a live instance passes before it sends. It is asked anew every few minutes; the sandbox always passes."""

    GOOD_FOR, BAD_FOR = 300.0, 60.0  # seconds for which the answer is kept

    def __init__(self) -> None:
        self._reason = ""
        self._until = 0.0

    def pass_or_raise(self) -> None:
        """Raise Unavailable with a plain reason while a check that must be right before sending is blocking."""
        if not settings.MAIL_LIVE:
            return
        if time.monotonic() >= self._until:
            self._reason = " ".join(f"{result.name}: {result.finding.says}" for result in blocked(run(BEFORE_SENDING)))
            self._until = time.monotonic() + (self.BAD_FOR if self._reason else self.GOOD_FOR)
        if self._reason:
            raise Unavailable(f"The campaign is not ready to go live. {self._reason}")

    def forget(self) -> None:
        """Ask anew next time."""
        self._until = 0.0


gate = Gate()
