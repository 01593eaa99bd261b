"""What organisers do is recorded, before and after, without a word about supporters; and nobody changes the record."""

import json
import re

import pytest
from django.conf import settings
from django.contrib import admin
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.auth.models import Group
from django.core.management import CommandError, call_command
from django.db import DatabaseError, IntegrityError, connection, models, transaction
from django.db.models import Case, F, ProtectedError, Value, When
from django.http import HttpResponse
from django.test import RequestFactory
from django.urls import reverse

from campaign.admin.audit import ACTS
from campaign.models import Activist, Subscriber, Update
from donations.models import PostedError
from limits.models import Block
from organisers import auditing, lockout
from organisers.models import AuditEntry
from organisers.triggers import AUDIT
from outbox.deciding import waiting_for
from protests.models import Signature
from tests import factories as make
from tests.organisers.coming_in import app_of, come_in, give_code, give_password, organiser
from tests.rows import one_of_each

pytestmark = pytest.mark.django_db


@pytest.fixture
def owner():
    return make.OrganiserFactory()


@pytest.fixture
def desk(client, owner):
    client.force_login(owner)
    return client


def posted(user, act):
    """Let `act` be what a page of the desk does when something is posted to it."""

    def view(request):
        act(request)
        return HttpResponse("done")

    request = RequestFactory().post("/admin/")
    request.user, request._dont_enforce_csrf_checks = user, True
    user.is_verified = lambda: True
    request.session = {"authenticated_at": 9_999_999_999}
    request.resolver_match = type("Match", (), {"url_name": "index"})
    return admin.site.admin_view(view)(request)


def entries(**about):
    return list(AuditEntry.objects.filter(**about).order_by("pk"))


# --- Every model of the desk -------------------------------------------------------------------------------------


def test_what_is_added_to_any_list_of_the_desk_leaves_an_entry(owner):
    made = {}
    auditing.write("before", None)
    posted(owner, lambda request: made.update(one_of_each()))
    told = {(entry.model, entry.object_id) for entry in entries(act="added")}
    assert auditing.verify() == []
    every = {label: str(row.pk) for label, row in made.items() if label != "organisers.auditentry"}
    assert {*every} == {model._meta.label_lower for model in admin.site._registry} - {"organisers.auditentry"}
    # Groups, and the campaign, were there before.
    assert {label for label, pk in every.items() if (label, pk) not in told} <= {"auth.group", "campaign.campaign"}
    assert {entry.actor_id for entry in entries(act="added")} == {owner.pk}


def other(column, value):
    if isinstance(column, models.BooleanField):
        return not value
    if isinstance(column, models.IntegerField | models.FloatField):
        return (value or 0) + 1
    if isinstance(column, models.DateTimeField):
        return make.timezone.now()
    if isinstance(column, models.CharField | models.TextField) and not column.choices:
        return f"{value or ''}x"
    return None


def changed_by_sql(row):
    """Change some column of the row by an update of a queryset; return its name, or "" where the database forbids."""
    for column in row._meta.concrete_fields:
        value = None if column.primary_key or column.is_relation else other(column, getattr(row, column.attname))
        if value is None:
            continue
        try:
            with transaction.atomic():
                models.QuerySet(type(row)).filter(pk=row.pk).update(**{column.name: value})
        except DatabaseError:
            continue
        return column.attname
    return ""


def test_what_is_changed_in_any_list_leaves_an_entry_also_by_a_querysets_update(owner):
    rows, changed = one_of_each(), {}
    rows.pop("organisers.auditentry")
    posted(owner, lambda request: changed.update({label: changed_by_sql(row) for label, row in rows.items()}))
    frozen = {label for label, column in changed.items() if not column}
    assert frozen <= {"donations.bankstatement", "donations.transaction", "donations.allocation", "donations.rate",
                      "donations.disbursement", "donations.storedfile", "protests.lettertext"}  # fmt: skip
    for label, column in changed.items():
        if column:
            (entry,) = entries(model=label, object_id=str(rows[label].pk), act="changed")
            assert column in entry.changes, label


