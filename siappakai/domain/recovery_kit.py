"""The recovery kit: what cannot be regenerated, and the text file a person keeps it in. Pure."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Final, Self

from siappakai.domain.hostkeys import HostKey
from siappakai.domain.stores import StoreKind
from siappakai.errors import InvalidInputError
from siappakai.wording import say

_NUMBER_BYTES: Final = 5


@dataclass(frozen=True, slots=True)
class KitStore:
    """A store, and what opens it besides the panel's key."""

    name: str
    kind: StoreKind
    place: dict[str, Any]
    secret: str

    @property
    def where(self) -> str:
        """Return where it is, as a person finds it without this program; nothing secret."""
        place = self.place
        if self.kind is StoreKind.S3:
            prefix = place["prefix"] or "-"
            return f"S3 {place['endpoint']}, ember {place['bucket']}, awalan {prefix}"
        shown = HostKey.parse(place["host_key"]).fingerprint
        account = f"{place['user']}@{place['address']} porta {place['port']}"
        return f"SFTP {account}, folder {place['folder']}, kunci host {shown}"


@dataclass(frozen=True, slots=True)
class Kit:
    """What cannot be regenerated.

    `key_ring` opens the registry's secrets, `ssh_private` the servers and the stores over SFTP;
    `recipient` is the public part of the recovery key.
    """

    key_ring: tuple[str, ...]
    recipient: str
    ssh_private: str
    stores: tuple[KitStore, ...]

    def told(self) -> bytes:
        """Return it as it is sealed; the same for the same contents."""
        return json.dumps(asdict(self), sort_keys=True, indent=1).encode()

    @classmethod
    def read(cls, content: bytes) -> Self:
        """Return the kit that was sealed; raises InvalidInputError (field `kit`)."""
        try:
            said = json.loads(content)
            known = tuple(
                KitStore(**{**one, "kind": StoreKind(one["kind"])}) for one in said.pop("stores")
            )
            ring = tuple(said.pop("key_ring"))
            return cls(key_ring=ring, stores=known, **said)
        except (ValueError, TypeError, KeyError):
            raise InvalidInputError(
                say("Isi kit pemulihan itu tidak dikenal."),
                say("Pakai program SiapPakai dari versi yang disebut di kit."),
                field="kit",
            ) from None

    @property
    def digest(self) -> str:
        """Return what stands for its contents and tells nothing of them."""
        key = self.key_ring[0].encode()
        return hmac.new(key, self.told(), hashlib.sha256).hexdigest()

    @property
    def number(self) -> str:
        """Return what a person types to say that this very kit is kept: ABCD-EFGH."""
        letters = base64.b32encode(bytes.fromhex(self.digest)[:_NUMBER_BYTES]).decode()
        return f"{letters[:4]}-{letters[4:]}"


def plain_number(typed: str) -> str:
    """Return a number of a kit as a person may have typed it, without what makes it readable."""
    return "".join(letter for letter in typed.upper() if letter.isalnum())


def document(
    kit: Kit, sealed: str, *, place: str, made_at: datetime, program: str, kind: str
) -> str:
    """Return the text file of a kit: what it is, what to do with it, and the sealed part."""
    known = "\n".join(f"  - {store.name}: {store.where}" for store in kit.stores)
    return _DOCUMENT.format(
        number=kit.number,
        place=place,
        made_at=f"{made_at:%Y-%m-%d %H:%M} UTC",
        program=program,
        kind=kind,
        recipient=kit.recipient,
        stores=known,
        sealed=sealed.strip(),
    )


_DOCUMENT: Final = """\
KIT PEMULIHAN SIAPPAKAI
=======================
Nomor kit    : {number}
Panel        : {place}
Dibuat       : {made_at}, SiapPakai {program}, registri {kind}
Dibuka oleh  : kunci pemulihan yang kunci publiknya
               {recipient}
Penyimpanan  :
{stores}

Bagian tersegel di bawah memuat apa yang tidak dapat dibuat ulang: kunci induk rahasia registri,
kunci SSH panel, dan kunci penyimpanan. Tanpa kunci pemulihan tidak seorang pun dapat membukanya;
dengan keduanya siapa pun menguasai semua server. Cetak atau simpan berkas ini di luar mesin panel
dan di luar penyimpanan, TERPISAH dari kunci pemulihan. Lalu ketik nomor kit di panel (Cadangan)
atau: siappakai kit confirm {number}. Musnahkan kit yang lama begitu cadangan registri berikutnya
tersimpan.

BILA MESIN PANEL HILANG
1. Siapkan mesin Debian baru dan pasang SiapPakai {program} atau yang lebih baru, dari folder
   sumbernya: make service, lalu hentikan: systemctl stop siappakai.target. Registri di PostgreSQL
   atau MariaDB: isi database_url di siappakai.toml dengan basis data kosong sejenis.
2. Salin berkas ini ke mesin itu, lalu sebagai root:
   siappakai recover --kit BERKAS-INI --replace
   Kunci pemulihan ditanyakan; cadangan registri terbaru diambil dari penyimpanan.
3. Ikuti langkah yang disebut perintah itu, jalankan systemctl start siappakai.target, periksa
   semuanya di panel, baru matikan drain.

DENGAN TANGAN, tanpa program ini (age dan zstd ada di Debian)
  sed -n '/BEGIN AGE/,/END AGE/p' BERKAS-INI | age --decrypt -i KUNCI-PEMULIHAN
menampilkan isi kit. Cadangan registri di folder registry/ setiap penyimpanan, cadangan desa di
folder masing-masing; keduanya dibuka dengan
  age --decrypt -i KUNCI-PEMULIHAN CADANGAN.age | zstd -d | tar -x

{sealed}
"""
