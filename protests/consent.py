"""
What signers agree to, by version. A signature records the version that its signer saw.

Political opinions and trade-union membership are special categories of personal data: GDPR, article 9 (2)(a) asks for
explicit consent to each purpose. A text is never edited once it was shown: add a version, and make it the current one.
"""

from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext_lazy as _


@dataclass(frozen=True)
class Consent:
    letter: Any
    updates: Any


CONSENTS = {
    "2026-11": Consent(
        letter=_(
            "I want this letter to be sent by e-mail, with my name, my country, my own words and my organisation in "
            "it, to the addressees shown on this page. I know that it shows a political opinion, and that an addressee "
            "may be an authority of the state that the letter protests against, or may pass it on to one. My e-mail "
            "address is not given to them. The campaign may keep what I typed, encrypted, for this purpose."
        ),
        updates=_("The campaign may also use my e-mail address to write to me about what happens next."),
    ),
    "2026-11-paper": Consent(
        letter=_(
            "I want this letter to be sent by e-mail, or handed over on paper, with my name, my country, my own words "
            "and my organisation in it, to the addressees shown on this page. I know that it shows a political "
            "opinion, and that an addressee may be an authority of the state that the letter protests against, or may "
            "pass it on to one. My e-mail address is not given to them. The campaign may keep what I typed, encrypted, "
            "for this purpose."
        ),
        updates=_("The campaign may also use my e-mail address to write to me about what happens next."),
    ),
}
CURRENT = "2026-11-paper"
# Versions whose signers agreed that their letter is handed over on paper, too.
ON_PAPER = frozenset({"2026-11-paper"})


def current() -> Consent:
    return CONSENTS[CURRENT]
