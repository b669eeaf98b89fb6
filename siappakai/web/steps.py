"""What the steps of a run are called: modules and playbooks name them in English."""

from __future__ import annotations

from typing import Final

from flask_babel import gettext
from flask_babel import lazy_gettext as _

from siappakai.web.languages import retell

# What the modules of sites call their stages.
_STEPS: Final = {
    "check": _("Periksa syarat"),
    "account": _("Akun Unix"),
    "folder": _("Folder dan tampilan rilis"),
    "database": _("Basis data dan penggunanya"),
    "load": _("Isi basis data dan identitas desa"),
    "pool": _("Pool PHP-FPM"),
    "vhost": _("Situs nginx"),
    "health": _("Periksa kesehatan"),
    "files": _("Periksa arsip folder desa"),
    "inspect": _("Periksa data desa"),
    "pack": _("Kemas folder desa"),
    "close": _("Tutup situs"),
    "archive": _("Arsip terakhir, dibaca kembali"),
    "dump": _("Salin basis data dalam satu transaksi"),
    "seal": _("Mampatkan dan enkripsi"),
    "transfer": _("Bandingkan dengan yang dikirim"),
    "bring": _("Antar cadangan terbuka ke server"),
    "restore": _("Pulihkan ke tempat uji"),
    "disown": _("Ganti identitas, kosongkan rahasia dan alamat"),
    "compare": _("Hitung dan bandingkan"),
    "differences": _("Bandingkan dengan yang kini berjalan"),
    "lay_down": _("Taruh di samping yang berjalan"),
    "switch": _("Tukar tempat"),
    "check_health": _("Periksa sesudah ditukar"),
}

