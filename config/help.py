"""
What stands on top of each list and form of the desk: what this is, and what to do here.

For volunteers: no word that only a programmer knows. A page that explains itself needs no text of its own here.
"""

from typing import NamedTuple

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

Text = str | Promise


class Help(NamedTuple):
    """`on_list` stands on top of the list, `on_form` on top of the page of one row."""

    on_list: Text
    on_form: Text


_MAIL_FORM = _(
    "One mail and what became of it. To send it again, settle or withdraw it, go back to the list, select it and "
    "choose an action."
)

HELP: dict[str, Help] = {
    "auth.user": Help(
        _("Everybody who can log in here. New people make their own account: invite them under Invitations."),
        _(
            "Choose one or more roles under “groups”: Editor, Moderator, Treasurer, Translator or Owner. Enter an "
            "e-mail address, so that trial mails can be sent. When somebody leaves, press “Let go” instead of deleting "
            "the account: they are out at once, and what they did stays under their name."
        ),
    ),
    "organisers.auditentry": Help(
        _(
            "Who did what at this desk, and when, the newest first. Nobody can change or remove a line. Supporters’ "
            "names, addresses and words are never in it: there it only says that they were changed."
        ),
        _("One thing that somebody did: what it was before, and after."),
    ),
    "organisers.invitation": Help(
        _("Who was invited to help run the campaign. Each link is good once, for 72 hours, and can be withdrawn."),
        _(
            "Whom you invite chooses name, password and second factor. Check the address twice: who gets the mail "
            "gets the account."
        ),
    ),
    "auth.group": Help(
        _(
            "The roles: Editor, Moderator, Treasurer, Translator and Owner belong to the program, which sets "
            "their rights "
            "anew with each upgrade. For other combinations add a group of your own."
        ),
        _(
            "What people with this role may do. Do not change the five roles of the program: the next upgrade "
            "sets them "
            "back. Make a group of your own instead."
        ),
    ),
    "campaign.campaign": Help(
        _("The campaign's name and what stands on every page."),
        _("The campaign's name, how it introduces itself, and how people reach you. It stands on every page."),
    ),
    "campaign.strike": Help(
        _(
            "Each strike has a page of its own. All else belongs to one: while it is a draft, what belongs to it "
            "is not seen."
        ),
        _(
            "Write first what happens, in one or two sentences: that is what home shows. Below are its demands, "
            "its days "
            "and what is claimed about it. Leave “published” empty until you have looked at the preview."
        ),
    ),
    "campaign.activist": Help(
        _("The people who face charges, and those who are remembered. Each has a page that supporters pass on."),
        _(
            "Write only what may be public: nobody must come to harm by it. Enter each spelling of the name "
            "under which "
            "people may search."
        ),
    ),
    "campaign.charge": Help(
        _("What each activist is accused of. Where a charge stands follows from its newest step."),
        _(
            "Word the charge as the accuser does. Each time something happens, add a step below instead of "
            "changing an old one."
        ),
    ),
    "campaign.update": Help(
        _("News. An update that is published stands on the home page and in the feed at once."),
        _(
            "A title and a text are enough. Save, look at the preview with “View on site”, then publish it. "
            "Afterwards it can be mailed to its subscribers."
        ),
    ),
    "campaign.messageofsupport": Help(
        _("What unions and others have sent to the strikers."),
        _("One message, as it was sent. Shorten it where you must, and change no words."),
    ),
    "campaign.endorsement": Help(
        _("Unions and branches that have resolved to stand with the strikers. What visitors send in waits here first."),
        _("Ask the organisation back before you publish it: it speaks for more people than the one who wrote."),
    ),
    "campaign.comment": Help(
        _("What readers wrote below updates that take comments. Nobody sees one before you have published it."),
        _("One comment, as it was sent. Publish or refuse it; its words cannot be changed."),
    ),
    "campaign.picture": Help(
        _("Pictures to show in updates and with people. The number of each is what you write into a text."),
        _(
            "Say in one sentence what is to be seen, for those who cannot see it. Look whom the picture could harm "
            "before you publish it."
        ),
    ),
    "campaign.labour": Help(
        _("For a strike: what one worker brings in during a month, and who gets how much of it, drawn as one bar."),
        _("Type the whole and the shares in whole units of the currency; what they leave over is worked out."),
    ),
    "campaign.document": Help(
        _("Texts to take along: an appeal, a motion for a branch, a leaflet, an analysis."),
        _("Each has a page of its own, which can be printed."),
    ),
    "campaign.mailing": Help(
        _("Updates on their way to the subscribers. One organiser makes a mailing, another one approves it."),
        _("Choose an update. Nothing is sent by that: the next page shows the text and how many would get it."),
    ),
    "campaign.mailingcopy": Help(_("Each subscriber's copy of a mailing, and what became of it."), _MAIL_FORM),
    "campaign.mailingtrial": Help(
        _("Copies that organisers sent to themselves before a mailing was approved."), _MAIL_FORM
    ),
    "campaign.subscriber": Help(
        _("Who gets the updates by mail. Search for a whole address to unsubscribe who asks you to."),
        _("To look at. To unsubscribe this person, go back to the list, select the row and choose “Unsubscribe”."),
    ),
    "campaign.mydatamail": Help(_("Mails to people who asked what is held of them."), _MAIL_FORM),
    "campaign.subscriptionmail": Help(_("Mails that ask people to confirm that they want the updates."), _MAIL_FORM),
    "protests.letter": Help(
        _("The letters that supporters sign. One that is published and not closed can be signed at once."),
        _(
            "Write the letter, choose who gets it, save, and look at the preview for two or three countries before you "
            "publish it. Later changes do not touch what others have signed already."
        ),
    ),
    "protests.target": Help(
        _(
            "The offices that get letters: embassies, ministries, companies. “Trouble” says whose letters wait, "
            "and why."
        ),
        _(
            "An office, its address and its countries. Check the address twice: letters to a wrong one are lost. "
            "Its pace "
            "says how many letters leave for it in a day."
        ),
    ),
    "protests.maildomain": Help(
        _("How many letters a day all offices at one mail domain get together; * stands for all of them."),
        _("Needed only where several targets share one mail server."),
    ),
    "protests.signature": Help(
        _("Who signed. Names and addresses are personal: read them only where you have to, and copy none."),
        _("To look at. Nobody can change what a supporter has signed. If one asks for it, delete the signature here."),
    ),
    "protests.hold": Help(
        _(
            "Signatures that looked unusual. Most are people; some are programs. Nothing has been sent, and each "
            "signer "
            "knows that somebody looks at it first."
        ),
        _("To look at. Go back to the list to release or refuse it."),
    ),
    "protests.delivery": Help(
        _(
            "Each letter on its way to an office. “Accepted” means that its server took the letter, not that it "
            "was read."
        ),
        _MAIL_FORM,
    ),
    "protests.confirmationmail": Help(
        _("Mails that ask supporters to confirm, and those that tell them that a letter did not get through."),
        _MAIL_FORM,
    ),
    "protests.suspensionnotice": Help(
        _("Mails that told you that a target's address refuses letters. The decision is made under “Targets”."),
        _MAIL_FORM,
    ),
    "protests.digest": Help(_("The mail that tells you each morning what became of the letters."), _MAIL_FORM),
    "protests.lettertext": Help(
        _("The words that people have signed, kept as they were. A letter that was changed since has several."),
        _("To look at: what was signed stays as it was."),
    ),
    "protests.picket": Help(
        _("Protests in the street, past and coming."),
        _("Where and when, and what people should bring. A time to come shows it by itself under the coming ones."),
    ),
    "protests.picketreport": Help(
        _("What people tell of a picket where they were, with their pictures. It waits here until you publish it."),
        _("Look at the words and at each face before you publish: it shows the pictures that came with it, too."),
    ),
    "donations.fund": Help(
        _("The funds for the strikers' families. Donors can pay only to an account that two organisers approved."),
        _(
            "What the money is for. The account is proposed under “Bank accounts”; never write its number into "
            "the text."
        ),
    ),
    "donations.bankaccount": Help(
        _("One organiser proposes an account, another one compares it with the bank's paper and approves it."),
        _(
            "Copy holder and IBAN letter for letter from the bank's paper. Nothing changes for donors until "
            "another approves it."
        ),
    ),
    "donations.pledge": Help(
        _("What people have promised to give. To look at: only the giver can change a pledge."),
        _("To look at: only the giver can change or withdraw it, by the link in the mail."),
    ),
    "donations.pledgehold": Help(
        _("Pledges that looked unusual. Nothing was sent; each giver knows that somebody looks at it first."),
        _("To look at. Go back to the list to release or refuse it."),
    ),
    "donations.pledgemail": Help(_("Mails to people who pledged."), _MAIL_FORM),
    "donations.accountnotice": Help(
        _("Mails that told all organisers of a new or withdrawn account. One that you did not expect is an alarm."),
        _MAIL_FORM,
    ),
    "donations.transaction": Help(
        _("The books: each entry stays for good. A mistake is set right by its opposite, and both are seen."),
        _("Record what arrived. It cannot be changed afterwards: look once more before you save."),
    ),
    "donations.allocation": Help(
        _("What each amount was for. To correct one, select it and choose “Undo”: the bank's line then waits again."),
        _("What this amount was for, and who said so."),
    ),
    "donations.bankstatement": Help(
        _("What the bank's files said. Import each statement once; the same line twice is noticed."),
        _("One of the bank's statements, as it was imported."),
    ),
    "donations.collectionsheet": Help(
        _("Money collected by hand. Print a sheet, let two people count apart, then add a photo of the signed sheet."),
        _(
            "What can be done next stands on top. The first count is shown to nobody, so that the second is "
            "worth something."
        ),
    ),
    "donations.disbursement": Help(
        _("What is paid to families. Two organisers have to approve each; the public reads purpose and amount."),
        _(
            "Name no family, neither here nor in the purpose: it is public and stays. What can be done next "
            "stands on top."
        ),
    ),
    "donations.storedfile": Help(
        _("Photos of sheets and receipts. Organisers alone can open them. Erase one that shows too much."),
        _("One file. Its fingerprint stays public, so that anybody can tell later that it was not changed."),
    ),
    "donations.rate": Help(
        _("Exchange rates that you have looked up, for sums across currencies, which are always called rough."),
        _("Write where you read it and of which day it is."),
    ),
    "limits.block": Help(
        _("Networks and mail domains whose posts are held for you to look at. A network can be a whole town's."),
        _("Whoever posts from there is told that somebody looks at it first. Give each block an end."),
    ),
    "outbox.trialletter": Help(
        _("Mails that organisers sent to themselves to see whether mail gets through."), _MAIL_FORM
    ),
}
