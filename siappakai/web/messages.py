"""What a module's error code means, and what to do now.

Modules speak English and name the cause by a code; people read the sentences here. The
module's own words stay one click away on the run's page.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from flask_babel import lazy_gettext as _

from siappakai.models import Member, Target
from siappakai.web.languages import retell


@dataclass(frozen=True, slots=True)
class Explanation:
    """`what` happened; `todo` what to do now, empty when nobody knows.

    What it means for a village is seen, not known beforehand; see consequences.py.
    """

    what: Any
    todo: Any = ""


_UNPREPARED: Final = Explanation(
    _("Server belum disiapkan untuk memuat situs."),
    _("Jalankan “Siapkan server”, lalu ulangi."),
)
_EXPLANATIONS: Final = {
    "php_not_seen": Explanation(
        _("Rilis ini belum pernah terlihat berjalan pada versi PHP server. Situs tidak diubah."),
        _("Pasang versi PHP yang tercantum pada halaman rilis, atau pilih rilis lain."),
    ),
    "app_key_differs": Explanation(
        _("Kunci aplikasi di folder desa berbeda dari yang dicatat registri. Situs tidak diubah."),
        _("Jangan membuat kunci baru: data terenkripsi akan hilang. Kembalikan app_key asli."),
    ),
    "not_the_village": Explanation(
        _("Basis data itu bukan milik desa ini. Gabungan tidak berubah."),
        _("Perbaiki identitas desa di OpenSID, lalu gabungkan lagi."),
    ),
    "slot_too_small": Explanation(
        _("Nomor baris desa ini melebihi tempatnya di gabungan. Gabungan tidak berubah."),
        _("Lihat status gabungan: tempat yang lebih besar disediakan bila ada. Gabungkan lagi."),
    ),
    "value_unfit": Explanation(
        _("Sebuah kolom desa memuat nilai yang tidak muat di gabungan. Gabungan tidak berubah."),
        _("Lihat tabel dan kolomnya pada pesan lengkap, perbaiki di desa, lalu gabungkan lagi."),
    ),
    "gabungan_busy": Explanation(
        _("Gabungan dikerjakan pekerjaan lain terlalu lama. Gabungan tidak berubah."),
        _("Lihat pekerjaan mana yang sedang berjalan, lalu ulangi."),
    ),
    "not_merged": Explanation(
        _("Desa itu tidak ada di gabungan."), _("Gabungkan dahulu, atau periksa kodenya.")
    ),
    "not_shared": Explanation(
        _("Tidak semua data desa itu ada di gabungan, jadi tidak diambil."),
        _("Minta yang tidak lengkap, atau bagikan penuh, gabungkan lagi, lalu ulangi."),
    ),
    "extract_busy": Explanation(
        _("Desa itu sedang diambil pekerjaan lain."), _("Tunggu pekerjaan itu selesai.")
    ),
    "schema_newer": Explanation(
        _("Basis data itu lebih baru daripada rilis yang dikenal. Tidak ada yang diambil."),
        _("Tunggu sampai gabungan mengenal rilis itu."),
    ),
    "database_read": Explanation(
        _("Basis data desa sedang dibaca pekerjaan lain. Tidak ada yang diubah."),
        _("Tunggu pekerjaan itu selesai, lalu ulangi."),
    ),
    "export_damaged": Explanation(
        _("Data desa tiba dalam keadaan rusak. Gabungan tidak berubah."),
        _("Gabungkan desa itu lagi."),
    ),
    "rows_missing": Explanation(
        _("Sebagian baris desa tidak sampai. Gabungan tidak berubah."),
        _("Gabungkan lagi; laporkan dengan lognya bila terulang."),
    ),
    "other_base": Explanation(
        _("Perubahan desa ini bukan atas keadaan yang ada di gabungan. Gabungan tidak berubah."),
        _("Gabungkan lagi dengan membaca semuanya: --whole."),
    ),
    "wrong_slot": Explanation(
        _("Registri lebih tua daripada gabungan dan menyebut tempat lain. Tidak ada yang diubah."),
        _("Registri sudah mengikuti gabungan; gabungkan desa itu lagi."),
    ),
    "reconciliation_failed": Explanation(
        _("Hasil penggabungan tidak sama dengan data desa, jadi dibatalkan seluruhnya."),
        _("Gabungan tetap seperti semula. Lihat tabel yang disebut dan laporkan lognya."),
    ),
    "some_remain": Explanation(
        _("Sebagian desa tidak dapat dihapus dari gabungan; yang lain sudah."),
        _("Lihat desa dan sebabnya pada pesan lengkap, perbaiki, lalu ulangi pekerjaan ini."),
    ),
    "remains": Explanation(
        _("Sebagian baris desa tidak dapat dihapus dari gabungan, jadi tidak ada yang dihapus."),
        _("Laporkan ini beserta lognya."),
    ),
    "database_exists": Explanation(
        _("Sudah ada basis data bernama sama yang bukan buatan pemasangan ini."),
        _("Periksa isinya di server; cadangkan lalu pindahkan, kemudian ulangi."),
    ),
    "database_lost": Explanation(
        _("Situs ini sudah terpasang, tetapi basis datanya hilang. Tidak ada yang diubah."),
        _("Pulihkan basis datanya dari cadangan, atau hapus situsnya dahulu."),
    ),
    "certificate_unusable": Explanation(
        _("Sertifikat situs ini tidak dapat dipakai. Situs tidak diubah."),
        _("Taruh rantai sertifikat dan kuncinya di jalur pada pesan lengkap, lalu ulangi."),
    ),
    "superseded": Explanation(
        _("Pekerjaan yang lebih baru sudah mengerjakan situs ini, maka yang ini berhenti."),
        _("Tidak perlu apa-apa; lihat pekerjaan terbaru situs ini."),
    ),
    "release_moved": Explanation(
        _("Isi rilis di server berbeda dari rilis yang dicatat registri."),
        _(
            "Jangan hapus foldernya: situs desa memakainya. Periksa rilis mana yang tersemat, atau"
            " tanyakan kepada penerbitnya."
        ),
    ),
    "unhealthy": Explanation(
        _("Situs terpasang tetapi tidak lolos pemeriksaan kesehatan."),
        _("Buka langkah yang gagal, perbaiki sebabnya, lalu ulangi."),
    ),
    "seeding_failed": Explanation(
        _("OpenSID tidak berhasil mengisi basis data awal."),
        _("Periksa ruang disk dan MariaDB di server, lalu ulangi; pemasangan melanjutkan sendiri."),
    ),
    "php_config_invalid": Explanation(
        _("Konfigurasi PHP-FPM ditolak dan tidak dipakai; situs lain tetap melayani."),
        _("Lihat pesan lengkapnya, perbaiki berkas yang disebut, lalu ulangi."),
    ),
    "nginx_config_invalid": Explanation(
        _("Konfigurasi nginx ditolak dan tidak dipakai; situs lain tetap melayani."),
        _("Lihat pesan lengkapnya, perbaiki berkas yang disebut, lalu ulangi."),
    ),
    "pymysql_missing": Explanation(
        _("Server belum punya PyMySQL yang diperlukan untuk basis data."),
        _("Jalankan “Siapkan server” sekali lagi, lalu ulangi."),
    ),
    "disk_full": Explanation(
        _("Disk server penuh. Yang sudah terpasang tidak diubah."),
        _("Kosongkan atau perbesar disk, lalu ulangi."),
    ),
    "release_missing": Explanation(
        _("Rilis itu belum ada di server."), _("Ulangi; rilis dikirim sebelum situs dipasang.")
    ),
    "php_missing": Explanation(
        _("Versi PHP yang diminta tidak ada di server. Situs tidak diubah."),
        _("Pasang PHP-FPM versi itu di server, siapkan server lagi, lalu ulangi."),
    ),
    "server_unprepared": _UNPREPARED,
    "server_not_prepared": _UNPREPARED,
    "domain_taken": Explanation(
        _("Domain ini sudah dilayani situs lain di server yang sama."),
        _("Pilih domain lain, atau hapus situs yang memakainya."),
    ),
    "other_release": Explanation(
        _("Situs sudah memakai rilis lain; memasang ulang tidak mengganti rilis."),
        _("Pindah rilis adalah pembaruan, bukan pemasangan."),
    ),
    "busy": Explanation(
        _("Situs sedang dikerjakan proses lain."), _("Tunggu sampai selesai, lalu ulangi.")
    ),
    "archive_damaged": Explanation(
        _("Arsip rilis rusak atau berubah dalam pengiriman. Situs tidak diubah."),
        _("Ulangi; arsip dibuat dan dikirim lagi."),
    ),
    "golden_damaged": Explanation(
        _("Salinan awal basis data rilis ini rusak."),
        _("Ulangi; salinan awal dibuat lagi oleh OpenSID."),
    ),
    "removal_unfinished": Explanation(
        _("Situs belum terhapus seluruhnya."), _("Lihat langkah yang gagal, lalu ulangi.")
    ),
    "processes_remain": Explanation(
        _("Proses milik situs tidak mau berakhir, maka akunnya belum dihapus."),
        _("Akhiri proses yang disebut pada pesan lengkap, lalu ulangi."),
    ),
    "seed_unexpected": Explanation(
        _("Basis data baru tidak berisi tepat satu desa dan satu akun; situs tidak dibuka."),
        _("Jangan pakai rilis ini untuk desa lain; laporkan bersama log pekerjaan ini."),
    ),
    "account_unusable": Explanation(
        _("Di server sudah ada pengguna Unix bernama sama yang bukan milik situs."),
        _("Ganti nama atau hapus pengguna itu di server, lalu ulangi."),
    ),
    "group_missing": Explanation(
        _("Sebuah grup Unix yang diperlukan tidak ada di server."),
        _("Jalankan “Siapkan server”, lalu ulangi."),
    ),
    "path_blocked": Explanation(
        _("Di tempat berkas situs ada sesuatu yang lain; tidak ditimpa."),
        _("Periksa jalur pada pesan lengkap, pindahkan isinya, lalu ulangi."),
    ),
    "bad_identifier": Explanation(
        _("Nama basis data yang diminta tidak sah, maka tidak dipakai."),
        _("Ini kesalahan program: laporkan bersama log pekerjaan ini."),
    ),
    "bad_benign_pattern": Explanation(
        _("Katalog rilis memuat pola log yang bukan ekspresi reguler."),
        _("Betulkan pola rilis itu di katalog, lalu ulangi."),
    ),
    "archive_unsafe": Explanation(
        _("Arsip rilis memuat tautan atau jalur yang keluar dari foldernya; tidak dibongkar."),
        _("Jangan pakai rilis ini; periksa dari mana asalnya."),
    ),
    "archive_incomplete": Explanation(
        _("Arsipnya tidak utuh: arsip terakhir situs, atau arsip rilis. Tidak ada yang dihapus."),
        _("Ulangi; bila tetap begitu, lihat pesan lengkapnya dan periksa sumber atau disknya."),
    ),
    "nothing_to_back_up": Explanation(
        _("Situs ini tidak punya basis data dan berkas yang utuh, maka tidak dicadangkan."),
        _("Periksa situsnya; bila datanya hilang, pulihkan dari cadangan yang lama."),
    ),
    "no_room": Explanation(
        _("Disk server tidak cukup untuk pekerjaan ini. Tidak ada yang diubah."),
        _("Kosongkan disk server itu, lalu ulangi."),
    ),
    "backup_changed": Explanation(
        _("Cadangan yang datang dari penyimpanan bukan yang dahulu dibuat."),
        _("Pakai salinannya di penyimpanan lain, dan periksa penyimpanan asalnya."),
    ),
    "backup_wrong_key": Explanation(
        _("Kunci ini tidak membuka cadangan itu."),
        _("Pakai kunci pemulihan, atau server pembukti yang memegang kunci saat itu."),
    ),
    "backup_damaged": Explanation(
        _("Cadangan rusak dan tidak dapat dibaca."),
        _("Pulihkan dari salinan lain atau dari cadangan yang lebih lama."),
    ),
    "backup_foreign": Explanation(
        _("Berkas itu berisi cadangan yang lain, bukan yang dicari."),
        _("Periksa siapa yang dapat menulis ke penyimpanan itu."),
    ),
    "backup_differs": Explanation(
        _("Yang dipulihkan tidak sama dengan yang dicadangkan."),
        _("Buat cadangan baru, dan laporkan ini beserta log pekerjaannya."),
    ),
    "dump_refused": Explanation(
        _("Berkas SQL ditolak: isinya bukan hanya tabel dan datanya. Tidak ada yang dipasang."),
        _("Ekspor ulang basis data desa itu tanpa CREATE DATABASE dan USE, lalu ulangi."),
    ),
    "dump_too_large": Explanation(
        _("Berkas SQL lebih besar daripada batasnya. Tidak ada yang dipasang."),
        _("Periksa asal berkas itu; mungkin dibuat untuk memenuhi disk."),
    ),
    "files_refused": Explanation(
        _("Arsip folder desa ditolak: rusak, berbahaya atau bukan folder desa. Tidak dipasang."),
        _("Kemas ulang folder desa/ sebagai zip atau tar.gz, lalu ulangi."),
    ),
    "files_too_large": Explanation(
        _("Arsip folder desa memuat lebih banyak daripada batasnya. Tidak ada yang dipasang."),
        _("Periksa asal arsip itu; mungkin dibuat untuk memenuhi disk."),
    ),
    "not_whole": Explanation(
        _("Situs ini belum utuh, maka datanya tidak diserahkan."),
        _("Periksa situsnya, perbaiki, lalu ulangi."),
    ),
    "adoption_refused": Explanation(
        _("Data desa ini belum dapat dipasang di sini. Tidak ada yang dipasang."),
        _("Lihat temuannya, perbaiki di situs asal atau pilih rilis yang cocok, lalu ulangi."),
    ),
    "site_exists": Explanation(
        _("Desa ini sudah punya situs di server itu. Tidak ada yang diubah."),
        _("Hapus situs itu dahulu, atau pilih server lain."),
    ),
    "dump_too_slow": Explanation(
        _("Memuat berkas SQL terlalu lama, maka dihentikan. Tidak ada yang dipasang."),
        _("Periksa isi berkas itu dan beban server, lalu ulangi."),
    ),
    "site_missing": Explanation(
        _("Situs ini tidak terpasang utuh, maka tidak dapat ditukar. Tidak ada yang diubah."),
        _("Pasang ulang situsnya dahulu, atau hapus dan pulihkan sebagai desa yang hilang."),
    ),
    "site_closed": Explanation(
        _("Situs ini sedang ditutup untuk pekerjaan lain. Tidak ada yang diubah."),
        _("Selesaikan pekerjaan itu dahulu, lalu ulangi."),
    ),
    "state_kept": Explanation(
        _("Keadaan sebelum pemulihan yang lalu masih disimpan. Tidak ada yang diubah."),
        _("Batalkan pemulihan itu, atau buang keadaan yang disimpan, lalu ulangi."),
    ),
    "kept_changed": Explanation(
        _("Keadaan yang disimpan di server bukan lagi yang dimaksud. Tidak ada yang diubah."),
        _("Lihat lagi situsnya, lalu putuskan kembali."),
    ),
    "site_cut_off": Explanation(
        _("Pemulihan situs ini terputus dan belum dituntaskan. Tidak ada yang diubah."),
        _("Periksa kesehatan situs: itu menuntaskannya. Lalu ulangi."),
    ),
    "journal_damaged": Explanation(
        _("Catatan pemulihan situs ini rusak, maka tidak jelas keadaan mana yang benar."),
        _("Lihat yang dilayani dan yang tersimpan di folder aside, seperti di buku pegangan."),
    ),
    "program_unreadable": Explanation(
        _("Sebuah program di basis data milik pengguna lain. Tidak ada yang diubah."),
        _("Buat ulang program itu sebagai pengguna desa, atau hapus, lalu ulangi."),
    ),
    "restore_refused": Explanation(
        _("Cadangan itu tidak cocok dengan situs ini: kunci, rilis atau desanya lain."),
        _("Pilih cadangan yang dibuat dengan rilis yang kini dipakai."),
    ),
    "restore_unwell": Explanation(
        _("Situs tidak sehat dengan isi cadangan, maka keadaan semula melayani lagi."),
        _("Lihat pesan lengkapnya, atau pilih cadangan lain."),
    ),
    "undo_outdated": Explanation(
        _("Situs sudah pindah rilis sejak dipulihkan, maka pemulihan tidak dapat dibatalkan."),
        _("Pulihkan dari cadangan yang dibuat dengan rilis sekarang."),
    ),
    "nothing_kept": Explanation(
        _("Tidak ada keadaan lama yang disimpan di server. Tidak ada yang diubah."),
        _("Pulihkan dari sebuah cadangan."),
    ),
    "table_refused": Explanation(
        _("Tabel itu tidak dapat dipulihkan sendiri. Tidak ada yang diubah."),
        _("Pulihkan seluruh basis data, atau pilih tabel lain."),
    ),
    "folder_unknown": Explanation(
        _("Folder itu tidak ada di dalam cadangan. Tidak ada yang diubah."),
        _("Periksa namanya, atau pulihkan seluruh berkas."),
    ),
    "folder_refused": Explanation(
        _("Folder itu bukan folder unggahan desa. Tidak ada yang diubah."),
        _("Sebutkan folder di bawah desa/, misalnya upload/dokumen."),
    ),
    "still_working": Explanation(
        _("Pekerjaan sebelumnya masih berjalan di server ini."),
        _("Tunggu sampai selesai; bila tidak kunjung selesai, periksa disk server itu."),
    ),
    "not_private": Explanation(
        _("Server ini memakai layanan mesin sendiri, maka tidak dikosongkan sekaligus."),
        _("Hapus situsnya satu per satu."),
    ),
    "not_ours": Explanation(
        _("Folder akar server tidak bertanda buatan SiapPakai; tidak ada yang dihapus."),
        _("Periksa folder akar server itu."),
    ),
    "unreachable": Explanation(
        _("Server tidak dapat dihubungi, maka pekerjaan ini tidak berlanjut di sana."),
        _("Periksa apakah server menyala dan jaringannya tersambung, lalu ulangi."),
    ),
    "database_error": Explanation(
        _("MariaDB di server menolak atau tidak menjawab."),
        _("Periksa apakah MariaDB berjalan di server, lalu ulangi."),
    ),
    "daemon_not_stopped": Explanation(
        _("Sebuah layanan di server tidak mau berhenti."),
        _("Lihat pesan lengkapnya dan log layanan itu, lalu ulangi."),
    ),
    "socket_silent": Explanation(
        _("PHP-FPM sudah memuat ulang, tetapi pool sebuah situs tidak menjawab."),
        _("Periksa berkas pool dan log PHP-FPM di server, lalu ulangi."),
    ),
    "user_not_removed": Explanation(
        _("Akun atau grup Unix sebuah situs tidak dapat dihapus."),
        _("Lihat pesan lengkapnya, perbaiki sebabnya, lalu ulangi."),
    ),
    "daemon_not_started": Explanation(
        _("Sebuah layanan di server tidak mau menyala."),
        _("Lihat pesan lengkapnya, perbaiki sebabnya, lalu siapkan server lagi."),
    ),
    "not_reloaded": Explanation(
        _("Layanan web di server tidak memuat konfigurasi baru."),
        _("Periksa nginx dan PHP-FPM di server, lalu ulangi."),
    ),
    "program_failed": Explanation(
        _("Sebuah perintah di server gagal."), _("Lihat pesan lengkapnya, lalu ulangi.")
    ),
    "system_error": Explanation(
        _("Sistem operasi server menolak."),
        _("Lihat pesan lengkapnya: biasanya hak akses atau disk. Perbaiki, lalu ulangi."),
    ),
}


def explain(failed: Target | Member) -> Explanation:
    """Return why something failed, in words; its own message when the code is not known."""
    code = str(failed.error.get("code", ""))
    return _EXPLANATIONS.get(code) or Explanation(retell(failed.message))
