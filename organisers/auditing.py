"""
The record of who did what to what at the desk, before and after: only ever added to, and hash-chained.

Every page of the desk passes through config.admin, which lets each post to it run as a `recording`: one transaction,
in which every row that is added, changed or deleted is noted, by whatever code. Updates and deletions are read off
the statements themselves, so that those of whole querysets are seen too. The notes are written last, in the same
transaction: they stand and fall with what they tell of.

No supporter's data is in it: a value stands here only if the registry says that its column is not personal; of all
others, that it changed. Nothing is recorded outside a recording, so visitors and tasks leave no entry.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import cache, partial
from hashlib import sha256
from typing import Any

from django.apps import apps
from django.contrib.admin.models import LogEntry
from django.db import connection, models, transaction
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext as _

from organisers.models import AuditEntry
from organisers.triggers import AUDIT
from privacy.chaining import BEGINNING, canonical, digest_of_text, moment
from privacy.fields import EncryptedTextField, TagField
from privacy.registry import ALL, OURS

ADDED, CHANGED, DELETED = "added", "changed", "deleted"
# Of more rows that one statement touches, only how many is noted; of fewer than so many, what each is called.
MOST_ROWS, MOST_NAMED = 200, 20
# What a page or the door keeps for itself, and what tells of this record.
_NOT_RECORDED = {"organisers.session", "organisers.attempt", "organisers.auditentry"}
_APPS_RECORDED = {*OURS, "auth", "otp_static", "otp_webauthn"} - {"privacy"}
# Of models that are not ours, the columns whose values may stand here. No name, address, hash or secret.
_PUBLIC_ELSEWHERE = {"auth.user": {"is_active", "is_staff", "is_superuser"}, "auth.group": {"name"}}
_LONGEST = 500
# Any number, as long as nobody else locks by it.
_TURN = 0xA0D17

_WRITES = re.compile(r'\s*(INSERT INTO|UPDATE|DELETE FROM) "(\w+)"')
_SAVEPOINT = re.compile(r'\s*(SAVEPOINT|ROLLBACK TO SAVEPOINT) "(\w+)"')
_TOKENS = re.compile(r"""'[^']*'|"[^"]*"|%%|%s|[()]|\bWHERE\b""")
_SET = re.compile(r'"(\w+)" = ')

Changes = dict[str, Any]


@dataclass
class Note:
    """What happened to one row; of several rows that were written at once, `object_id` is empty."""

    act: str
    model: str = ""
    object_id: str = ""
    name: str = ""
    changes: Changes = field(default_factory=dict)


# --- What may stand in the record --------------------------------------------------------------------------------


def _master(model: Any) -> Any:
    """Return the model that a row is about: of a translation's table, the one that it translates."""
    return model.master.field.related_model if hasattr(model, "master") else model


def is_public(model: Any) -> bool:
    """Whether the model is about no private person, so that its rows may be called by their names."""
    model = _master(model)
    if model._meta.app_label not in OURS:
        return model._meta.label_lower == "auth.group"
    if getattr(model, "not_personal", None) == ALL:
        return True
    return hasattr(model, "not_personal") and not getattr(model, "personal", None) and not _has_secrets(model)


def _has_secrets(model: Any) -> bool:
    return any(isinstance(column, EncryptedTextField | TagField) for column in model._meta.concrete_fields)


@cache
def public_columns(model: Any) -> frozenset[str]:
    """Return the columns, by their names as attributes, whose values may stand here."""
    if model._meta.app_label not in OURS:
        return frozenset(_PUBLIC_ELSEWHERE.get(model._meta.label_lower, ()))
    declared = ALL if hasattr(model, "master") and is_public(model) else getattr(model, "not_personal", ())
    return frozenset(
        column.attname
        for column in model._meta.concrete_fields
        if (declared == ALL or column.name in declared) and not isinstance(column, EncryptedTextField | TagField)
    )


@cache
def _recorded() -> dict[str, Any]:
    """Return the models whose rows are noted, by their tables; many-to-many tables are noted with their owners."""
    return {
        model._meta.db_table: model
        for model in apps.get_models()
        if model._meta.app_label in _APPS_RECORDED and model._meta.label_lower not in _NOT_RECORDED
    }


