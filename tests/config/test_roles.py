"""
Who may do what at the desk: every address and every action, for every role. A change of the tables is to be read.

E is the editor, M the moderator, R the treasurer, T the translator, O the owner, and - an organiser without any role.
"""

import pytest
from django.contrib import admin
from django.contrib.auth.models import Group, Permission
from django.core.management import call_command
from django.test import RequestFactory
from django.urls import URLPattern, reverse

from campaign.models import Strike
from config import roles
from protests.models import Picket
from tests.factories import (
    ActivistFactory,
    OrganiserFactory,
    PicketFactory,
    StrikeFactory,
    SubmittedMessageFactory,
    SubmittedReportFactory,
)
from tests.rows import one_of_each
from tests.sizes import on_one_database

pytestmark = pytest.mark.django_db
ROLES = {"E": "Editor", "M": "Moderator", "R": "Treasurer", "T": "Translator", "O": "Owner", "-": ""}
# model: who may look at its list and its rows (and change what can be changed), who adds, who deletes.
PAGES = {
    "auth.group": ("O", "O", "O"),
    "auth.user": ("O", "", "O"),
    "organisers.auditentry": ("O", "", ""),
    "organisers.invitation": ("O", "O", ""),
    "outbox.trialletter": ("O", "", ""),
    "limits.block": ("MO", "MO", "MO"),
    "campaign.mailing": ("EMO", "EO", "EO"),
    "campaign.mailingcopy": ("EMO", "", ""),
    "campaign.mailingtrial": ("EO", "", ""),
    "campaign.campaign": ("ETO", "", ""),
    "campaign.strike": ("EMTO", "EO", "EO"),
    "campaign.activist": ("EMTO", "EO", "EO"),
    "campaign.charge": ("ETO", "EO", "EO"),
    "campaign.labour": ("ETO", "EO", "EO"),
    "campaign.picture": ("EMTO", "EO", "EO"),
    "campaign.update": ("EMTO", "EO", "EO"),
    "campaign.messageofsupport": ("EMTO", "EMO", "EMO"),
    "campaign.endorsement": ("EMTO", "EMO", "EMO"),
    "campaign.comment": ("EMO", "", "EMO"),
    "campaign.document": ("ETO", "EO", "EO"),
    "campaign.subscriber": ("MO", "", ""),
    "campaign.subscriptionmail": ("MO", "", ""),
    "campaign.mydatamail": ("MO", "", ""),
    "protests.letter": ("EMTO", "EO", "EO"),
    "protests.target": ("EMTO", "EO", "EO"),
    "protests.maildomain": ("EMO", "EO", "EO"),
    "protests.signature": ("MO", "", "MO"),
    "protests.hold": ("MO", "", "O"),
    "protests.delivery": ("MO", "", ""),
    "protests.confirmationmail": ("MO", "", ""),
    "protests.suspensionnotice": ("EMO", "", ""),
    "protests.digest": ("EMO", "", ""),
    "protests.lettertext": ("EMO", "", ""),
    "protests.picket": ("EMTO", "EMO", "EMO"),
    "protests.picketreport": ("EMTO", "EMO", "EMO"),
    "donations.fund": ("RTO", "RO", "RO"),
    "donations.bankaccount": ("RO", "RO", ""),
    "donations.pledge": ("RO", "", ""),
    "donations.pledgehold": ("RO", "", ""),
    "donations.pledgemail": ("RO", "", ""),
    "donations.accountnotice": ("RO", "", ""),
    "donations.transaction": ("RO", "RO", ""),
    "donations.bankstatement": ("RO", "", ""),
    "donations.collectionsheet": ("RO", "RO", ""),
    "donations.disbursement": ("RO", "RO", ""),
    "donations.allocation": ("RO", "", ""),
    "donations.storedfile": ("RO", "", ""),
    "donations.rate": ("RO", "RO", ""),
}
# What is no list, form or question before deleting.
OTHERS = {
    "readiness": "",
    "organisers_auditentry_export": "O",
    "sessions": "-EMRTO",
    "trial_letter": "-EMRTO",
    "translations": "EMRTO",
    "on_request": "O",
    "index": "-EMRTO",
    "login": "-EMRTO",
    "logout": "-EMRTO",
    "password_change": "-EMRTO",
    "password_change_done": "-EMRTO",
    "autocomplete": "",
    "jsi18n": "-EMRTO",
    "view_on_site": "-EMRTO",
    "auth_user_password_change": "O",
    "campaign_update_preview": "ETO",
    "campaign_subscriber_export": "O",
    "protests_signature_export": "O",
    "protests_target_export": "EO",
    "protests_picket_export": "EMO",
    "donations_pledge_export": "RO",
    "protests_target_import": "EO",
    "protests_letter_preview": "EMTO",
    "protests_letter_handover": "O",
    "protests_letter_charts": "EMTO",
    "protests_pause_all": "EMO",
    "donations_desk": "RO",
    "donations_desk_line": "RO",
    "donations_desk_done": "RO",
    "donations_desk_undo": "RO",
    "donations_statement_upload": "RO",
    "donations_statement_look": "RO",
    "donations_collectionsheet_print": "RO",
    "donations_collectionsheet_count": "RO",
    "donations_collectionsheet_scan": "RO",
    "donations_collectionsheet_deposit": "RO",
    "donations_disbursement_evidence": "RO",
    "donations_disbursement_cash": "RO",
    "donations_disbursement_bank": "RO",
    "donations_storedfile_download": "RO",
    "app_list": "-EMRTO",
}
# What can be chosen in a list, by whom.
ACTIONS = {
    "auth.group": {"O": "delete_selected"},
    "auth.user": {"O": "delete_selected let_go take_back reset_second_factor"},
    "organisers.invitation": {"O": "send_again settle_as_accepted withdraw"},
    "outbox.trialletter": {"O": "send_again settle_as_accepted withdraw"},
    "limits.block": {"MO": "delete_selected"},
    "campaign.mailingcopy": {"EMO": "send_again settle_as_accepted withdraw"},
    "campaign.mailingtrial": {"EO": "send_again settle_as_accepted withdraw"},
    "campaign.strike": {"EO": "delete_selected publish withdraw"},
    "campaign.activist": {"EO": "delete_selected publish withdraw"},
    "campaign.charge": {"EO": "delete_selected"},
    "campaign.labour": {"EO": "delete_selected"},
    "campaign.picture": {"EO": "delete_selected"},
    "campaign.update": {"EO": "delete_selected publish withdraw"},
    "campaign.messageofsupport": {"EMO": "delete_selected publish refuse take_up_again withdraw"},
    "campaign.endorsement": {"EMO": "delete_selected publish refuse take_up_again withdraw"},
    "campaign.comment": {"EMO": "delete_selected publish refuse take_up_again withdraw"},
    "campaign.document": {"EO": "delete_selected publish withdraw"},
    "campaign.subscriber": {"MO": "unsubscribe"},
    "campaign.subscriptionmail": {"MO": "send_again settle_as_accepted withdraw"},
    "campaign.mydatamail": {"MO": "send_again settle_as_accepted withdraw"},
    "protests.letter": {"EO": "delete_selected publish withdraw close reopen pause resume"},
    "protests.target": {"EO": "delete_selected write_to address_is_right try_now pause resume"},
    "protests.maildomain": {"EO": "delete_selected pause resume", "M": "pause resume"},
    "protests.signature": {"MO": "delete_selected"},
    "protests.hold": {
        "M": "release refuse undo block_networks",
        "O": "delete_selected release refuse undo block_networks",
    },
    "protests.delivery": {"MO": "send_again settle_as_accepted withdraw"},
    "protests.confirmationmail": {"MO": "send_again settle_as_accepted withdraw"},
    "protests.suspensionnotice": {"MO": "send_again settle_as_accepted withdraw"},
    "protests.digest": {"MO": "send_again settle_as_accepted withdraw"},
    "protests.picket": {"EMO": "delete_selected publish refuse take_up_again withdraw"},
    "protests.picketreport": {"EMO": "delete_selected publish refuse take_up_again withdraw"},
    "donations.fund": {"RO": "delete_selected publish withdraw"},
    "donations.bankaccount": {"RO": "approve withdraw"},
    "donations.pledgehold": {"RO": "release refuse"},
    "donations.pledgemail": {"RO": "send_again settle_as_accepted withdraw"},
    "donations.accountnotice": {"RO": "send_again settle_as_accepted withdraw"},
    "donations.transaction": {"RO": "reverse"},
    "donations.collectionsheet": {"RO": "print_sheets discard_count take_back"},
    "donations.disbursement": {"RO": "approve cancel"},
    "donations.allocation": {"RO": "undo"},
    "donations.storedfile": {"RO": "erase"},
}


