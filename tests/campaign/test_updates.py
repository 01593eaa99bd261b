"""Updates are found again by month and by their words, looked at before they are saved, and commented on."""

import re
import time
from datetime import UTC, datetime, timedelta

import pytest
from django.contrib.auth.models import Permission
from django.db import IntegrityError, transaction
from django.utils import timezone

from campaign.models import Comment, Update
from limits.models import Why
from limits.stamping import stamp
from privacy.purging import purge
from tests.factories import ActivistFactory, OrganiserFactory, SubmittedCommentFactory, UpdateFactory

pytestmark = pytest.mark.django_db


def listed(client, path, status=200):
    """The titles on the page, in their order."""
    response = client.get(path)
    assert response.status_code == status
    return re.findall(r'<h3><a href="/(?:\w\w/)?updates/[^"]*">(.*?)</a></h3>', response.text)


def at(year, month, day, hour=12):
    return datetime(year, month, day, hour, tzinfo=UTC)


# --- By month --------------------------------------------------------------------------------------------------------


def test_a_month_holds_its_updates_newest_first_and_no_others(client):
    for title, when in {
        "August": at(2011, 8, 31),
        "First": at(2011, 9, 1),
        "Last": at(2011, 9, 30),
        "October": at(2011, 10, 1),
        "Next year": at(2012, 9, 1),
    }.items():
        UpdateFactory(title=title, published_at=when)
    UpdateFactory(title="Draft", published_at=None)
    assert listed(client, "/updates/2011/09/") == ["Last", "First"]


def test_a_month_is_one_of_the_sites_own_clock(client, settings):
    settings.TIME_ZONE = "Asia/Almaty"
    UpdateFactory(title="Past midnight there", published_at=at(2011, 8, 31, 20))
    assert listed(client, "/updates/2011/09/") == ["Past midnight there"]
    listed(client, "/updates/2011/08/", status=404)
    assert 'href="/updates/2011/09/"' in client.get("/updates/").text


def test_the_list_of_months_counts_what_is_published(client):
    for when in (at(2011, 9, 1), at(2011, 9, 2), at(2011, 12, 16)):
        UpdateFactory(published_at=when)
    UpdateFactory(published_at=None)
    html = client.get("/updates/").text
    months = re.findall(r'<a href="(/updates/\d{4}/\d\d/)">(.*?)</a>\s*<span class="meta">\((\d+)\)', html)
    assert months == [("/updates/2011/12/", "December 2011", "1"), ("/updates/2011/09/", "September 2011", "2")]


@pytest.mark.parametrize(
    "path", ["/updates/2011/10/", "/updates/0000/01/", "/updates/9999/12/", "/updates/2011/13/", "/updates/2011/9/"]
)
def test_a_month_without_updates_or_that_is_none_is_not_found(client, path):
    UpdateFactory()
    listed(client, path, status=404)


def test_a_long_month_comes_in_pages(client):
    for number in range(21):
        UpdateFactory(title=f"n{number}", published_at=at(2011, 9, 1 + number))
    assert listed(client, "/updates/2011/09/?page=2") == ["n0"]


# --- By words --------------------------------------------------------------------------------------------------------


@pytest.fixture
def written():
    russian = UpdateFactory(slug="ru", title="Blockade", summary="", body="Of the road.")
    russian.create_translation("ru", title="Перекрыта дорога", summary="", body="Нефтяники стоят.")
    UpdateFactory(slug="gate", title="At the gate", summary="A short summary", body="Nobody *left*.")
    person = ActivistFactory(name="Natalia Sokolova")
    person.aliases.create(name="Наталья Соколова")
    UpdateFactory(slug="court", title="In court", summary="", body="She spoke.").activists.add(person)


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("GATE", ["At the gate"]),
        ("nobody gate", ["At the gate"]),
        ("summary", ["At the gate"]),
        ("нефтяники", ["Blockade"]),
        ("ДОРОГА", ["Blockade"]),
        ("sokolova", ["In court"]),
        ("соколова spoke", ["In court"]),
        ("gate court", []),
        ("100%", []),
        ("_", []),
        ("\x00", ["In court", "At the gate", "Blockade"]),
    ],
)
def test_search_finds_all_words_in_any_language_and_in_names(client, written, query, found):
    assert listed(client, f"/updates/?q={query.replace('%', '%25')}") == found


