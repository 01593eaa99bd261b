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
# What stands where bytes could not be read: part of the text was lost on its way.
_LOST = "\ufffd"
_JOINERS = {"\u200c", "\u200d"}
# The scripts that spell with joiners: Arabic's and its kin, those of India and of South-East Asia, Mongolian.
_JOINED = re.compile(
    "[\u0600-\u08ff\u0900-\u0dff\u1000-\u109f\u1780-\u18af\u1a00-\u1cff\ua800-\uaaff\ufb50-\ufdff\ufe70-\ufefc"
    "\U00010a00-\U00011fff]"
)
_VIRAMA = 9  # the combining class of the signs after which a joiner has a meaning of its own (RFC 5892, A.1 and A.2)
# Needed where left-to-right and right-to-left words stand in one line.
_MARKS = {"\u200e", "\u200f", "\u061c"}
# They show nothing, but are letters or marks by category (Unicode's Default_Ignorable_Code_Point): the fillers of the
# Korean script, the grapheme joiner, and two vowels of Khmer that nobody writes.
_FILLERS = {"\u115f", "\u1160", "\u3164", "\uffa0", "\u034f", "\u17b4", "\u17b5"}
# They choose the form of the character before them: of a symbol, a digit in a key, a Chinese or a Mongolian character.
_SELECTOR = re.compile("[\ufe00-\ufe0f\U000e0100-\U000e01ef\u180b-\u180d\u180f]")
_SELECTABLE = re.compile(
    "[#*0-9\u00a9\u00ae\u1820-\u18aa\u203c\u2049\u2100-\u2bff\u2e80-\u9fff\uf900-\ufaff\U0001f000-\U0001faff"
    "\U00020000-\U0003ffff]"
)
# More than any script stacks on one letter, and few enough that text stays in its line; and Unicode's normal form takes
# the square of their number to find.
_MOST_MARKS = 8
_LINE_BREAK = re.compile("\r\n|[\r\n\v\f\x1c-\x1e\x85\u2028\u2029]")
_BLANK_PATTERN = "\u2800"  # of Braille: a blank, and a letter or a symbol to no rule but the eye


def _refuse(text: str) -> None:
    stacked = 0
    for character in text:
        category = unicodedata.category(character)
        if character in _OVERRIDES or character == _LOST or category in {"Cc", "Cs", "Co"} or _is_none(character):
            raise ValidationError(
                _("This text holds a character that cannot be shown (%(code)s). Please type it anew."),
                code="invisible",
                params={"code": f"U+{ord(character):04X}"},
            )
        if category in {"Mn", "Me"}:
            stacked += 1
        elif category != "Cf":
            stacked = 0
        if stacked > _MOST_MARKS:
            raise ValidationError(_("Too many marks stand on one letter in this text. Please type it anew."), "stacked")


def _is_none(character: str) -> bool:
    """Whether Unicode has set the code point aside for never being a character."""
    return "\ufdd0" <= character <= "\ufdef" or ord(character) & 0xFFFE == 0xFFFE


def _visible(text: str, keep: set[str]) -> str:
    """
    Return `text` in NFC, without what shows nothing and means nothing where it stands.

    That is fillers, selectors without something to select, joiners outside the scripts and emoji that need them, and
    the format characters (Unicode category Cf) that are not in `keep`. NFC, not NFKC: a name is kept as it is spelt.
    """
    keep = keep | _JOINERS
    seen = [c for c in text if c not in _FILLERS and (unicodedata.category(c) != "Cf" or c in keep)]
    kept: list[str] = []
    for index, character in enumerate(seen):
        before = kept[-1] if kept else ""
        after = seen[index + 1] if index + 1 < len(seen) else ""
        if character in _JOINERS and not _joins(before, character, after):
            continue
        if _SELECTOR.match(character) and not _SELECTABLE.match(before):
            continue
        kept.append(character)
    return unicodedata.normalize("NFC", "".join(kept))


def _joins(before: str, joiner: str, after: str) -> bool:
    if not _JOINED.match(before):
        # Emoji are symbols, and so is the colour of their skin.
        return joiner == "\u200d" and _is_symbol(before) and _is_symbol(after)
    return unicodedata.combining(before) == _VIRAMA or bool(_JOINED.match(after))


def _is_symbol(character: str) -> bool:
    return character == "\ufe0f" or (character > "\x7f" and unicodedata.category(character) in {"So", "Sk"})


def clean_name(text: str) -> str:
    """Return a name on one line. Raise ValidationError for control characters and where no letter or digit is left."""
    text = " ".join(_LINE_BREAK.sub(" ", text).replace(_BLANK_PATTERN, " ").split())
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
    text = _LINE_BREAK.sub("\n", text).replace("\t", " ").replace(_BLANK_PATTERN, " ")
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
