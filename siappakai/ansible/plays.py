"""The catalogue of plays, and the variables each of them is given.

The dataclasses are the Python side of the contract with the playbooks; a test compares them
with the argument specifications of the modules and roles that take them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Scope = Literal["servers", "sites"]


@dataclass(frozen=True, slots=True)
class Identity:
    """Who a village is: written into OpenSID's `config` row. Codes are plain digits."""

    nama_desa: str
    kode_desa: str
    nama_kecamatan: str
    kode_kecamatan: str
    nama_kabupaten: str
    kode_kabupaten: str
    nama_propinsi: str
    kode_propinsi: str


@dataclass(frozen=True, slots=True)
class Certificate:
    """Paths on the server of a certificate chain and its key."""

    chain: str
    key: str


@dataclass(frozen=True, slots=True)
class ReleaseVars:
    """One release as a server needs it; `archive` is a tar.gz on the machine that plays."""

    app: str
    version: str
    commit: str
    archive: str
    archive_sha256: str
    schema_version: str
    php_versions: list[str]
    benign_patterns: list[str]


@dataclass(frozen=True, slots=True)
class SiteVars:
    """One site as its server's modules see it.

    `run_token` grows with every run; a module refuses one older than it has seen for the site.
    `release` is the version the site shall serve, `schema_version` the `migrasi` row it must
    have then, `benign_patterns` regular expressions of log lines that release writes unharmed.
    """

    slug: str
    app: str
    code: str
    unix_user: str
    database: str
    db_user: str
    folder: str
    socket: str
    domain: str
    php: str
    release: str
    schema_version: str
    benign_patterns: list[str]
    run_token: int
    identity: Identity
    certificate: Certificate | None = None


@dataclass(frozen=True, slots=True)
class SiteSecrets:
    """What must not be seen: kept apart from SiteVars so that all of it is `no_log`."""

    db_password: str
    app_key: str
    admin_user: str
    admin_password_hash: str


@dataclass(frozen=True, slots=True)
class Play:
    """One playbook.

    `scope`: whether its targets are servers or sites. `is_judged`: a target succeeds only by
    the verdict of the health check at its end. `locks_server`: it takes the server and all
    its sites. `installs`: a planned site is there afterwards, at the release the run's options
    name. `leaves_sites`: whatever comes of it, its sites and
    servers are what they were. `is_carrying`: it moves data for hours in the background, and
    holds up no work on sites. `is_urgent`: it deletes what may not be there any more, and waits
    for no place among what a server does at once.
    """

    name: str
    scope: Scope
    title: str
    is_judged: bool = False
    locks_server: bool = False
    installs: bool = False
    leaves_sites: bool = False
    is_carrying: bool = False
    is_urgent: bool = False

    @property
    def playbook(self) -> str:
        return f"{self.name}.yml"


CATALOGUE: dict[str, Play] = {
    play.name: play
    for play in (
        Play("server", "servers", "Siapkan server", locks_server=True),
        Play("install", "sites", "Pasang situs desa", is_judged=True, installs=True),
        Play("inspect", "sites", "Periksa data desa pindahan", leaves_sites=True),
        Play("adopt", "sites", "Terima desa pindahan", is_judged=True, installs=True),
        Play("export", "sites", "Serahkan data desa", leaves_sites=True),
        Play("compare", "sites", "Bandingkan cadangan dengan situs desa", leaves_sites=True),
        Play("restore", "sites", "Pulihkan situs desa dari cadangan", is_judged=True),
        Play("undo", "sites", "Batalkan pemulihan situs desa", is_judged=True),
        Play("forget", "sites", "Buang keadaan lama situs desa", is_judged=True),
        Play("backup", "sites", "Cadangkan situs desa", leaves_sites=True),
        Play(
            "copy", "servers", "Antar cadangan ke penyimpanan", leaves_sites=True, is_carrying=True
        ),
        Play("prove", "servers", "Buktikan cadangan", leaves_sites=True, is_carrying=True),
        Play("gabungan", "servers", "Buat gabungan", leaves_sites=True),
        Play("merge", "sites", "Gabungkan data desa", leaves_sites=True),
        Play("verify", "servers", "Buktikan gabungan", leaves_sites=True),
        Play(
            "withdraw",
            "servers",
            "Keluarkan desa dari gabungan",
            leaves_sites=True,
            is_urgent=True,
        ),
        Play(
            "narrow",
            "servers",
            "Hapus yang tidak lagi dibagikan",
            leaves_sites=True,
            is_urgent=True,
        ),
        Play("extract", "servers", "Ambil desa dari gabungan", leaves_sites=True),
        Play("health", "sites", "Periksa kesehatan situs", is_judged=True),
        Play("remove", "sites", "Hapus situs desa"),
    )
}
