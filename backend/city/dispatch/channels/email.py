"""E-mail over SMTP, in a thread since smtplib blocks. Accepted means 250 after DATA (RFC 5321)."""

from __future__ import annotations

import asyncio
import smtplib
import ssl
from email.message import EmailMessage
from email.utils import formatdate
from pathlib import Path

from backend.city.dispatch import wording
from backend.city.dispatch.channels.channel import Envelope, Later, Never, Outcome, Sent
from backend.city.dispatch.channels.settings import PORTS, Email
from hub.core import tls
from hub.core.text import phrase, reason_of


class EmailChannel:
    """A mail server."""

    def __init__(self, settings: Email) -> None:
        self._settings = settings

    async def send(self, message: Envelope) -> Outcome:
        made = letter(self._settings, message)
        try:
            await asyncio.to_thread(self._deliver, made)
        except (smtplib.SMTPRecipientsRefused, smtplib.SMTPSenderRefused, smtplib.SMTPDataError) as error:
            code = _code(error)
            said = phrase("dispatch-mail-refused", "the mail server refuses it ({code})", code=code)
            return Never(said) if code >= 500 else Later(said)
        except (smtplib.SMTPAuthenticationError, smtplib.SMTPNotSupportedError, ssl.SSLError) as error:
            return Later(phrase("dispatch-mail-settings",
                                "the mail server refuses user, password or certificate: correct {file} ({reason})",
                                file="channels.yaml", reason=type(error).__name__))  # fmt: skip
        except (smtplib.SMTPException, OSError) as error:
            return Later(phrase("dispatch-mail-away", "the mail server does not take it: {reason}",
                                reason=str(reason_of(error))[:200]))  # fmt: skip
        return Sent(str(made["Message-ID"]))

    def _deliver(self, made: EmailMessage) -> None:
        one = self._settings
        port = one.port or PORTS[one.security]
        context = None if one.security == "none" else tls.client(file=Path(one.ca) if one.ca else None)
        if one.security == "tls":
            server: smtplib.SMTP = smtplib.SMTP_SSL(one.host, port, timeout=one.timeout, context=context)
        else:
            server = smtplib.SMTP(one.host, port, timeout=one.timeout)
        with server:
            if one.security == "starttls":
                server.starttls(context=context)
            if one.user:
                server.login(one.user, one.password)
            server.send_message(made)


def letter(settings: Email, message: Envelope) -> EmailMessage:
    """Return the e-mail of a message. Its Message-ID is made of the message's id, so that a mail system which sees one
    twice may drop it."""
    facts, domain = message.facts, settings.sender.rpartition("@")[2]
    made = EmailMessage()
    made["From"] = settings.sender
    made["To"] = message.address
    made["Subject"] = f"[Îlot] {wording.subject(facts, message.language)}"[:300]
    made["Date"] = formatdate()
    made["Message-ID"] = f"<{message.id}@{domain}>"
    if message.first and message.first != message.id:
        made["References"] = f"<{message.first}@{domain}>"
        made["In-Reply-To"] = f"<{message.first}@{domain}>"
    made["Auto-Submitted"] = "auto-generated"  # RFC 3834: suppresses absence replies
    made["X-Ilot-Alert"] = wording.one_line(facts.alert)[:100]
    made.set_content(wording.body(facts, message.language, message.zone))
    return made


def _code(error: smtplib.SMTPException) -> int:
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        return max((code for code, _ in error.recipients.values()), default=450)
    return int(getattr(error, "smtp_code", 450))
