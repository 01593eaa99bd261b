"""
Addresses in the spirit of the isemail collection, each with what the form says to it. The list is our own.

Taken is what a server anywhere can be asked to take mail for; of what RFC 5321 allows beyond that (quotes, comments,
addresses of machines), nobody has a mailbox that we have heard of, and much of it is used to get past checks.
"""

import pytest
from django.core.exceptions import ValidationError

from privacy.typed import clean_address

LABEL = "x" * 63
TAKEN = {
    "nora@example.org": "nora@example.org",
    "NORA@EXAMPLE.ORG": "NORA@example.org",
    "n@example.org": "n@example.org",
    "1@example.org": "1@example.org",
    "nora.berg@example.org": "nora.berg@example.org",
    "nora-@example.org": "nora-@example.org",
    "-nora@example.org": "-nora@example.org",
    "_@example.org": "_@example.org",
    "o'brien@example.org": "o'brien@example.org",
    "=1+1@example.org": "=1+1@example.org",
    "nora+strike@example.org": "nora+strike@example.org",
    "!#$%&'*+-/=?^_`{|}~@example.org": "!#$%&'*+-/=?^_`{|}~@example.org",
    "x" * 64 + "@example.org": "x" * 64 + "@example.org",
    f"nora@{LABEL}.org": f"nora@{LABEL}.org",
    "nora@a.b.c.d.e.f.example.org": "nora@a.b.c.d.e.f.example.org",
    "nora@exa-mple.org": "nora@exa-mple.org",
    "nora@exa--mple.org": "nora@exa--mple.org",
    "nora@1.example.org": "nora@1.example.org",
    "nora@123.org": "nora@123.org",
    "nora@xn--bcher-kva.example.org": "nora@xn--bcher-kva.example.org",
    "nora@bücher.example.org": "nora@xn--bcher-kva.example.org",
    "nora@bu\u0308cher.example.org": "nora@xn--bcher-kva.example.org",
    "nora@пример.example.org": "nora@xn--e1afmkfd.example.org",
    "nora@ｅｘａｍｐｌｅ.org": "nora@example.org",
    "nora@example。org": "nora@example.org",
    " nora@example.org\r\n": "nora@example.org",
    "\u00a0nora@example.org\u3000": "nora@example.org",
}
REFUSED = [
    *("@", "nora", "nora@", "@example.org", "@@example.org", "nora@@example.org", "nora@no@example.org"),
    *("nora.example.org", "nora@example", "nora@org", "nora@.example.org", "nora@example..org", "nora@example.org."),
    *(".nora@example.org", "nora.@example.org", "no..ra@example.org", ".@example.org", "..@example.org"),
    *("nora@-example.org", "nora@example-.org", "nora@ex_ample.org", "nora@example.-org", "nora@*.example.org"),
    *("no ra@example.org", "nora @example.org", "nora@ example.org", "nora@exam ple.org", "nora@example. org"),
    *('"nora"@example.org', '"no ra"@example.org', '""@example.org', '"nora@example.org', 'nora"@example.org'),
    *(
        '"no\\"ra"@example.org',
        '"\\a"@example.org',
        '"nora"berg@example.org',
        '"nora".berg@example.org',
        '"\0"@example.org',
    ),
    *("(comment)nora@example.org", "nora(comment)@example.org", "nora@example.org(comment)", "nora@(c)example.org"),
    *("nora\r\n @example.org", "\r\n nora@\r\n example.org", "nora@example.org\r\n x", "nora\n@example.org"),
    *("nora@[127.0.0.1]", "nora@[IPv6:::1]", "nora@[::1]", "nora@[example.org]", "nora@127.0.0.1", "nora@[1.2.3.4"),
    *("nora@localhost", "nora@printer.local", "nora@a.test", "nora@a.invalid"),
    *("nora@a.onion", "nora@1.168.192.in-addr.arpa", "nora@example.123"),
    *(
        "x" * 65 + "@example.org",
        f"nora@{LABEL}x.org",
        "nora@" + f"{LABEL}." * 4 + "org",
        "x" * 60 + "@" + "y." * 98 + "org",
    ),
    *("Nora <nora@example.org>", "<nora@example.org>", "nora@example.org>", "mailto:nora@example.org"),
    *("nora@example.org, ida@example.org", "nora@example.org;ida@example.org", "nora@example.org ida@example.org"),
    *(
        "nora@example.org\nBcc: ida@example.org",
        "nora@example.org%0aBcc:ida@example.org",
        "nora@example.org?bcc=ida@b.org",
    ),
    *("jörg@example.org", "нора@example.org", "ｎora@example.org", "nora\u0301@example.org", "\u0131@example.org"),
    *("no\0ra@example.org", "nora@exam\0ple.org", "no\x07ra@example.org", "no\x7fra@example.org", "nora@example.org\0"),
    *(
        "no\u200bra@example.org",
        "nora\u202e@example.org",
        "nora@exam\u00adple.org",
        "\ufeffnora@example.org",
        "\ud800@b.org",
    ),
    *(
        "nora@xn--a.org",
        "nora@xn--.org",
        "nora@example.xn--",
        "no,ra@example.org",
        "no:ra@example.org",
        "no\\ra@example.org",
    ),
    *(
        "nora@exam/ple.org",
        "../../etc/passwd@example.org",
        "nora@../../example.org",
        "nora@example.org/",
        "\ufffd@b.org",
    ),
]


@pytest.mark.parametrize("typed", TAKEN)
def test_an_address_that_can_be_written_to_is_taken(typed):
    assert clean_address(typed) == TAKEN[typed]


@pytest.mark.parametrize("typed", REFUSED)
def test_an_address_that_cannot_be_written_to_is_refused_with_words(typed):
    with pytest.raises(ValidationError, match="This is not an e-mail address"):
        clean_address(typed)
