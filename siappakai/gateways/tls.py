"""What certificate a server of ours shows to those who come by TLS."""

from __future__ import annotations

import socket
import ssl
from datetime import datetime

from cryptography import x509

from siappakai.errors import UnreachableError
from siappakai.wording import say


def valid_until(host: str, port: int, *, name: str, timeout: float) -> datetime:
    """Return until when the certificate holds that `host` shows when asked for `name`.

    It is not trusted, only read: one that is out of date already tells its date as well.
    `timeout` is in seconds. Raises UnreachableError when none is shown.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    try:
        with (
            socket.create_connection((host, port), timeout) as plain,
            context.wrap_socket(plain, server_hostname=name) as secured,
        ):
            shown = secured.getpeercert(binary_form=True) or b""
        return x509.load_der_x509_certificate(shown).not_valid_after_utc
    except (OSError, ValueError) as error:
        raise _unreachable(host, port, str(error)) from error


def _unreachable(host: str, port: int, reason: str) -> UnreachableError:
    return UnreachableError(
        say("%(host)s:%(port)s tidak menunjukkan sertifikat.", host=host, port=port),
        say("Periksa nginx dan sertifikatnya: %(reason)s.", reason=reason),
    )