def _shown(value: Any) -> str | None:
    """Return a value as text; of a long one the beginning, its length and its hash."""
    if value is None:
        return None
    text = str(value)
    if len(text) <= _LONGEST:
        return text
    return f"{text[:200]}… ({len(text)}, SHA-256 {sha256(text.encode()).hexdigest()})"


def _difference(model: Any, before: dict[str, Any], after: dict[str, Any]) -> Changes:
    language = before.get("language_code") or after.get("language_code") if hasattr(model, "master") else None
    changes: Changes = {}
    for column in {**before, **after}:
        was, is_now = before.get(column), after.get(column)
        if column != model._meta.pk.attname and was != is_now:
            told = [_shown(was), _shown(is_now)] if column in public_columns(model) else CHANGED
            changes[f"{language}.{column}" if language else column] = told
    return changes


def _about(model: Any, row: dict[str, Any]) -> tuple[str, str]:
    """Return the label and the key of what a row is about."""
    key = row["master_id"] if hasattr(model, "master") else row[model._meta.pk.attname]
    return _master(model)._meta.label_lower, str(key)


# --- Noting what is written --------------------------------------------------------------------------------------


class Recording:
    """What one organiser does by one post: called for each statement that goes to the database."""

    def __init__(self, actor: int | None, page: str) -> None:
        self.actor, self.page = actor, page
        self.notes: list[Note] = []
        self._saved: dict[str, int] = {}
        self._is_looking = False

    def __call__(self, execute: Callable[..., Any], sql: str, params: Any, many: Any, context: Any) -> Any:
        if self._is_looking:
            return execute(sql, params, many, context)
        if saved := _SAVEPOINT.match(sql):
            # What is rolled back did not happen.
            if saved[1] == "SAVEPOINT":
                self._saved[saved[2]] = len(self.notes)
            else:
                del self.notes[self._saved.get(saved[2], 0) :]
        written = _WRITES.match(sql)
        model = _recorded().get(written[2]) if written else None
        if written is None or model is None:
            return execute(sql, params, many, context)
        if written[1] == "INSERT INTO":
            result = execute(sql, params, many, context)
            # Until `added` names it: of rows that were inserted many at once, Django names none.
            self.notes.append(Note(ADDED, _master(model)._meta.label_lower))
            return result
        return self._watch(partial(execute, sql, params, many, context), sql, params, context["cursor"], model)

    def _watch(self, run: Callable[[], Any], sql: str, params: Any, cursor: Any, model: Any) -> Any:
        """Run an update or a deletion, and note what it does to each row."""
        is_update = sql.lstrip().startswith("UPDATE")
        act = CHANGED if is_update else DELETED
        pks, columns = self._rows(sql, params, model)
        if len(pks) > MOST_ROWS:
            result = run()
            if cursor.rowcount:
                told: Changes = {"rows": str(cursor.rowcount)} | dict.fromkeys(columns if is_update else [], CHANGED)
                self.notes.append(Note(act, _master(model)._meta.label_lower, changes=told))
            return result
        with self._looking():
            before = self._read(model, pks, columns if is_update else sorted(public_columns(model)))
            names = self._names(model, before)
        result = run()
        with self._looking():
            after = self._read(model, pks, columns) if is_update else {}
        for pk, row in before.items():
            label, key = _about(model, row)
            changes = _difference(model, row, after.get(pk, {}))
            if changes or not is_update:
                # A text that is deleted in one language is a change of what it was about.
                self.notes.append(
                    Note(CHANGED if hasattr(model, "master") else act, label, key, names.get(key, ""), changes)
                )
        return result

    @contextmanager
    def _looking(self) -> Iterator[None]:
        self._is_looking = True
        try:
            yield
        finally:
            self._is_looking = False

    def _rows(self, sql: str, params: Any, model: Any) -> tuple[list[Any], list[str]]:
        """Return the keys of the rows that a statement will touch, but not many more than are told, and its columns."""
        start, before = _where(sql)
        quoted = {f.column: f.attname for f in model._meta.concrete_fields}
        columns = [quoted[name] for name in _SET.findall(sql[:start]) if name in quoted]
        quote = connection.ops.quote_name
        key, table = quote(model._meta.pk.column), quote(model._meta.db_table)
        # What stands in a row when it is looked at, stands in it until it is written.
        lock = " FOR UPDATE" if connection.features.has_select_for_update else ""
        ask = f"SELECT {table}.{key} FROM {table} {sql[start:]} LIMIT {MOST_ROWS + 1}{lock}"  # noqa: S608 - Django's SQL
        with self._looking(), connection.cursor() as cursor:
            cursor.execute(ask, tuple(params or ())[before:])
            return [model._meta.pk.to_python(row[0]) for row in cursor.fetchall()], list(dict.fromkeys(columns))

    def _read(self, model: Any, pks: list[Any], columns: Iterable[str]) -> dict[Any, dict[str, Any]]:
        key = model._meta.pk.attname
        also = ("master_id", "language_code") if hasattr(model, "master") else ()
        found: Any = models.QuerySet(model).filter(pk__in=pks)
        rows = found.order_by("pk").values(*dict.fromkeys((key, *also, *columns)))
        return {row[key]: row for row in rows}

    def _names(self, model: Any, rows: dict[Any, dict[str, Any]]) -> dict[str, str]:
        """Return what the rows are called, by key, if they are few and about no private person."""
        if not is_public(model) or len(rows) > MOST_NAMED:
            return {}
        keys = {_about(model, row)[1] for row in rows.values()}
        found: Any = models.QuerySet(_master(model)).filter(pk__in=keys)
        return {str(one.pk): str(one)[:200] for one in found}

    def added(self, row: models.Model) -> None:
        """Name the row that was inserted last."""
        model = type(row)
        values = {column.attname: getattr(row, column.attname) for column in model._meta.concrete_fields}
        label, key = _about(model, values)
        with self._looking():
            called = str(row)[:200] if is_public(model) and not hasattr(model, "master") else ""
        act = CHANGED if hasattr(model, "master") else ADDED
        note = Note(
            act, label, key, called, _difference(model, {}, {k: v for k, v in values.items() if v not in ("", None)})
        )
        if self.notes and (self.notes[-1].act, self.notes[-1].model, self.notes[-1].object_id) == (ADDED, label, ""):
            self.notes.pop()
        self.notes.append(note)


