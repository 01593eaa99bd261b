"""What mail servers and people send back: written after RFC 3464 and after the styles of several servers."""

LETTER = """\
Return-Path: <{to}>
From: Nora Berg <letters@solidarity.example.org>
To: embassy@example.org
Subject: Free her
Message-ID: <1@solidarity.example.org>

Dear Ambassador, 550 5.1.1 stands in this letter, too.
"""


def dsn(to, *, action="failed", status="5.1.1", code="smtp; 550 5.1.1 <embassy@example.org>: unknown user", **kwargs):
    """A report after RFC 3464, as Postfix writes it. `recipients`: more blocks of fields."""
    blocks = [fields(action, status, code), *kwargs.get("recipients", [])]
    return f"""\
Return-Path: <>
From: MAILER-DAEMON@mx.example.org (Mail Delivery System)
Subject: Undelivered Mail Returned to Sender
To: {to}
Auto-Submitted: auto-replied
MIME-Version: 1.0
Content-Type: multipart/report; report-type={kwargs.get("kind", "delivery-status")}; boundary="=_1"

This is a MIME-encapsulated message.

--=_1
Content-Description: Notification
Content-Type: text/plain; charset=us-ascii

This is the mail system at host mx.example.org.

<embassy@example.org>: unknown user

--=_1
Content-Description: Delivery report
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.example.org
Arrival-Date: Mon, 12 Sep 2011 12:00:00 +0000

{chr(10).join(blocks)}
--=_1
Content-Description: Undelivered Message
Content-Type: message/rfc822

{LETTER.format(to=to)}
--=_1--
""".encode()


def fields(action, status, code="", recipient="embassy@example.org"):
    lines = [f"Final-Recipient: rfc822; {recipient}", f"Action: {action}"]
    lines += [f"Status: {status}"] if status else []
    lines += [f"Diagnostic-Code: {code}"] if code else []
    return "\n".join(lines) + "\n"


def qmail(to, words="Sorry, no mailbox here by that name. (#5.1.1)"):
    return f"""\
Return-Path: <>
Date: 12 Sep 2011 12:00:00 -0000
From: MAILER-DAEMON@qmail.example.org
To: {to}
Subject: failure notice

Hi. This is the qmail-send program at qmail.example.org.
I'm afraid I wasn't able to deliver your message to the following addresses.
This is a permanent error; I've given up. Sorry it didn't work out.

<embassy@example.org>:
{words}

--- Below this line is a copy of the message.

{LETTER.format(to=to)}""".encode()


def exim(to, words="550 5.1.1 No such person at this address"):
    return f"""\
Return-path: <>
X-Failed-Recipients: embassy@example.org
Auto-Submitted: auto-replied
From: Mail Delivery System <Mailer-Daemon@exim.example.org>
To: {to}
Subject: Mail delivery failed: returning message to sender

This message was created automatically by mail delivery software.

A message that you sent could not be delivered to one or more of its
recipients. This is a permanent error. The following address(es) failed:

  embassy@example.org
    host mx.example.org [192.0.2.1]
    SMTP error from remote mail server after RCPT TO:<embassy@example.org>:
    {words}

------ This is a copy of the message, including all the headers. ------

{LETTER.format(to=to)}""".encode()


def exim_warning(to):
    return f"""\
Return-path: <>
Auto-Submitted: auto-replied
From: Mail Delivery System <Mailer-Daemon@exim.example.org>
To: {to}
Subject: Warning: message 1R2abc-0001 delayed 24 hours

This message was created automatically by mail delivery software.
A message that you sent has not yet been delivered to one or more of its
recipients after more than 24 hours on the queue on exim.example.org.

The address to which the message has not yet been delivered is:

  embassy@example.org
    Delay reason: 451 4.7.1 greylisted

No action is required on your part. Delivery attempts will continue for
some time.
""".encode()


def exchange(to):
    return f"""\
From: postmaster@example.org
To: {to}
Subject: Undeliverable: Free her
MIME-Version: 1.0
Content-Type: multipart/mixed; boundary="x"

--x
Content-Type: text/plain

Your message

  To:      embassy@example.org
  Subject: Free her

did not reach the following recipient(s):

embassy@example.org on Mon, 12 Sep 2011 12:00:00 +0000
    The recipient name is not recognized
    MSEXCH:IMS:Example:Site:Server 0 (000C05A6) Unknown Recipient

--x
Content-Type: message/rfc822

{LETTER.format(to=to)}
--x--
""".encode()


def postfix_of_old(to):
    return f"""\
Return-Path: <>
From: MAILER-DAEMON@mx.example.org (Mail Delivery System)
Subject: Undelivered Mail Returned to Sender
To: {to}
MIME-Version: 1.0
Content-Type: multipart/mixed; boundary="=_1"

--=_1
Content-Description: Notification
Content-Type: text/plain

This is the Postfix program at host mx.example.org.

I'm sorry to have to inform you that the message returned
below could not be delivered to one or more destinations.

                        The Postfix program

<embassy@example.org>: host mx2.example.org[192.0.2.1] said: 554 5.1.1
    <embassy@example.org>: Recipient address rejected

--=_1
Content-Type: message/rfc822

{LETTER.format(to=to)}
--=_1--
""".encode()


def absence(to, sender="Clerk <clerk@example.org>", **headers):
    more = "".join(f"{name.replace('_', '-')}: {value}\n" for name, value in headers.items())
    return f"""\
Return-Path: <>
From: {sender}
To: {to}
Subject: Out of office
{more}
I am away until Monday. Delivery to the following recipient failed permanently:

     embassy@example.org

Technical details of permanent failure: 550 5.1.1 unknown user
""".encode()


def challenge(to):
    return f"""\
Return-Path: <>
From: Embassy <embassy@example.org>
To: {to}
Subject: Please confirm your message
Auto-Submitted: auto-replied

Your message is held until you reply to this one. 550 5.7.1
""".encode()
