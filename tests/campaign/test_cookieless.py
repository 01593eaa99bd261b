"""Who may post a public form: our own pages, in whatever browser, and no page of another site that says so."""

import pytest
from django.test import RequestFactory

from campaign.cookieless import is_from_another_site

# Under the policy of our pages, "no-referrer", a browser sends `Origin: null`.
OURS = [
    pytest.param(
        {"Sec-Fetch-Site": "same-origin", "Origin": "null"}, id="the browsers of today, Tor Browser among them"
    ),
    pytest.param({"Sec-Fetch-Site": "none"}, id="sent by somebody's own programs, or from a bookmark"),
    pytest.param({"Origin": "null"}, id="Chrome before 76, as on old Androids, and Safari before 16.4"),
    pytest.param({}, id="Firefox before 70, Internet Explorer"),
    pytest.param({"Origin": "http://testserver"}, id="an old browser that knows no policy for referrers"),
]
ELSEWHERE = [
    pytest.param({"Sec-Fetch-Site": "cross-site", "Origin": "null"}, id="a page that hides where it is"),
    pytest.param({"Sec-Fetch-Site": "same-site", "Origin": "null"}, id="another host of our domain"),
    pytest.param({"Origin": "https://evil.example.org"}, id="in an old browser"),
    pytest.param({"Origin": "http://[bad"}, id="an origin that is none"),
]


@pytest.mark.parametrize("headers", OURS)
def test_no_supporter_is_refused_for_the_browser_they_have(headers):
    assert not is_from_another_site(RequestFactory().post("/subscribe/", headers=headers))


@pytest.mark.parametrize("headers", ELSEWHERE)
def test_what_another_site_sends_is_refused(headers):
    assert is_from_another_site(RequestFactory().post("/subscribe/", headers=headers))
