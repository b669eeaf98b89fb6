"""How states, roles and plays are called and drawn on pages."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from flask_babel import gettext
from flask_babel import lazy_gettext as _

from siappakai.ansible.plays import CATALOGUE
from siappakai.domain.alerts import AlertState, DeliveryState, Severity
from siappakai.domain.backups import CopyState, ProofState
from siappakai.domain.schedules import OccurrenceState
from siappakai.domain.states import RunState, ServerState, SiteState, StepState
from siappakai.domain.tokens import Scope, TokenState
from siappakai.models import Role
from siappakai.services.recovery_kits import KitState


@dataclass(frozen=True, slots=True)
class Label:
    """A state in words, with the tone (css) and icon that repeat it for those who look."""

    text: Any
    tone: str
    icon: str


# Keyed by kind as well: RunState.FAILED and ServerState.FAILED are equal, being both "failed".
_LABELS: Final[dict[type[StrEnum], dict[StrEnum, Label]]] = {
    RunState: {
        RunState.QUEUED: Label(_("Antre"), "idle", "clock"),
        RunState.RUNNING: Label(_("Berjalan"), "busy", "loader"),
        RunState.SUCCEEDED: Label(_("Berhasil"), "good", "circle-check"),
        RunState.FAILED: Label(_("Gagal"), "bad", "circle-x"),
        RunState.CANCELLED: Label(_("Dibatalkan"), "idle", "ban"),
        RunState.LOST: Label(_("Hilang kontak"), "warn", "circle-help"),
    },
    StepState: {
        StepState.RUNNING: Label(_("Berjalan"), "busy", "loader"),
        StepState.OK: Label(_("Selesai"), "good", "circle-check"),
        StepState.FAILED: Label(_("Gagal"), "bad", "circle-x"),
        StepState.SKIPPED: Label(_("Dilewati"), "idle", "circle-minus"),
    },
    CopyState: {
        CopyState.WAITING: Label(_("Menunggu diantar"), "busy", "clock"),
        CopyState.STORED: Label(_("Tersimpan"), "good", "circle-check"),
        CopyState.DAMAGED: Label(_("Rusak"), "bad", "circle-x"),
        CopyState.MISSING: Label(_("Hilang dari penyimpanan"), "bad", "circle-x"),
        CopyState.LEFT: Label(_("Ditinggal di penyimpanan lama"), "idle", "circle-minus"),
        CopyState.DELETED: Label(_("Dipangkas"), "idle", "circle-minus"),
    },
    KitState: {
        KitState.IMPOSSIBLE: Label(_("Belum dapat dibuat"), "idle", "circle-dashed"),
        KitState.UNCONFIRMED: Label(_("Belum dipastikan tersimpan"), "warn", "triangle-alert"),
        KitState.OUTDATED: Label(_("Usang: isinya berubah"), "warn", "triangle-alert"),
        KitState.CONFIRMED: Label(_("Tersimpan dan berlaku"), "good", "circle-check"),
    },
    ProofState: {
        ProofState.UNPROVEN: Label(_("Belum dibuktikan"), "idle", "circle-dashed"),
        ProofState.PROVEN: Label(_("Terbukti dapat dipulihkan"), "good", "circle-check"),
        ProofState.FAILED: Label(_("Gagal dibuktikan"), "bad", "circle-x"),
    },
    ServerState: {
        ServerState.ENROLLED: Label(_("Terdaftar"), "idle", "circle-dashed"),
        ServerState.READY: Label(_("Siap"), "good", "circle-check"),
        ServerState.FAILED: Label(_("Gagal disiapkan"), "bad", "circle-x"),
        ServerState.FORGOTTEN: Label(_("Dilupakan"), "idle", "circle-minus"),
    },
    SiteState: {
        SiteState.PLANNED: Label(_("Direncanakan"), "idle", "circle-dashed"),
        SiteState.INSTALLING: Label(_("Sedang dipasang"), "busy", "loader"),
        SiteState.ACTIVE: Label(_("Aktif"), "good", "circle-check"),
        SiteState.BROKEN: Label(_("Bermasalah"), "bad", "triangle-alert"),
        SiteState.REMOVED: Label(_("Dihapus"), "idle", "circle-minus"),
    },
    TokenState: {
        TokenState.LIVE: Label(_("Berlaku"), "good", "circle-check"),
        TokenState.EXPIRED: Label(_("Kedaluwarsa"), "idle", "clock"),
        TokenState.REVOKED: Label(_("Dicabut"), "idle", "ban"),
    },
    Severity: {
        Severity.INFO: Label(_("Info"), "idle", "circle-help"),
        Severity.WARNING: Label(_("Waspada"), "warn", "triangle-alert"),
        Severity.CRITICAL: Label(_("Genting"), "bad", "circle-alert"),
    },
    AlertState: {
        AlertState.OPEN: Label(_("Belum diketahui"), "warn", "circle-dashed"),
        AlertState.ACKNOWLEDGED: Label(_("Diketahui"), "idle", "user"),
        AlertState.ENDED: Label(_("Berakhir"), "good", "circle-check"),
    },
    OccurrenceState: {
        OccurrenceState.FIRED: Label(_("Dijalankan"), "good", "circle-check"),
        OccurrenceState.CAUGHT_UP: Label(_("Disusulkan"), "good", "refresh-cw"),
        OccurrenceState.MISSED: Label(_("Terlewat"), "warn", "clock"),
        OccurrenceState.REFUSED: Label(_("Ditolak"), "bad", "ban"),
    },
    DeliveryState: {
        DeliveryState.QUEUED: Label(_("Menunggu"), "idle", "clock"),
        DeliveryState.SENDING: Label(_("Sedang dikirim"), "busy", "loader"),
        DeliveryState.SENT: Label(_("Terkirim"), "good", "circle-check"),
        DeliveryState.FAILED: Label(_("Gagal, dicoba lagi"), "warn", "refresh-cw"),
        DeliveryState.GIVEN_UP: Label(_("Gagal, tidak dicoba lagi"), "bad", "circle-x"),
        DeliveryState.DROPPED: Label(_("Tidak perlu lagi"), "idle", "circle-minus"),
    },
}
NO_SITE: Final = Label(_("Belum ada situs"), "idle", "circle-dashed")

ROLES: Final = {
    Role.VIEWER: _("Pengamat"),
    Role.OPERATOR: _("Operator"),
    Role.ADMIN: _("Admin"),
}
ROLE_MEANINGS: Final = {
    Role.VIEWER: _("hanya melihat"),
    Role.OPERATOR: _("melihat dan menjalankan pekerjaan"),
    Role.ADMIN: _("semuanya, termasuk server, pengguna, dan penghapusan"),
}

SCOPES: Final = {
    Scope.VILLAGES_READ: _("Melihat desa dan situsnya"),
    Scope.VILLAGES_WRITE: _("Mendaftarkan desa dan mengganti namanya"),
    Scope.SERVERS_READ: _("Melihat server"),
    Scope.SERVERS_CHECK: _("Memeriksa server"),
    Scope.RELEASES_READ: _("Melihat rilis"),
    Scope.SITES_INSTALL: _("Memasang situs"),
    Scope.SITES_CHECK: _("Memeriksa situs"),
    Scope.SITES_REMOVE: _("Menghapus situs"),
    Scope.RUNS_READ: _("Melihat pekerjaan dan log-nya"),
    Scope.RUNS_WRITE: _("Membatalkan dan mengulang pekerjaan"),
    Scope.ALERTS_READ: _("Melihat peringatan"),
}

_PLAYS: Final = {
    "server": _("Siapkan server"),
    "install": _("Pasang situs desa"),
    "inspect": _("Periksa data desa pindahan"),
    "adopt": _("Terima desa pindahan"),
    "export": _("Serahkan data desa"),
    "compare": _("Bandingkan cadangan dengan situs desa"),
    "restore": _("Pulihkan situs desa dari cadangan"),
    "undo": _("Batalkan pemulihan situs desa"),
    "forget": _("Buang keadaan lama situs desa"),
    "backup": _("Cadangkan situs desa"),
    "copy": _("Antar cadangan ke penyimpanan"),
    "prove": _("Buktikan cadangan"),
    "gabungan": _("Buat gabungan"),
    "merge": _("Gabungkan data desa"),
    "verify": _("Buktikan gabungan"),
    "withdraw": _("Keluarkan desa dari gabungan"),
    "narrow": _("Hapus yang tidak lagi dibagikan"),
    "extract": _("Ambil desa dari gabungan"),
    "health": _("Periksa kesehatan situs"),
    "remove": _("Hapus situs desa"),
}


def label_of(state: StrEnum | None) -> Label:
    """Return how a state is shown; None stands for a village without a site."""
    return NO_SITE if state is None else _LABELS[type(state)][state]


def play_title(name: str) -> str:
    """Return what a play is called; one this panel has no words for keeps its own title."""
    if name in _PLAYS:
        return str(_PLAYS[name])
    return CATALOGUE[name].title if name in CATALOGUE else name


def role_name(role: Role) -> str:
    """Return what a role is called and what it may do."""
    return gettext("%(role)s: %(meaning)s", role=ROLES[role], meaning=ROLE_MEANINGS[role])