def test_a_person_who_is_not_published_leads_to_no_update(client, written):
    UpdateFactory(title="Secret").activists.add(ActivistFactory(name="Hidden Person", published_at=None))
    assert listed(client, "/updates/?q=hidden") == []


def test_an_update_with_a_word_in_two_places_is_found_once(client):
    person = ActivistFactory(name="Gate Keeper")
    person.aliases.create(name="Gate Watcher")
    UpdateFactory(title="Gate", body="gate gate").activists.add(person, ActivistFactory(name="Gate Too"))
    assert listed(client, "/updates/?q=gate") == ["Gate"]


def test_search_that_finds_nothing_says_so_keeps_the_words_and_is_not_indexed(client, written):
    html = client.get("/updates/?q=<nothing>").text
    assert "Nothing was found" in html
    assert 'value="&lt;nothing&gt;"' in html
    assert '<meta name="robots" content="noindex">' in html


def test_what_is_found_comes_in_pages(client):
    for number in range(21):
        UpdateFactory(title=f"n{number} & more", published_at=at(2011, 9, 1 + number))
    html = client.get("/updates/?q=%26+more").text
    assert "21 updates have these words." in html
    assert 'href="?q=%26%20more&amp;page=2"' in html
    assert listed(client, "/updates/?q=%26+more&page=2") == ["n0 &amp; more"]


def test_a_very_long_query_is_cut_and_answered(client, django_assert_max_num_queries):
    UpdateFactory()
    with django_assert_max_num_queries(10):
        assert listed(client, "/updates/?q=" + "+".join("abcdefghij" for _ in range(500))) == []


# --- Looked at before it is saved ------------------------------------------------------------------------------------

PREVIEW = "/admin/campaign/update/preview/"
TYPED = {"title": "Not <saved>", "summary": "Soon", "body": "They *stand*.", "source": "a witness"}


@pytest.fixture
def desk(client):
    client.force_login(OrganiserFactory())
    return client


def test_the_preview_shows_what_is_in_the_form_and_saves_nothing(desk):
    person = ActivistFactory(name="Rosa Example")
    response = desk.post(PREVIEW, {**TYPED, "activists": [str(person.pk), "x", "9" * 30]})
    assert response.status_code == 200
    for part in ("Not &lt;saved&gt;", "<em>stand</em>", "a witness", "Rosa Example", "only organisers see this"):
        assert part in response.text
    assert "no-store" in response["Cache-Control"]
    assert not Update.objects.exists()


def test_the_preview_is_in_the_language_of_the_tab(desk):
    assert '<html lang="de"' in desk.post(f"{PREVIEW}?language=de", TYPED).text
    assert '<html lang="en"' in desk.post(f"{PREVIEW}?language=xx", TYPED).text


@pytest.mark.parametrize("path", ["/admin/campaign/update/add/", "/admin/campaign/update/{pk}/change/?language=de"])
def test_the_form_leads_to_the_preview(desk, path):
    html = desk.get(path.format(pk=UpdateFactory().pk)).text
    language = "de" if "de" in path else "en"
    assert f'formaction="{PREVIEW}?language={language}"' in html


def test_an_empty_form_has_a_preview_too(desk):
    assert desk.post(PREVIEW).status_code == 200
    assert desk.get(PREVIEW).status_code == 302


def test_who_may_write_no_updates_has_no_preview(client):
    user = OrganiserFactory(is_superuser=False)
    user.user_permissions.add(Permission.objects.get(codename="view_update"))
    client.force_login(user)
    assert client.post(PREVIEW, TYPED).status_code == 403


# --- Comments --------------------------------------------------------------------------------------------------------

COMMENT = "/updates/u/comment/"


@pytest.fixture
def posted():
    UpdateFactory(slug="u", comments="moderated")
    return {"text": "We <stand> with\nthem.", "person": "Nora", "consent": "on", "stamp": stamp(time.time() - 60)}