def test_what_is_deleted_from_any_list_leaves_an_entry(owner):
    rows = one_of_each()
    rows.pop("organisers.auditentry")
    deleted = {}

    def delete(request):
        for label, row in rows.items():
            pk = row.pk
            if not type(row)._base_manager.filter(pk=pk).exists():
                continue  # with another one
            try:
                with transaction.atomic():
                    admin.site._registry[type(row)].delete_model(request, row)
            except (ProtectedError, IntegrityError, PostedError):
                continue
            deleted[label] = str(pk)

    posted(owner, delete)
    assert len(deleted) > 20
    told = {(entry.model, entry.object_id) for entry in entries(act="deleted")}
    assert {label for label, pk in deleted.items() if (label, pk) not in told} == set()


# --- What an entry tells -----------------------------------------------------------------------------------------


def test_a_public_column_is_told_before_and_after_by_a_form_of_the_desk(desk, owner):
    form = {"domain": "flood.example.org", "reason": "A flood", "expires_at_0": "2036-01-01", "expires_at_1": "12:00"}
    assert desk.post(reverse("admin:limits_block_add"), form).status_code == 302
    block = Block.objects.get()
    (added,) = entries(model="limits.block")
    assert (added.act, added.actor_id, added.page, added.object_id) == (
        *("added", owner.pk, "limits_block_add"),
        str(block.pk),
    )
    assert added.changes["reason"] == [None, "A flood"]

    url = reverse("admin:limits_block_change", args=[block.pk])
    assert desk.post(url, {**form, "reason": "A second flood"}).status_code == 302
    assert entries(model="limits.block")[-1].changes == {"reason": ["A flood", "A second flood"]}


def test_a_personal_column_is_named_and_its_value_is_not(owner):
    subscriber = make.SubscriberFactory(email="nora@example.org")
    signature = make.SignatureFactory(name="Nora Berg", confirmed=True)

    def act(request):
        subscriber.email = "other.nora@example.org"
        subscriber.save()
        Signature.objects.filter(pk=signature.pk).update(name="Nora Other")
        Subscriber.objects.filter(pk=subscriber.pk).delete()

    posted(owner, act)
    told = json.dumps([auditing.content(entry) for entry in entries()], ensure_ascii=False).lower()
    assert "nora" not in told
    assert "berg" not in told
    assert entries(model="protests.signature")[0].changes["name"] == "changed"
    assert {entry.act for entry in entries(model="campaign.subscriber")} == {"changed", "deleted"}


def test_no_personal_column_of_any_model_is_a_public_one():
    for model in auditing._recorded().values():
        personal = {*getattr(model, "personal", {})}
        assert not personal & auditing.public_columns(model), model
        assert not auditing.is_public(model) or not personal, model


def test_a_role_given_and_a_password_changed(owner):
    other_one, editor = organiser("bo"), Group.objects.get(name="Editor")

    def act(request):
        other_one.groups.add(editor)
        other_one.set_password("sesame sesame sesame")
        other_one.is_staff = False
        other_one.save()

    posted(owner, act)
    told = [entry.changes for entry in entries(model="auth.user", object_id=str(other_one.pk))]
    together = {name: value for changes in told for name, value in changes.items()}
    assert together["password"] == "changed"
    assert together["is_staff"] == ["True", "False"]
    assert together["add group"] == str(editor.pk)
    assert "argon2" not in json.dumps(told)


def test_a_translation_is_told_of_what_it_translates(owner):
    activist = make.ActivistFactory()

    def act(request):
        one = Activist.objects.get()
        one.set_current_language("de")
        one.story = "Seine Geschichte"
        one.save()

    posted(owner, act)
    found = entries(model="campaign.activist", object_id=str(activist.pk))
    assert any(name.startswith("de.") for entry in found for name in entry.changes)