def organiser(letter):
    person = OrganiserFactory(is_superuser=False)
    if ROLES[letter]:
        person.groups.add(Group.objects.get(name=ROLES[letter]))
    return person


def expected():
    """Return who may open what, by the address's name."""
    found = dict(OTHERS)
    for label, (look, add, delete) in PAGES.items():
        name = label.replace(".", "_")
        found |= dict.fromkeys((f"{name}_changelist", f"{name}_history", f"{name}_change"), look)
        found |= {f"{name}_add": add, f"{name}_delete": delete, f"{name}_delete_translation": delete}
    return found


def patterns(some):
    for one in some:
        if isinstance(one, URLPattern):
            yield one
        else:
            yield from patterns(one.url_patterns)


def addresses(rows):
    """Yield the name and the address of every page of the desk, each of a row that there is."""
    pks = {label.replace(".", "_"): row.pk for label, row in rows.items()}
    pks |= {
        "donations_desk_line": rows["donations.transaction"].pk,
        "donations_desk_undo": rows["donations.allocation"].pk,
    }
    for pattern in patterns(admin.site.get_urls()):
        if not pattern.name:
            continue  # Django's old addresses, and its "not found"
        model = max((label for label in pks if pattern.name.startswith(label)), key=len, default="")
        values = {"app_label": "campaign", "content_type_id": 1, "object_id": pks.get(model), "id": pks.get(model)}
        if pattern.name.endswith("_delete_translation"):
            yield pattern.name, reverse(f"admin:{pattern.name}", args=[pks[model], "en"])
            continue
        named = pattern.pattern.regex.groupindex
        yield (
            pattern.name,
            reverse(f"admin:{pattern.name}", kwargs={key: values.get(key) or pks.get(model, 1) for key in named}),
        )


