"""Messages to the outside: Apprise for whatever it speaks, and webhooks that we sign.

Nothing that comes back holds a secret of the address: reasons are scrubbed of its parts.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import logging
import re
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import unquote, urlsplit

import requests
from apprise import Apprise, AppriseAsset, NotifyFormat, NotifyType
from apprise.logger import LogCapture
from apprise.plugins import NotifyBase

from siappakai.domain.alert_texts import Message
from siappakai.domain.alerts import Severity
from siappakai.errors import InvalidInputError
from siappakai.wording import say

# What Apprise may speak here. Others of its plugins reach this machine's own desktop, log or
# message bus, or services nobody asked for; a new one is a decision.
SCHEMES: Final = frozenset(
    {
        *("mailto", "mailtos", "tgram", "whatsapp", "whapi", "evolution", "evolutions"),
        *("signal", "signals", "discord", "slack", "workflows", "gchat", "matrix", "matrixs"),
        *("mmost", "mmosts", "rocket", "rockets", "zulip", "ntfy", "ntfys", "gotify", "gotifys"),
        *("pover", "pushy", "json", "jsons", "form", "forms"),
    }
)
WEBHOOK_SCHEMES: Final = frozenset({"http", "https"})
# Of each step of a request; the sender as a whole has a limit of its own.
CONNECT_SECONDS: Final = 5
READ_SECONDS: Final = 10

SIGNATURE: Final = "X-SiapPakai-Signature"
TIMESTAMP: Final = "X-SiapPakai-Timestamp"
DELIVERY: Final = "X-SiapPakai-Delivery"

_TYPES: Final = {
    Severity.INFO: NotifyType.INFO,
    Severity.WARNING: NotifyType.WARNING,
    Severity.CRITICAL: NotifyType.FAILURE,
}
_REASON_LENGTH: Final = 300
# Shorter parts of an address are words, not secrets.
_SECRET_LENGTH: Final = 5


class NotSentError(Exception):
    """A message did not arrive; `told` says why and holds no secret."""

    def __init__(self, told: str) -> None:
        super().__init__(told)
        self.told = told


@dataclass(frozen=True, slots=True)
class Webhook:
    """Where signed messages go. `secret` is shared with the receiver."""

    url: str
    secret: str


def scheme_of(address: str) -> str:
    """Return the scheme of an address, all of it that may be shown."""
    return address.partition("://")[0].lower()


def check_apprise(address: str) -> str:
    """Return an Apprise address; raises InvalidInputError (field `address`)."""
    address = address.strip()
    if scheme_of(address) not in SCHEMES:
        raise InvalidInputError(
            say("Jenis alamat ini tidak diizinkan."),
            say("Pakai salah satu: %(choices)s.", choices=", ".join(sorted(SCHEMES))),
            field="address",
        )
    _plugin(address)
    return address


def check_webhook(address: str) -> str:
    """Return a webhook's address; raises InvalidInputError (field `address`)."""
    address = address.strip()
    parts = urlsplit(address)
    if parts.scheme.lower() not in WEBHOOK_SCHEMES or not parts.hostname or parts.username:
        raise InvalidInputError(
            say("Alamat webhook tidak sah."),
            say("Isi alamat http(s):// lengkap, tanpa nama pengguna di dalamnya."),
            field="address",
        )
    return address


def send_apprise(address: str, message: Message) -> None:
    """Send a message by Apprise; raises NotSentError."""
    try:
        plugin = _plugin(address)
    except InvalidInputError as error:
        raise NotSentError(error.what) from error
    sender = Apprise(asset=_asset())
    sender.add(plugin)
    with LogCapture(level=logging.WARNING, fmt="%(message)s") as said:
        has_arrived = sender.notify(
            body=message.body,
            title=message.title,
            notify_type=_TYPES[message.severity],
            body_format=NotifyFormat.TEXT,
        )
        reason = said.getvalue()
    if not has_arrived:
        raise NotSentError(_scrub(reason, address) or say("Layanan itu menolak tanpa sebab."))


def send_webhook(hook: Webhook, payload: dict[str, Any], *, delivery: int, timestamp: int) -> None:
    """Post a signed message (`timestamp` is seconds since 1970); raises NotSentError.

    Any answer but 2xx counts as not arrived, redirects included.
    """
    body = json.dumps(payload, ensure_ascii=False, sort_keys=True).encode()
    headers = {
        "Content-Type": "application/json; charset=utf-8",
        "User-Agent": "SiapPakai",
        DELIVERY: str(delivery),
        TIMESTAMP: str(timestamp),
        SIGNATURE: f"sha256={signature(hook.secret, timestamp, body)}",
    }
    try:
        answer = requests.post(
            hook.url,
            data=body,
            headers=headers,
            timeout=(CONNECT_SECONDS, READ_SECONDS),
            allow_redirects=False,
            stream=True,  # its body is nothing we need, and may have no end
        )
        answer.close()
    except requests.RequestException as error:
        raise NotSentError(_network_reason(error)) from error
    if not answer.ok or answer.is_redirect:
        raise NotSentError(
            say("Penerima menjawab %(status_code)s.", status_code=answer.status_code)
        )


def signature(secret: str, timestamp: int, body: bytes) -> str:
    """Return what proves that `body` was sent at `timestamp` by whoever knows the secret."""
    signed = f"{timestamp}.".encode() + body
    return hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()


def _plugin(address: str) -> NotifyBase:
    plugin = Apprise.instantiate(address, asset=_asset(), suppress_exceptions=True)
    if not isinstance(plugin, NotifyBase):
        raise InvalidInputError(
            say("Alamat itu tidak dapat dibaca: ada bagian yang kurang atau keliru."),
            say("Bandingkan dengan contoh di docs/operations.md atau dokumentasi Apprise."),
            field="address",
        )
    return plugin


def _asset() -> AppriseAsset:
    return AppriseAsset(
        app_id="SiapPakai",
        app_desc="SiapPakai",
        app_url="",
        async_mode=False,
        http_redirects=False,
        pem_autogen=False,
        pgp_autogen=False,
        secure_logging=True,
    )


def _network_reason(error: requests.RequestException) -> str:
    # Its own words hold the whole address.
    if isinstance(error, requests.Timeout):
        return say("Penerima tidak menjawab pada waktunya.")
    if isinstance(error, requests.exceptions.SSLError):
        return say("Sertifikat penerima tidak dapat dipercaya.")
    return say("Penerima tidak dapat dihubungi.")


def _scrub(reason: str, address: str) -> str:
    """Return `reason` in one line without any part of the address that could be a secret."""
    parts = re.split(r"[/:@?&=,#]+", address.partition("://")[2])
    for part in sorted({*parts, *map(unquote, parts)}, key=len, reverse=True):
        if len(part) >= _SECRET_LENGTH:
            reason = reason.replace(part, "…")
    return " ".join(reason.split())[:_REASON_LENGTH]
