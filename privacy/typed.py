"""
What people type into public forms, made safe to store, to show and to put into a mail.

What cannot be seen and carries no meaning is taken out without a word (phones and word processors add it); what can
deceive a reader or break a mail is refused, with a message that says so. Empty text stays empty.
"""

import re
import unicodedata

from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _
from email_validator import EmailNotValidError, validate_email

# They make text read in another order than it is written (UAX 9): "Rosa<RLO>gro.live" shows as "Rosaevil.org".
_OVERRIDES = {"\u202d", "\u202e"}
# Joiners carry meaning between two characters of an emoji, or of a script that needs them (Hebrew onwards: Arabic and
# those of India). Elsewhere they are invisible.
_IDLE_JOINER = re.compile(
    "(?<![^\\0-\u058f\\s\u200c\u200d])[\u200c\u200d]|[\u200c\u200d](?![^\\0-\u058f\\s\u200c\u200d])"
)
_JOINERS = {"\u200c", "\u200d"}
# Needed where left-to-right and right-to-left words stand in one line.
_MARKS = {"\u200e", "\u200f", "\u061c"}
# Letters by category, that show nothing (Unicode's Default_Ignorable_Code_Point): the fillers of the Korean script.
_FILLERS = {"\u115f", "\u1160", "\u3164", "\uffa0"}
_LINE_BREAK = re.compile("\r\n|[\r\n\v\f\x1c-\x1e\x85\u2028\u2029]")


def _refuse(text: str) -> None:
    for character in text:
        if character in _OVERRIDES or unicodedata.category(character) in {"Cc", "Cs", "Co"}:
            raise ValidationError(
                _("This text holds a character that cannot be shown (%(code)s). Please type it anew."),
                code="invisible",
                params={"code": f"U+{ord(character):04X}"},
            )


def _visible(text: str, keep: set[str]) -> str:
    """Return `text` in NFC, without fillers and the format characters (Unicode category Cf) that are not in `keep`."""
    keep = keep | _JOINERS
    seen = (c for c in text if c not in _FILLERS and (unicodedata.category(c) != "Cf" or c in keep))
    text = _IDLE_JOINER.sub("", "".join(seen))
    return unicodedata.normalize("NFC", text)


def clean_name(text: str) -> str:
    """Return a name on one line. Raise ValidationError for control characters and where no letter or digit is left."""
    text = " ".join(_LINE_BREAK.sub(" ", text).split())
    _refuse(text)
    cleaned = " ".join(_visible(text, keep=set()).split())
    if text and not any(c.isalnum() for c in cleaned):
        raise ValidationError(_("There is no letter in this. Please type a name."), code="no_letter")
    return cleaned


def clean_text(text: str) -> str:
    """
    Return a text of several lines: line ends as newlines, at most one empty line in a row.

    Raise ValidationError for control characters.
    """
    text = _LINE_BREAK.sub("\n", text).replace("\t", " ")
    _refuse(text.replace("\n", ""))
    lines = (line.rstrip() for line in _visible(text, keep=_MARKS).split("\n"))
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip()


def clean_address(text: str) -> str:
    """
    Return a mail address as a mail server takes it, its domain in ASCII.

    Raise ValidationError where it is none, where its domain cannot be on the internet (localhost, an IP address), and
    for letters outside ASCII before the @, which few servers take (RFC 6531).
    """
    text = text.strip()
    if not text:
        return ""
    try:
        address = validate_email(text, check_deliverability=False, allow_smtputf8=False, strict=True).ascii_email
    except EmailNotValidError as error:
        raise ValidationError(
            _("This is not an e-mail address we can write to. It should look like name@example.org."), code="address"
        ) from error
    if address is None:  # only with allow_smtputf8, by the library's documentation
        raise ValidationError(_("This is not an e-mail address we can write to."), code="address")
    return address