def test_what_was_rolled_back_did_not_happen(owner):
    make.UpdateFactory(published_at=None)

    def act(request):
        try:
            with transaction.atomic():
                Update.objects.update(published_at=make.timezone.now())
                raise IntegrityError
        except IntegrityError:
            Block.objects.create(domain="a.example.org", reason="x")

    posted(owner, act)
    assert [entry.model for entry in entries()] == ["limits.block"]


def test_a_page_that_fails_leaves_neither_change_nor_entry(owner):
    make.UpdateFactory(published_at=None)

    def act(request):
        Update.objects.update(published_at=make.timezone.now())
        raise LookupError

    with pytest.raises(LookupError):
        posted(owner, act)
    assert Update.objects.get().published_at is None
    assert entries() == []


def test_of_many_rows_at_once_the_number_is_told(owner, monkeypatch):
    monkeypatch.setattr(auditing, "MOST_ROWS", 2)
    for name in "abc":
        Block.objects.create(domain=f"{name}.example.org", reason="x")
    posted(owner, lambda request: Block.objects.update(reason="y"))
    (entry,) = entries()
    assert (entry.model, entry.object_id, entry.changes) == ("limits.block", "", {"rows": "3", "reason": "changed"})


def test_rows_inserted_together_are_told_as_such(owner):
    posted(
        owner,
        lambda request: Block.objects.bulk_create([Block(domain=f"{name}.example.org", reason="x") for name in "ab"]),
    )
    assert [(entry.act, entry.model, entry.object_id) for entry in entries()] == [("added", "limits.block", "")]


def test_an_update_with_conditions_and_expressions_is_read_rightly(owner):
    one, two = (Block.objects.create(domain="a.example.org", reason=name) for name in ("WHERE", "%s"))

    def act(request):
        case = Case(When(reason__startswith="WHERE", then=Value("it's (")), default=F("reason"))
        Block.objects.filter(pk__in=Block.objects.filter(domain="a.example.org").values("pk")).update(reason=case)

    posted(owner, act)
    (entry,) = entries()
    assert (entry.object_id, entry.changes) == (str(one.pk), {"reason": ["WHERE", "it's ("]})
    assert Block.objects.get(pk=two.pk).reason == "%s"


def test_an_export_leaves_an_entry(desk, owner):
    make.SubscriberFactory()
    answer = desk.post(
        reverse("admin:campaign_subscriber_export"),
        {"what": "subscribers", "format": "csv", "reason": "For the mailing of May", "agreed": "on"},
    )
    assert answer.status_code == 200
    assert b"".join(answer.streaming_content)
    assert [entry.page for entry in entries(act="exported")] == ["campaign_subscriber_export"]


def test_an_act_on_rows_is_told_by_name(desk):
    update = make.UpdateFactory(published_at=None)
    url = reverse("admin:campaign_update_changelist")
    data = {"action": "publish", "_selected_action": [update.pk]}
    shown = desk.post(url, data)
    assert entries(model="campaign.update") == []
    desk.post(url, {**data, "confirm": shown.context["fingerprint"]})
    (entry,) = entries(model="campaign.update")
    assert entry.page == "campaign_update_changelist:publish"
    assert entry.changes["published_at"][0] is None


def test_readers_and_signers_write_nothing(client):
    strike = make.ActivistFactory().strike
    for path in ("/", "/letters/", "/subscribe/", f"/{strike.slug}/"):
        client.get(path)
    make.SignatureFactory(confirmed=True)
    make.SubscriberFactory()
    assert entries() == []


# --- The door ----------------------------------------------------------------------------------------------------


def test_coming_in_failing_and_leaving_are_recorded(client):
    user = organiser()
    give_password(client, user, "wrong")
    give_password(client, organiser("bo"), "wrong")
    client.post(reverse("admin:login"), {"username": "nobody at all", "password": "x"})
    app_of(user)
    give_password(client, user)
    give_code(client, "000000")
    come_in(client, user)
    client.post(reverse("admin:logout"))
    told = [(entry.act, entry.actor_id, entry.object_id) for entry in entries()]
    assert told[0] == ("failed to log in", None, str(user.pk))
    assert [act for act, *_rest in told] == [
        *("failed to log in", "failed to log in", "failed to log in", "logged in", "logged out")
    ]
    assert "nobody" not in json.dumps([auditing.content(entry) for entry in entries()])