def _where(sql: str) -> tuple[int, int]:
    """Return where the statement's own WHERE begins, or its end, and how many parameters stand before."""
    depth = params = 0
    for token in _TOKENS.finditer(sql):
        if token[0] == "WHERE" and depth == 0:
            return token.start(), params
        params += token[0] == "%s"
        depth += (token[0] == "(") - (token[0] == ")")
    return len(sql), params


_current: ContextVar[Recording | None] = ContextVar("recording", default=None)


@contextmanager
def recording(actor: int | None, page: str) -> Iterator[Recording]:
    """Run what is inside as one transaction, and record what it does."""
    if within := _current.get():
        yield within
        return
    now = Recording(actor, page)
    with transaction.atomic():
        token = _current.set(now)
        try:
            with connection.execute_wrapper(now):
                yield now
        finally:
            _current.reset(token)
        if not connection.needs_rollback:
            _write(now.actor, now.page, now.notes)


def page_of(request: HttpRequest) -> str:
    """Return the name of the address that was called, and of the act on it."""
    name = (request.resolver_match and request.resolver_match.url_name) or ""
    act = request.POST.get("action") or request.POST.get("act") or ""
    return f"{name}:{act}"[:100] if re.fullmatch(r"\w{1,40}", act) else name[:100]


def on_saved(sender: Any, instance: models.Model, created: bool, **kwargs: Any) -> None:  # noqa: FBT001
    """Name what was added. Called by Django after each save."""
    now = _current.get()
    if now and created and sender._meta.db_table in _recorded():
        now.added(instance)


def on_related(sender: Any, instance: models.Model, action: str, model: Any, pk_set: Any, **kwargs: Any) -> None:
    """Note what was joined to a row, or parted from it. Called by Django."""
    now = _current.get()
    if now is None or action not in {"post_add", "post_remove", "pre_clear"} or not (pk_set or action == "pre_clear"):
        return
    joined = f"{action.partition('_')[2]} {model._meta.model_name}"
    told: Changes = {joined: " ".join(map(str, sorted(pk_set or ())))}
    owner = type(instance)
    if owner._meta.db_table in _recorded():
        now.notes.append(Note(CHANGED, owner._meta.label_lower, str(instance.pk), "", told))


# --- Writing -----------------------------------------------------------------------------------------------------