@on_one_database
@pytest.mark.parametrize("letter", ROLES)
def test_each_role_opens_its_pages_and_no_others(client, letter):
    rows = one_of_each()
    account = rows["donations.bankaccount"]
    account.create_translation("en", note="for donors")
    client.force_login(organiser(letter))
    may, wrong = expected(), {}
    for name, address in addresses(rows):
        status = client.get(address).status_code
        if (status != 403) != (letter in may.pop(name, f"not in the tables: {name}")) or status >= 500:
            wrong[name] = status
    assert not wrong
    assert all(name.endswith("_delete_translation") for name in may), "the tables know a page that is gone"


@pytest.mark.parametrize("letter", ROLES)
def test_each_role_chooses_among_its_actions_and_no_others(letter):
    request = RequestFactory().get("/")
    request.user = organiser(letter)
    found = {
        model._meta.label_lower: " ".join(registered.get_actions(request))
        for model, registered in admin.site._registry.items()
        if registered.has_view_permission(request)
    }
    for label, by_role in ACTIONS.items():
        wanted = next((names for who, names in by_role.items() if letter in who), "")
        assert found.pop(label, "") == wanted, label
    assert not any(found.values()), "actions that are not in the table"


def test_who_is_no_organiser_is_asked_to_log_in(client):
    rows = one_of_each()
    client.force_login(OrganiserFactory(is_staff=False, is_superuser=False))
    # The translations of JavaScript's words and the way out are for all.
    for name, address in addresses(rows):
        if name not in {"login", "jsi18n", "logout"}:
            answer = client.get(address)
            assert (answer.status_code, answer["Location"][:13]) == (302, "/admin/login/"), name


def test_every_model_of_the_desk_is_somebodys_work():
    granted = set(
        Permission.objects.filter(group__name__in=roles.ROLES.keys() - {"Owner"}).values_list("codename", flat=True)
    )
    owners = {"user", "group", "trialletter", "invitation", "auditentry"}
    models = {model._meta.model_name for model in admin.site._registry}
    assert {name for name in models if f"view_{name}" not in granted} == owners