# What the tasks of playbooks are called: the steps of a server, and what a run does just now.
_TASKS: Final = {
    "Take backups of the sites": _("Cadangkan situs-situs"),
    "Take the site's backup": _("Cadangkan situs"),
    "Delete what the stores have": _("Hapus yang sudah ada di penyimpanan"),
    "Have a key of its own": _("Kunci pembukti"),
    "Restore the backups and count them": _("Pulihkan cadangan ke tempat uji dan hitung"),
    "Read what kind of machine this is": _("Baca jenis mesin"),
    "Check that the operating system is one this was tried on": _("Periksa sistem operasi"),
    "Note which services the machine has already": _("Catat layanan yang sudah ada"),
    "Install the packages": _("Pasang paket"),
    "Install the packages of MariaDB, nginx and PHP": _("Pasang paket MariaDB, nginx, dan PHP"),
    "Install what Debian has": _("Pasang yang ada di Debian"),
    "Say what to do about packages that could not be installed": _("Paket tidak terpasang"),
    "Keep services the packages brought from starting at boot": _(
        "Layanan bawaan paket tidak ikut menyala"
    ),
    "Make the folders": _("Buat folder"),
    "Make the folders of releases, sites and snapshots": _("Folder rilis, situs, dan salinan awal"),
    "Mark the root folder as one that may be purged": _("Tandai folder akar"),
    "Have the folders on /run made again at boot": _("Folder di /run dibuat lagi saat menyala"),
    "Rotate the logs": _("Rotasi log"),
    "Install the rotation of the villages' logs": _("Pasang rotasi log desa"),
    "Make the record by which it is called every day": _("Catatan pemanggilan hariannya"),
    "Have logrotate call it": _("Panggil lewat logrotate"),
    "Write the settings of MariaDB": _("Tulis pengaturan MariaDB"),
    "Look whether the private database exists": _("Lihat apakah MariaDB tersendiri ada"),
    "Make the private database": _("Buat MariaDB tersendiri"),
    "Remove a database that was begun and not finished": _("Buang MariaDB yang setengah jadi"),
    "Create the system tables with root by unix socket alone": _("Buat tabel sistem MariaDB"),
    "Put the finished database in its place": _("Taruh MariaDB yang sudah jadi"),
    "Make the private database's log": _("Buat log MariaDB tersendiri"),
    "Start the private MariaDB": _("Nyalakan MariaDB tersendiri"),
    "Start the machine's MariaDB": _("Nyalakan MariaDB mesin"),
    "Restart MariaDB before anything uses it": _("Mulai ulang MariaDB sebelum dipakai"),
    "Restart the machine's MariaDB": _("Mulai ulang MariaDB mesin"),
    "Restart the private MariaDB": _("Mulai ulang MariaDB tersendiri"),
    "Make the folders of the villages' virtual hosts": _("Folder situs nginx desa"),
    "Look whether this machine speaks IPv6": _("Lihat apakah mesin memakai IPv6"),
    "Write where the sites' virtual hosts listen": _("Tulis alamat yang dilayani situs"),
    "Set up nginx beside the machine's own": _("Siapkan nginx tersendiri"),
    "Make the folder of its temporary files": _("Folder berkas sementara nginx"),
    "Make its logs, closed to other users": _("Log nginx, tertutup bagi pengguna lain"),
    "Write the configuration of the private nginx": _("Tulis konfigurasi nginx tersendiri"),
    "Start the private nginx": _("Nyalakan nginx tersendiri"),
    "Set up the machine's nginx": _("Siapkan nginx mesin"),
    "Write the settings of nginx": _("Tulis pengaturan nginx"),
    "Switch off the welcome page of the package": _("Matikan halaman sambutan paket"),
    "Start the machine's nginx": _("Nyalakan nginx mesin"),
    "Reload nginx if its settings changed": _("Muat ulang nginx bila pengaturannya berubah"),
    "Reload nginx": _("Muat ulang nginx"),
    "Keep the villages' secrets out of the shared opcode cache": _("Rahasia desa di luar opcache"),
    "Set up one PHP-FPM master per version": _("Siapkan PHP-FPM tiap versi"),
    "Make the folders of the private master": _("Folder PHP-FPM tersendiri"),
    "Write the private master's configuration": _("Tulis konfigurasi PHP-FPM tersendiri"),
    "Write the settings of the master and its placeholder pool": _("Tulis pengaturan PHP-FPM"),
    "Start the private PHP-FPM masters": _("Nyalakan PHP-FPM tersendiri"),
    "Start the machine's PHP-FPM": _("Nyalakan PHP-FPM mesin"),
    "Reload PHP-FPM if its settings changed": _("Muat ulang PHP-FPM bila pengaturannya berubah"),
    "Reload PHP-FPM": _("Muat ulang PHP-FPM"),
    "Bring a release and its golden snapshot": _("Bawa rilis dan salinan awalnya"),
    "Bring the release": _("Bawa rilis"),
    "Look whether the release is there": _("Lihat apakah rilis sudah ada"),
    "Copy the archive to the server": _("Salin arsip ke server"),
    "Unpack the release": _("Bongkar rilis"),
    "Remember why the release could not be brought": _("Catat mengapa rilis gagal dibawa"),
    "Keep a golden snapshot of the release": _("Simpan salinan awal rilis"),
    "Keep a golden snapshot": _("Simpan salinan awal"),
    "Seed a golden snapshot": _("Isi salinan awal"),
    "Make up the secrets of the throw-away village": _("Karang rahasia desa percobaan"),
    "Go on without a snapshot": _("Lanjut tanpa salinan awal"),
    "Install the sites": _("Pasang situs"),
    "Install the site": _("Hasil tiap situs"),
    "Reload PHP-FPM and nginx": _("Muat ulang PHP-FPM dan nginx"),
    "Reload PHP-FPM and nginx, check the sites": _("Muat ulang PHP-FPM dan nginx, periksa situs"),
    "Check the sites": _("Periksa situs"),
    "Look at the village's files": _("Periksa berkas desa"),
    "Take over the village's files": _("Terima berkas desa"),
    "Make a closed folder for the village's files": _("Folder tertutup untuk berkas desa"),
    "Copy the village's files to the server": _("Salin berkas desa ke server"),
    "Look at the village and take it over": _("Periksa dan terima desa"),
    "Remove the village's files from the server": _("Hapus berkas desa dari server"),
    "Put the village in service, or take it back": _("Layani desa, atau batalkan"),
    "Keep what was taken over": _("Tetapkan yang sudah diterima"),
    "Take back what was installed": _("Batalkan yang sudah dipasang"),
    "Leave nothing of a village that was not taken over": _("Bersihkan sisa desa yang batal"),
    "Look who fetches the archive": _("Lihat siapa yang mengambil arsip"),
    "schema": _("Skema gabungan"),
    "book": _("Buku gabungan"),
    "stage": _("Siapkan data desa di samping gabungan"),
    "read": _("Baca data desa"),
    "merge": _("Ganti dan buktikan di gabungan"),
    "rebuild": _("Bangun dan buktikan basis data desa"),
    "Take the village out of the gabungan": _("Ambil desa dari gabungan"),
    "Make the gabungan": _("Buat gabungan"),
    "Merge villages into the gabungan": _("Gabungkan data desa"),
    "Merge the village": _("Gabungkan data desa"),
    "Compare the gabungan with what was merged": _("Bandingkan gabungan dengan yang digabungkan"),
    "Take villages out of the gabungan": _("Keluarkan desa dari gabungan"),
    "Delete from the gabungan what is shared no more": _("Hapus yang tidak lagi dibagikan"),
    "Hand out the village's archive": _("Serahkan arsip desa"),
    "Pack everything of the village": _("Kemas seluruh data desa"),
    "Fetch the archive": _("Ambil arsip"),
    "Remove the archive from the server": _("Hapus arsip dari server"),
    "Restore the backups": _("Pulihkan cadangan"),
    "Restore the site's backup": _("Pulihkan cadangan situs"),
    "Look what the backups would change": _("Lihat apa yang akan berubah"),
    "Look at the site's backup": _("Lihat cadangan situs"),
    "Let the states that are kept serve again": _("Layani lagi keadaan yang disimpan"),
    "Let the site's kept state serve again": _("Layani lagi keadaan situs yang disimpan"),
    "Drop the states that are kept": _("Buang keadaan yang disimpan"),
    "Drop what is kept of the site": _("Buang keadaan situs yang disimpan"),
    "Look what is left": _("Lihat apa yang tersisa"),
    "Remove the site": _("Hapus situs"),
    "Remove the accounts of the sites that are gone": _("Hapus akun situs yang sudah dihapus"),
}

_WORDS: Final = _STEPS | _TASKS

# What those modules note beside a stage.
_DETAILS: Final = {
    "from the village's own data": _("dari data desa itu sendiri"),
    "from the village's own backup": _("dari cadangan desa itu sendiri"),
    "cloned": _("disalin dari salinan awal rilis"),
    "user and rights renewed": _("pengguna dan haknya diperbarui"),
    "a half-loaded database was dropped": _("basis data yang setengah terisi dibuang dahulu"),
}
_SEEDED: Final = "seeded by the application"


def step_name(name: str) -> str:
    """Return what a step is called; one this panel has no words for keeps its own name."""
    return str(_WORDS[name]) if name in _WORDS else retell(name)


def step_detail(detail: str) -> str:
    """Return what a module noted beside a step; its own words where there are no others."""
    if detail.startswith(_SEEDED):
        return gettext("diisi oleh aplikasi sendiri, karena salinan awal tidak dapat dipakai")
    return str(_DETAILS[detail]) if detail in _DETAILS else retell(detail)