def write(act: str, actor: int | None, about: models.Model | None = None, *, page: str = "", **told: Any) -> None:
    """Record an act that is no change of rows, or is done outside the desk's own pages: at the door, say."""
    note = Note(act, changes={name: str(value) for name, value in told.items()})
    if about is not None:
        note.model, note.object_id = about._meta.label_lower, str(about.pk)
    if now := _current.get():
        now.notes.append(note)
        return
    with transaction.atomic():
        _write(actor, page, [note])


def _merged(notes: Iterable[Note]) -> list[Note]:
    """Return the notes, those about one row as one: from what it was first to what it is at the end."""
    merged: dict[Any, Note] = {}
    for place, note in enumerate(notes):
        known = merged.get((note.model, note.object_id)) if note.object_id and note.act == CHANGED else None
        if known is None or known.act == DELETED:
            at: Any = (note.model, note.object_id) if note.act in {ADDED, CHANGED} and note.object_id else place
            # Of rows that were inserted many at once, one entry.
            merged[note.model if note.act == ADDED and not note.object_id else at] = note
            continue
        for column, told in note.changes.items():
            was = known.changes.get(column)
            known.changes[column] = [was[0], told[1]] if isinstance(was, list) and isinstance(told, list) else told
        known.name = known.name or note.name
    return list(merged.values())


def _write(actor: int | None, page: str, notes: list[Note]) -> None:
    """Add entries to the chain, at the end of a transaction: others wait for their turn until it is over."""
    if not notes:
        return
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_TURN])
    previous = AuditEntry.objects.order_by("-pk").values_list("hash", flat=True).first() or BEGINNING
    entries, now = [], timezone.now()
    for note in _merged(notes):
        entry = AuditEntry(
            at=now,
            actor_id=actor,
            act=note.act,
            page=page,
            model=note.model,
            object_id=note.object_id,
            name=note.name,
            changes=note.changes,
            previous_hash=previous,
        )
        entry.hash = previous = digest_of_text(previous, canonical(content(entry)))
        entries.append(entry)
    AuditEntry.objects.bulk_create(entries)


def content(entry: AuditEntry) -> dict[str, Any]:
    """Return what of an entry is hashed."""
    names = ("act", "page", "model", "object_id", "name", "changes")
    told = {name: getattr(entry, name) for name in names}
    return told | {"at": moment(entry.at), "actor": entry.actor_id}


# --- Verifying ---------------------------------------------------------------------------------------------------


def verify(head: str = "", newest: int = 0) -> list[str]:
    """
    Return in words what is wrong with the record; `head` is a hash that an earlier run told, which it must hold.

    With `newest`, only so many of the last entries are looked at.
    """
    faults = [_("The database does not guard %(table)s.") % {"table": table} for table in AUDIT.missing()]
    previous, is_held = BEGINNING, not head
    entries: Iterable[AuditEntry] = AuditEntry.objects.order_by("pk").iterator(1000)
    if newest:
        entries = list(AuditEntry.objects.order_by("-pk")[:newest])[::-1]
        previous = entries[0].previous_hash if entries else BEGINNING
    for entry in entries:
        if entry.previous_hash != previous:
            faults.append(_("Entry %(entry)d does not follow the one before it.") % {"entry": entry.pk})
        if entry.hash != digest_of_text(entry.previous_hash, canonical(content(entry))):
            faults.append(_("Entry %(entry)d was changed.") % {"entry": entry.pk})
        previous = entry.hash
        is_held = is_held or previous == head
    if not is_held:
        faults.append(_("The record does not hold what it held before: its end was cut off."))
    return faults


def end() -> tuple[int, str]:
    """Return how many entries there are, and the hash of the last."""
    last = AuditEntry.objects.order_by("-pk").values_list("hash", flat=True).first()
    return AuditEntry.objects.count(), last or BEGINNING


# --- Django's own history of each row ----------------------------------------------------------------------------


def without_names(sender: Any, instance: LogEntry, **kwargs: Any) -> None:
    """Take persons' names out of an entry of the desk's history before it is written. Called by Django for each one."""
    if instance.pk is not None:
        return
    kind = instance.content_type
    model = kind.model_class() if kind else None
    if instance.object_id is not None and not (model and is_public(model)):
        instance.object_repr = "…"
    if instance.change_message.startswith("["):
        # What stood in a form's rows of another model is named by it too.
        instance.change_message = re.sub(r'"object": "(?:[^"\\]|\\.)*"', '"object": "…"', instance.change_message)