def test_a_migration_gives_the_roles_their_rights_back():
    editor = Group.objects.get(name="Editor")
    before = set(editor.permissions.values_list("codename", flat=True))
    own = Group.objects.create(name="Printers")
    editor.permissions.set(Permission.objects.filter(codename="add_user"))
    Group.objects.get(name="Translator").delete()
    call_command("migrate", verbosity=0)
    assert set(editor.permissions.values_list("codename", flat=True)) == before
    assert Group.objects.get(name="Translator").permissions.filter(codename="change_strike").exists()
    assert not own.permissions.exists()


def test_a_pattern_takes_away_what_those_before_it_gave():
    known = ["a.add_x", "a.view_x", "b.add_x"]
    assert roles.matching(known, ("a.*", "!a.add_*")) == {"a.view_x"}
    assert roles.matching(known, ("!a.*", "*.add_x")) == {"a.add_x", "b.add_x"}


class TestTranslator:
    @pytest.fixture
    def desk(self, client):
        client.force_login(organiser("T"))
        return client

    def test_changes_words_and_nothing_else(self, desk):
        strike = StrikeFactory(title="A strike", published_at=None)
        address = reverse("admin:campaign_strike_change", args=[strike.pk])
        shown = desk.get(address)
        assert [*shown.context["adminform"].form.fields] == ["title", "place", "summary", "story", "outcome"]
        prefixes = [one.formset.prefix for one in shown.context["inline_admin_formsets"]]
        data = {f"{prefix}-{name}": 0 for prefix in prefixes for name in ("TOTAL_FORMS", "INITIAL_FORMS")}
        words = {"title": "Ein Streik", "summary": "Seit Mai.", "story": "Jeden Tag.", "place": "", "outcome": ""}
        more = {"slug": "taken-over", "published_at_0": "2011-09-01", "published_at_1": "12:00"}
        assert desk.post(f"{address}?language=de", data | words | more).status_code == 302
        changed = Strike.objects.get()
        assert (changed.slug, changed.published_at) == (strike.slug, None)
        assert changed.safe_translation_getter("title", language_code="de") == "Ein Streik"
        assert changed.safe_translation_getter("title", language_code="en") == "A strike"

    def test_changes_the_words_of_a_picket_and_neither_its_place_nor_its_hour(self, desk):
        picket = PicketFactory(place="London")
        address = reverse("admin:protests_picket_change", args=[picket.pk])
        words = {"place": "Londres", "address": "", "date_text": "", "text": "Venez."}
        moved = {"country": "FR", "starts_at_0": "2030-01-01", "starts_at_1": "12:00", "time_zone": "Europe/Paris"}
        assert desk.post(f"{address}?language=de", words | moved).status_code == 302
        changed = Picket.objects.get()
        assert changed.safe_translation_getter("place", language_code="de") == "Londres"
        assert (changed.country, changed.starts_at, changed.time_zone) == (
            picket.country,
            picket.starts_at,
            picket.time_zone,
        )

    def test_publishes_and_adds_nothing(self, desk):
        activist = ActivistFactory(published_at=None)
        desk.post(
            reverse("admin:campaign_activist_changelist"), {"action": "publish", "_selected_action": [activist.pk]}
        )
        activist.refresh_from_db()
        assert activist.published_at is None
        assert desk.get(reverse("admin:campaign_activist_add")).status_code == 403

    def test_learns_no_visitors_address_and_is_asked_for_no_decision(self, desk):
        sent = [SubmittedMessageFactory(), SubmittedReportFactory()]
        for row in sent:
            name = f"admin:{row._meta.app_label}_{row._meta.model_name}_change"
            page = desk.get(reverse(name, args=[row.pk]))
            assert page.status_code == 200
            assert "nora@example.org" not in page.text
        assert "Sent in by visitors" not in desk.get(reverse("admin:index")).text
        desk.force_login(organiser("M"))
        assert "Sent in by visitors" in desk.get(reverse("admin:index")).text