def test_a_lock_out_is_told_once(client):
    user = organiser()
    for _time in range(lockout.NETWORK_AT_NAME + 3):
        give_password(client, user, "wrong")
    assert len(entries(act="locked out")) == 1
    assert len(entries(act="failed to log in")) == lockout.NETWORK_AT_NAME


def test_a_second_factor_that_is_reset_by_the_operator(client):
    user = organiser()
    come_in(client, user)
    call_command("reset_second_factor", user.username)
    told = {entry.act: entry for entry in entries(actor=None)}
    assert told["second factor reset"].page == "manage.py reset_second_factor"
    assert {"sessions ended", "deleted"} <= {*told}


# --- The record is kept ------------------------------------------------------------------------------------------


@pytest.fixture
def record(owner):
    for act in ("one", "two", "three"):
        auditing.write(act, owner.pk)
    return entries()


def sql(statement, *values):
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement, values)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE organisers_auditentry SET act = 'x'",
        "UPDATE organisers_auditentry SET actor_id = NULL",
        "DELETE FROM organisers_auditentry",
    ],
)
def test_the_database_refuses_to_change_it(record, statement):
    with pytest.raises(IntegrityError, match="only ever added to"):
        sql(statement)


def test_it_does_not_fork(record):
    with pytest.raises(IntegrityError), transaction.atomic():
        AuditEntry.objects.create(
            at=record[0].at, act="x", previous_hash=record[0].hash, hash="0" * 64, actor=record[0].actor
        )


@pytest.mark.parametrize(
    ("statement", "fault"),
    [
        ("UPDATE organisers_auditentry SET act = 'x' WHERE act = 'two'", "was changed"),
        ("UPDATE organisers_auditentry SET changes = '{\"a\": \"b\"}' WHERE act = 'two'", "was changed"),
        ("DELETE FROM organisers_auditentry WHERE act = 'two'", "does not follow"),
        ("DELETE FROM organisers_auditentry WHERE act = 'one'", "does not follow"),
    ],
)
def test_whoever_takes_the_guard_away_is_found(record, statement, fault, owner):
    assert auditing.verify() == []
    AUDIT.drop("default")
    assert "does not guard" in auditing.verify()[0]
    sql(statement)
    AUDIT.create("default")
    assert fault in " ".join(auditing.verify())
    with pytest.raises(CommandError, match="Faults"):
        call_command("verify_audit")
    if "'two'" in statement:
        assert any("record" in str(one.what) for one in waiting_for(owner))


def test_an_end_cut_off_is_found_by_the_hash_noted_before(record, capsys):
    call_command("verify_audit")
    assert f"3 entries. Note where it ends: {record[-1].hash}" in capsys.readouterr().out
    AUDIT.drop("default")
    sql("DELETE FROM organisers_auditentry WHERE act = 'three'")
    AUDIT.create("default")
    assert auditing.verify() == []
    assert auditing.verify(record[1].hash) == []
    assert "cut off" in auditing.verify(record[-1].hash)[0]
    with pytest.raises(CommandError, match="64 hexadecimal"):
        call_command("verify_audit", "--head", "x")


# --- Reading it --------------------------------------------------------------------------------------------------


