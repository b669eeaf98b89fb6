"""What people are told of each alert: what happened, what it means, what to do now.

The sentences are Indonesian and gettext's message ids at once: messages that leave the panel
are Indonesian, its pages speak the reader's language.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from siappakai.domain.alerts import AlertEvent, AlertKind, Severity
from siappakai.domain.schedules import Refusal


def _(text: str) -> str:
    """Mark a text for the catalogue; it is translated where it is shown."""
    return text


@dataclass(frozen=True, slots=True)
class Story:
    """The sentences of an alert, with placeholders for its params."""

    title: str
    meaning: str
    todo: str

    def told(self, params: Mapping[str, Any], speech: Speech) -> Story:
        """Return the story with its params put in, in the language of `speech`."""
        spoken = {key: speech.spoken(key, value) for key, value in params.items()}
        title, meaning, todo = (
            speech.say(text, **spoken) for text in (self.title, self.meaning, self.todo)
        )
        return Story(title, meaning, todo)


@dataclass(frozen=True, slots=True)
class Speech:
    """How values become words: `say` translates and fills, `when` shows times, `play` plays."""

    say: Callable[..., str]
    when: Callable[[datetime], str]
    play: Callable[[str], str]

    def spoken(self, key: str, value: Any) -> Any:
        """Return a param as people read it."""
        if key == "play":
            return self.play(value)
        if key == "cause":
            return self.say(CAUSES[value])
        if key in _TIMES:
            return self.when(datetime.fromisoformat(value)) if value else "—"
        return value


def fill(text: str, **params: Any) -> str:
    """Put params into an Indonesian text as it stands."""
    return text % params if params else text


_TIMES: Final = frozenset({"since", "last", "until"})


# Why the panel cannot get into a server; why what a schedule plans is not done.
CAUSES: Final = {
    "unreachable": _("tidak menjawab"),
    "host_key": _("kunci host berubah"),
    "key_refused": _("kunci panel ditolak"),
    "sudo": _("tidak dapat menjadi root"),
    "python": _("Python tidak ada"),
    "refused": _("pemeriksaan ditolak"),
    Refusal.DRAINED: _("armada sedang ditahan"),
    Refusal.BUSY: _("pekerjaan serupa belum selesai di sana"),
    Refusal.GONE: _("servernya sudah dilupakan"),
    Refusal.RULE: _("ditolak sebuah aturan"),
    Refusal.LATE: _("terlambat melewati batasnya"),
}

STORIES: Final = {
    AlertKind.RUN_FAILED: Story(
        _("Pekerjaan gagal: %(play)s di %(label)s"),
        _(
            "%(failed)s bagian pekerjaan %(run)s gagal dan belum berhasil diulang. Bagian yang"
            " gagal tidak berubah, atau tercatat bermasalah pada halamannya; yang lain aman."
        ),
        _(
            "Buka pekerjaan %(run)s, baca sebab dan saran pada bagian yang gagal, perbaiki, lalu"
            " pilih “Ulangi yang gagal”."
        ),
    ),
    AlertKind.RUN_LOST: Story(
        _("Pekerjaan hilang kontak: %(label)s"),
        _(
            "Proses yang mengerjakannya berhenti di tengah jalan. Keadaan %(open)s bagian belum"
            " diketahui; tidak ada pekerjaan lain yang boleh menyentuhnya sampai itu jelas."
        ),
        _(
            "Biasanya selesai sendiri dalam dua menit. Bila tidak, buka pekerjaan %(run)s:"
            " pesannya menyebut server yang tidak dapat diperiksa; hidupkan server itu."
        ),
    ),
    AlertKind.SERVER_SILENT: Story(
        _("Server tidak dapat dihubungi: %(label)s"),
        _(
            "Panel tidak dapat masuk ke server ini (%(cause)s). Situs %(sites)s desa di sana"
            " mungkin ikut mati, dan pekerjaan ke server ini akan gagal."
        ),
        _(
            "Periksa apakah server menyala dan jaringannya tersambung, lalu buka salah satu"
            " situsnya. Setelah itu tekan “Periksa lagi” di halaman server."
        ),
    ),
    AlertKind.DISK_FILLING: Story(
        _("Disk hampir penuh: %(label)s"),
        _(
            "Tersisa %(percent)s%% (%(free)s GiB). Bila habis, basis data berhenti menulis dan"
            " situs desa di sana rusak."
        ),
        _(
            "Hapus arsip dan log lama atau perbesar disk, lalu periksa lagi. Jangan memasang"
            " atau memperbarui situs di sana sebelum itu."
        ),
    ),
    AlertKind.CERTIFICATE_EXPIRING: Story(
        _("Masa berlaku sertifikat hampir atau sudah habis: %(label)s"),
        _(
            "Masa berlaku sertifikat HTTPS %(label)s: %(until)s. Sesudah itu peramban menolak"
            " membukanya."
        ),
        _(
            "Perbarui sertifikatnya di %(path)s pada mesin %(server)s, lalu muat ulang nginx di"
            " sana."
        ),
    ),
    AlertKind.CERTIFICATE_MISSING: Story(
        _("Sertifikat tidak ada atau tidak terbaca: %(label)s"),
        _(
            "Di %(path)s pada mesin %(server)s tidak ada lagi sertifikat yang utuh. nginx masih"
            " melayani dengan yang lama, tetapi tidak akan menyala lagi: semua desa di mesin itu"
            " lalu tidak dapat dibuka."
        ),
        _("Taruh kembali rantai sertifikat dan kuncinya di sana sebelum nginx dimuat ulang."),
    ),
    AlertKind.CLOCK_STOPPED: Story(
        _("Jam panel berhenti"),
        _(
            "Terakhir berdetak %(last)s. Selama jam mati, jadwal tidak dijalankan, pekerjaan yang"
            " terputus tidak diselesaikan, dan yang antre bisa tertinggal."
        ),
        _("Jalankan lagi layanan jam dan pekerjanya, lalu periksa dengan: siappakai doctor."),
    ),
    AlertKind.QUEUE_DOWN: Story(
        _("Antrean (Redis) tidak menjawab"),
        _(
            "Pekerjaan baru tetap tercatat tetapi tidak dimulai. Situs desa tetap melayani seperti"
            " biasa."
        ),
        _("Jalankan lagi layanan Redis, lalu periksa dengan: siappakai doctor."),
    ),
    AlertKind.QUEUE_STUCK: Story(
        _("Antrean macet"),
        _(
            "%(waiting)s pekerjaan menunggu, yang tertua sejak %(since)s, padahal tidak ada yang"
            " menghalanginya. Yang melayani antrean: %(workers)s."
        ),
        _("Jalankan lagi layanan pekerja antrean, lalu periksa dengan: siappakai doctor."),
    ),
    AlertKind.LOOKOUT_STOPPED: Story(
        _("Penjaga peringatan berhenti"),
        _(
            "Terakhir berjaga %(last)s. Selama ia mati, peringatan baru tidak dibuat dan tidak ada"
            " yang dikirim ke saluran mana pun."
        ),
        _("Jalankan lagi layanan penjaga peringatan, lalu periksa dengan: siappakai doctor."),
    ),
    AlertKind.SCHEDULE_UNDONE: Story(
        _("Jadwal tidak dijalankan: %(label)s"),
        _(
            "Waktunya %(since)s, tetapi sebagian atau seluruhnya tidak dijalankan (%(cause)s)."
            " Situs desa tidak berubah."
        ),
        _(
            "Buka jadwalnya: riwayatnya menyebut server dan sebabnya. Perbaiki sebabnya; waktu"
            " berikutnya dijalankan seperti biasa."
        ),
    ),
    AlertKind.SCHEDULE_FAILING: Story(
        _("Jadwal tidak dapat dijalankan: %(label)s"),
        _(
            "Sejak %(since)s jam panel mencobanya dan selalu gagal: kesalahan di dalam panel"
            " (%(failure)s). Yang dijadwalkan tidak dikerjakan; jadwal lain tetap jalan."
        ),
        _(
            "Simpan jadwalnya sekali lagi dengan isi yang benar, atau jeda jadwalnya dan kerjakan"
            " sendiri. Bila tetap gagal, laporkan kesalahan itu bersama log jam panel."
        ),
    ),
    AlertKind.STORE_FAILING: Story(
        _("Penyimpanan cadangan gagal: %(label)s"),
        _(
            "Sejak %(since)s tidak ada cadangan yang sampai ke sana: %(failure)s Cadangan baru"
            " menunggu di servernya dan tidak hilang, tetapi memakai disk di sana."
        ),
        _(
            "Perbaiki penyimpanan atau jaringannya; yang menunggu lalu diantar sendiri. Lihat"
            " dengan: siappakai store list."
        ),
    ),
    AlertKind.BACKUP_NOWHERE: Story(
        _("Tanpa cadangan di luar server: %(sites)s situs desa"),
        _(
            "Belum ada penyimpanan, maka tidak ada yang dicadangkan. Bila sebuah server rusak atau"
            " dicuri, isian semua desa di sana hilang untuk selamanya."
        ),
        _(
            "Buat kunci pemulihan dan tambahkan penyimpanan di mesin lain: siappakai backup"
            " make-key, lalu siappakai store add-folder atau add-bucket."
        ),
    ),
    AlertKind.COPIES_BROKEN: Story(
        _("Cadangan rusak atau hilang: %(copies)s di %(label)s"),
        _(
            "Penyimpanan itu tidak lagi punya cadangan-cadangan ini seperti dahulu dibuat;"
            " %(lost)s di antaranya tidak utuh di mana pun lagi."
        ),
        _(
            "Yang masih utuh di tempat lain dibuat lagi sendiri. Cari tahu siapa yang menghapus"
            " atau mengubahnya, dan cadangkan lagi desa yang hilang: siappakai backup take."
        ),
    ),
    AlertKind.RESTORE_SLOW: Story(
        _("Pemulihan terlalu lama: %(sites)s situs desa di %(label)s"),
        _(
            "Pembuktian terakhirnya perlu lebih dari %(target)s menit, paling lama %(longest)s"
            " menit. Selama itu desa tidak terlayani bila harus dipulihkan."
        ),
        _(
            "Periksa jaringan ke penyimpanan dan beban server pembukti, atau ubah batasnya:"
            " siappakai settings set restore_target_minutes."
        ),
    ),
    AlertKind.BACKUP_STALE: Story(
        _("Tanpa cadangan segar: %(sites)s situs di %(label)s"),
        _(
            "Situs-situs itu tidak punya cadangan yang terbukti dari %(hours)s jam terakhir. Bila"
            " server itu rusak sekarang, isian warga sejak cadangan terakhir hilang."
        ),
        _(
            "Periksa jadwal cadangan dan pembuktian, lalu cadangkan sekarang: siappakai backup"
            " take."
        ),
    ),
    AlertKind.REGISTRY_UNSAVED: Story(
        _("Registri panel belum dicadangkan"),
        _(
            "Cadangan registri terakhir: %(last)s. Bila mesin panel rusak sekarang, yang tercatat"
            " sesudahnya hilang. Sebabnya: %(failure)s"
        ),
        _(
            "Perbaiki sebabnya, lalu cadangkan sekarang di halaman Cadangan atau dengan: siappakai"
            " registry backup."
        ),
    ),
}

SEVERITY_WORDS: Final = {
    Severity.INFO: "INFO",
    Severity.WARNING: "PERINGATAN",
    Severity.CRITICAL: "GENTING",
}


@dataclass(frozen=True, slots=True)
class Message:
    """What leaves the panel: plain text, Indonesian."""

    event: AlertEvent
    severity: Severity
    title: str
    body: str


def compose(event: AlertEvent, severity: Severity, story: Story, number: int) -> Message:
    """Return the message that tells the story of alert `number`."""
    if event is AlertEvent.ENDED:
        body = f"Sebabnya sudah tidak ada; peringatan nomor {number} berakhir sendiri."
        return Message(event, severity, f"[SELESAI] {story.title}", body)
    body = (
        f"{story.meaning}\n\nYang perlu dilakukan: {story.todo}\n\n"
        f"Peringatan nomor {number} di panel SiapPakai."
    )
    return Message(event, severity, f"[{SEVERITY_WORDS[severity]}] {story.title}", body)


TEST_MESSAGE: Final = Message(
    AlertEvent.TEST,
    Severity.INFO,
    "[UJI] Saluran peringatan SiapPakai",
    "Ini pesan percobaan. Bila Anda membacanya, saluran ini berfungsi.",
)