def test_a_comment_is_seen_once_an_organiser_has_read_it(client, posted):
    assert f'href="{COMMENT}"' in client.get("/updates/u/").text
    assert client.get(COMMENT).status_code == 200
    response = client.post(COMMENT, posted)
    assert (response.status_code, response.url) == (303, "/sent/")
    (row,) = Comment.objects.waiting().trusted()
    assert "with<br>them" not in client.get("/updates/u/").text
    client.force_login(OrganiserFactory())
    page = "/admin/campaign/comment/"
    assert "We &lt;stand&gt; with" in client.get(page).text
    data = {"published_at_0": "2011-09-02", "published_at_1": "12:00:00"}
    assert client.post(f"{page}{row.pk}/change/", data).status_code == 302
    row.refresh_from_db()
    assert row.approved_at
    html = client.get("/updates/u/").text
    assert "<p>We &lt;stand&gt; with<br>them.</p>" in html
    assert f'id="comment-{row.pk}"' in html


def test_what_the_limits_doubt_waits_apart(client, posted):
    client.post(COMMENT, {**posted, "homepage": "spam"})
    assert Comment.objects.waiting().doubtful().get().hold == Why.TRAP


@pytest.mark.parametrize("bad", [{"text": ""}, {"text": "x" * 2001}, {"consent": ""}, {"email": "nora@localhost"}])
def test_a_comment_that_cannot_be_taken_is_told_why(client, posted, bad):
    response = client.post(COMMENT, {**posted, **bad})
    assert response.status_code == 400
    assert "Nothing has been sent yet" in response.text
    assert not Comment.objects.exists()


@pytest.mark.parametrize("changed", [{"comments": "off"}, {"published_at": None}])
def test_where_none_are_taken_none_are_shown_and_none_can_be_sent(client, posted, changed):
    update = Update.objects.get()
    now = timezone.now()
    SubmittedCommentFactory(update=update, text="Seen before", approved_at=now, published_at=now)
    assert "Seen before" in client.get("/updates/u/").text
    Update.objects.update(**changed)
    assert client.get(COMMENT).status_code == 404
    assert client.post(COMMENT, posted).status_code == 404
    assert "Seen before" not in client.get("/updates/u/").text
    assert Comment.objects.count() == 1


def test_an_update_takes_no_comments_unless_an_organiser_says_so(client):
    UpdateFactory(slug="u")
    assert "comment/" not in client.get("/updates/u/").text
    with pytest.raises(IntegrityError), transaction.atomic():
        Update.objects.update(comments="all")


def test_a_comment_is_never_seen_without_an_approval():
    row = SubmittedCommentFactory()
    with pytest.raises(IntegrityError), transaction.atomic():
        Comment.objects.filter(pk=row.pk).update(published_at=timezone.now())


def test_a_comment_that_nobody_decided_on_goes_and_so_does_the_name_beside_an_old_one():
    now = timezone.now()
    SubmittedCommentFactory(submitted_at=now - timedelta(days=91))
    kept = SubmittedCommentFactory(submitted_at=now - timedelta(days=731), approved_at=now, published_at=now)
    purge()
    (row,) = Comment.objects.all()
    assert (row.pk, row.person, row.text) == (kept.pk, "", kept.text)


def test_the_desk_refuses_and_publishes_comments_but_does_not_rewrite_them(desk):
    row = SubmittedCommentFactory()
    assert desk.get("/admin/campaign/comment/add/").status_code == 403
    url = f"/admin/campaign/comment/{row.pk}/change/"
    assert desk.get(url).status_code == 200
    desk.post(url, {"text": "Other words", "person": "X", "published_at_0": "", "published_at_1": ""})
    row.refresh_from_db()
    assert row.text == "We stand with them."
    for state in ("waiting", "doubtful", "refused", "draft", "published"):
        assert desk.get(f"/admin/campaign/comment/?state={state}").status_code == 200


def test_the_first_month_that_a_calendar_knows_is_no_error(client, settings):
    """East of Greenwich it begins before time itself."""
    settings.TIME_ZONE = "Asia/Almaty"
    timezone.get_default_timezone.cache_clear()
    try:
        assert client.get("/updates/0001/01/").status_code == 404
    finally:
        timezone.get_default_timezone.cache_clear()