def test_owners_read_it_and_take_it_out(desk, record, owner):
    page = desk.get(reverse("admin:organisers_auditentry_changelist"))
    assert page.status_code == 200
    assert owner.username in page.text
    posted(owner, lambda request: Block.objects.create(domain="a.example.org", reason="=1+1"))
    entry = entries(model="limits.block")[0]
    shown = desk.get(reverse("admin:organisers_auditentry_change", args=[entry.pk]))
    assert "a.example.org" in shown.text
    assert reverse("admin:limits_block_history", args=[entry.object_id]) in shown.text
    assert desk.post(reverse("admin:organisers_auditentry_delete", args=[entry.pk]), {"post": "yes"}).status_code == 403
    assert desk.post(reverse("admin:organisers_auditentry_change", args=[entry.pk]), {"act": "x"}).status_code == 403
    table = desk.post(reverse("admin:organisers_auditentry_export"), {"what": "record", "format": "csv"})
    assert entry.hash.encode() in b"".join(table.streaming_content)


def test_each_rows_page_leads_owners_to_what_was_done_to_it(desk, client, owner):
    blocks = [Block(domain=name, reason="x") for name in ("a.example.org", "b.example.org")]
    posted(owner, lambda request: [block.save() for block in blocks])
    strike = make.StrikeFactory()
    posted(owner, lambda request: type(strike).objects.update(slug="the-square"))
    for row in (blocks[0], strike):
        page = reverse(f"admin:{row._meta.label_lower.replace('.', '_')}_change", args=[row.pk])
        (way,) = re.findall(r'<a href="([^"]+)">Who did what</a>', desk.get(page).text)
        (shown,) = desk.get(way.replace("&amp;", "&")).context["cl"].result_list
        assert (shown.model, shown.object_id) == (row._meta.label_lower, str(row.pk))
    assert "Who did what" not in desk.get(reverse("admin:organisers_auditentry_change", args=[shown.pk])).text
    editor = make.OrganiserFactory(is_superuser=False, is_staff=True)
    editor.groups.set(Group.objects.filter(name="Editor"))
    client.force_login(editor)
    answer = client.get(page)
    assert answer.status_code == 200
    assert "Who did what" not in answer.text


@pytest.mark.parametrize("role", ["Editor", "Moderator", "Treasurer", "Translator"])
def test_others_do_not(client, record, role):
    user = make.OrganiserFactory(is_superuser=False, is_staff=True)
    user.groups.set(Group.objects.filter(name=role))
    client.force_login(user)
    for page in ("changelist", "export"):
        assert client.get(reverse(f"admin:organisers_auditentry_{page}")).status_code == 403


def test_django_s_own_history_names_no_supporter(owner):
    subscriber = make.SubscriberFactory(email="nora@example.org")
    update = make.UpdateFactory()
    LogEntry.objects.log_actions(owner.pk, [subscriber, make.SubscriberFactory()], CHANGE, "x")
    LogEntry.objects.log_actions(owner.pk, [update], CHANGE, [{"added": {"name": "x", "object": "Nora"}}])
    told = " ".join(f"{entry.object_repr} {entry.change_message}" for entry in LogEntry.objects.all())
    assert "nora" not in told.lower()
    assert str(update) in told


def test_every_act_that_is_written_is_known_by_a_translated_name_on_the_desk():
    sources = [path.read_text() for app in ("organisers", "config") for path in (settings.BASE_DIR / app).glob("*.py")]
    written = {
        act for text in sources for act in re.findall(r'(?:auditing\.write|_tell)\((?:name, )?"([a-z ]+)"', text)
    }
    written |= {auditing.ADDED, auditing.CHANGED, auditing.DELETED, "logged in", "authenticated again"}
    assert len(written) >= 15
    assert written <= ACTS.keys()


def test_the_record_says_acts_in_the_readers_language_and_keeps_them_in_its_own(desk, owner, monkeypatch):
    auditing.write("sessions ended", owner.pk, owner)
    monkeypatch.setitem(ACTS, "sessions ended", "Sitzungen beendet")  # catalogues need not be compiled here
    told = desk.get(reverse("admin:organisers_auditentry_changelist") + "?act=sessions+ended").text
    assert told.count("Sitzungen beendet") == 2  # in the list and its filter
    assert AuditEntry.objects.filter(act="sessions ended").exists()
