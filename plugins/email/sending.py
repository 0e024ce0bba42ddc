"""Sends one message over one connection, in a thread because smtplib blocks."""

from __future__ import annotations

import asyncio
import smtplib
import ssl
from email.message import EmailMessage
from email.utils import formatdate
from typing import TYPE_CHECKING

import hub
from hub.sdk.notification import Language, Notification
from hub.sdk.phrases import Phrase, phrase, reason_of
from hub.sdk.tls import Tls
from plugins.email import PORTS

if TYPE_CHECKING:
    from plugins.email import Config

KEPT, NARROW = "\u00a0", "\u202f"
"""Non-breaking spaces, which French notification sentences contain."""


def message(config: Config, notice: Notification, name: str, timezone: str) -> EmailMessage:
    """Return the e-mail of a notification; `name` is the hub's id, `timezone` that of its site."""
    languages: tuple[Language, ...] = ("fr", "en") if config.language == "both" else (config.language,)
    domain = config.sender.rpartition("@")[2]
    made = EmailMessage()
    made["From"] = config.sender
    made["To"] = ", ".join(config.to)
    made["Subject"] = f"[Îlot] {_one_line(notice.sentence(languages[0]))}"
    made["Date"] = formatdate(notice.changed)
    made["Message-ID"] = f"<{notice.key}.{name[:16]}@{domain}>"
    if notice.n > 1:
        made["References"] = f"<{notice.alert}-1.{name[:16]}@{domain}>"
    made["Auto-Submitted"] = "auto-generated"  # RFC 3834: suppresses absence replies
    made["X-Ilot-Alert"] = notice.alert
    made.set_content("\n\n".join(_body(notice, name, timezone, language) for language in languages) + "\n")
    return made


def _body(notice: Notification, name: str, timezone: str, language: Language) -> str:
    french = language == "fr"
    facts = [
        ("Lieu" if french else "Place", " / ".join(one for one in (notice.site, notice.zone, notice.place) if one)),
        ("Valeur" if french else "Value", notice.amount(language)),
        ("Appareil" if french else "Device", notice.device or notice.integration),
        ("Règle" if french else "Rule", notice.rule),
        ("Par" if french else "By", notice.by),
        ("Motif" if french else "Why", notice.why),
        ("Déclenchée le" if french else "Raised", notice.since(timezone, language)),
        ("Alerte" if french else "Alert", notice.alert),
        ("Concentrateur" if french else "Hub", name),
    ]
    lines = [f"{label}{KEPT if french else ''}: {_one_line(said)}" for label, said in facts if said]
    return "\n".join([_one_line(notice.sentence(language)), "", *lines])


def _one_line(text: str) -> str:
    """Return a text on one line, so that it cannot add a header."""
    plain = "".join(c if c.isprintable() or c in KEPT + NARROW else " " for c in text)
    return " ".join(part for part in plain.split(" ") if part)


async def send(config: Config, notice: Notification, name: str, instance: str, timezone: str) -> str:
    """Send a message. Returns a sentence for the log about the addresses that the server refused, "" when it accepted
    all. Raises NotReady, AuthFailed."""
    made = message(config, notice, name, timezone)
    server = f"{config.host}:{config.port or PORTS[config.security]}"
    where = f"notifiers.{instance}"
    try:
        refused = await asyncio.to_thread(_deliver, config, made)
    except smtplib.SMTPAuthenticationError as error:
        raise hub.AuthFailed(
            phrase(
                "email.user-refused",
                "{server} refuses user and password ({code}): renew {option}",
                server=server,
                code=error.smtp_code,
                option=f"{where}.password",
            )
        ) from error
    except smtplib.SMTPNotSupportedError as error:
        raise hub.AuthFailed(
            phrase(
                "email.no-starttls-or-login",
                "{server} has no STARTTLS or no login: correct {option}",
                server=server,
                option=f"{where}.security",
            )
        ) from error
    except (smtplib.SMTPSenderRefused, smtplib.SMTPRecipientsRefused) as error:
        codes = _codes(error)
        if codes and all(500 <= code < 600 for code in codes):
            raise hub.AuthFailed(
                phrase(
                    "email.addresses-refused",
                    "{server} refuses these addresses ({code}): correct {option}",
                    server=server,
                    code=codes[0],
                    option=where,
                )
            ) from error
        raise hub.NotReady(
            phrase("email.server-takes-nothing-now", "{server} takes nothing now: {codes}", server=server, codes=codes)
        ) from error
    except ssl.SSLCertVerificationError as error:
        why = Tls.refusal(error)
        assert why is not None  # noqa: S101 - it is such an error
        kind = hub.NotReady if why.passing else hub.AuthFailed
        raise kind(
            phrase(
                "email.certificate-refused",
                "{server} shows a certificate that is refused: {reason}",
                server=server,
                reason=why.told(f"{where}.ca"),
            )
        ) from error
    except (smtplib.SMTPException, OSError) as error:
        raise hub.NotReady(
            phrase(
                "email.message-not-taken",
                "{server} does not take the message: {reason}",
                server=server,
                reason=_reason(error),
            )
        ) from error
    if not refused:
        return ""
    return phrase(
        "email.some-addresses-refused",
        "{server} refuses {count} of {total} addresses ({codes}): correct {option}",
        server=server,
        count=len(refused),
        total=len(config.to),
        codes=sorted({code for code, _ in refused.values()}),
        option=f"{where}.to",
    )


def _reason(error: Exception) -> str:
    said = reason_of(error)
    return said if isinstance(said, Phrase) else _one_line(said)[:200]


def _codes(error: smtplib.SMTPSenderRefused | smtplib.SMTPRecipientsRefused) -> list[int]:
    if isinstance(error, smtplib.SMTPSenderRefused):
        return [error.smtp_code]
    return [code for code, _ in error.recipients.values()]


def _deliver(config: Config, made: EmailMessage) -> dict[str, tuple[int, bytes]]:
    """Return the addresses that were refused, where others were accepted."""
    seconds, port = config.timeout.total_seconds(), config.port or PORTS[config.security]
    context = None if config.security == "none" else Tls.client(file=config.ca)
    if config.security == "tls":
        server: smtplib.SMTP = smtplib.SMTP_SSL(config.host, port, timeout=seconds, context=context)
    else:
        server = smtplib.SMTP(config.host, port, timeout=seconds)
    with server:
        if config.security == "starttls":
            server.starttls(context=context)
        if config.user:
            server.login(config.user, config.password.get_secret_value())
        refused = server.send_message(made)
    if refused and len(refused) == len(config.to):
        raise smtplib.SMTPRecipientsRefused(refused)
    return refused
