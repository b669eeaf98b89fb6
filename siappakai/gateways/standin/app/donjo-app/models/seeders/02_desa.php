<?php

// The first rows of a village: groups, administrator, modules, settings.

return (static function (): iterable {
    $numbered = static fn(int $count, callable $row): array => array_map($row, range(1, $count));
    $named = static fn(array $names, callable $row): array => array_map($row, array_keys($names), $names);

    yield 'user_grup' => $named(
        ['Administrator', 'Operator', 'Redaksi', 'Kontributor', 'Satgas Covid-19'],
        static fn(int $i, string $name): array => [
            'config_id' => 1,
            'nama' => $name,
            'slug' => strtolower(str_replace(' ', '-', $name)),
            'jenis' => 1,
            'created_by' => 0,
            'updated_by' => 0,
        ],
    );
    yield 'user' => [
        [
            'config_id' => 1,
            'username' => 'admin',
            'password' => '$2y$10$LyYGAEOHiCzHuuC2wdpkDOwXYPj1fj.yA8yjFmKsGe56Q2hZkVabK',
            'id_grup' => 1,
            'active' => 1,
            'nama' => 'Administrator',
            'email' => 'admin@desa.test',
            'id_telegram' => '0',
            'foto' => 'kuser.png',
            'session' => bin2hex(random_bytes(16)),
        ],
    ];
    yield 'setting_modul' => $numbered(
        160,
        static fn(int $n): array => [
            'config_id' => 1,
            'modul' => "Modul {$n}",
            'slug' => "modul-{$n}",
            'url' => "modul_{$n}",
            'aktif' => 1,
            'ikon' => 'fa-cog',
            'urut' => $n,
            'level' => $n > 20 ? 4 : 2,
            'hidden' => 0,
            'ikon_kecil' => 'fa fa-cog',
            'parent' => $n > 20 ? ($n % 20) + 1 : 0,
        ],
    );
    yield 'grup_akses' => $numbered(
        181,
        static fn(int $n): array => [
            'config_id' => 1,
            'id_grup' => ($n % 4) + 2,
            'id_modul' => (($n - 1) % 160) + 1,
            'akses' => [0, 3, 7][$n % 3],
        ],
    );
    yield 'setting_aplikasi' => (static function () use ($numbered): iterable {
        $known = [
            'current_version' => currentVersion(),
            'sebutan_desa' => 'desa',
            'sebutan_kecamatan' => 'kecamatan',
            'sebutan_kabupaten' => 'kabupaten',
            'sebutan_dusun' => 'dusun',
            'web_theme' => 'esensi',
            'timezone' => 'Asia/Jakarta',
            'layanan_opendesa_token' => '',
            'dashboard_program_bantuan' => '1',
            'anjungan_artikel' => '[]',
        ];
        foreach ($known as $key => $value) {
            yield [
                'config_id' => 1,
                'judul' => ucwords(str_replace('_', ' ', $key)),
                'key' => $key,
                'value' => $value,
                'kategori' => 'sistem',
            ];
        }

        yield from $numbered(
            124,
            static fn(int $n): array => [
                'config_id' => 1,
                'judul' => "Pengaturan {$n}",
                'key' => "pengaturan_{$n}",
                'value' => (string) ($n % 2),
                'kategori' => 'lainnya',
            ],
        );
    })();
    yield 'widget' => $numbered(
        14,
        static fn(int $n): array => [
            'config_id' => 1,
            'isi' => "widget_{$n}.php",
            'enabled' => 1,
            'judul' => "Widget {$n}",
            'jenis_widget' => 1,
            'urut' => $n,
        ],
    );
    yield 'media_sosial' => $named(
        ['Facebook', 'Twitter', 'YouTube', 'Instagram', 'WhatsApp', 'Telegram'],
        static fn(int $i, string $name): array => [
            'config_id' => 1,
            'gambar' => strtolower($name) . '.png',
            'nama' => $name,
            'tipe' => 1,
            'enabled' => 1,
        ],
    );
    yield 'gis_simbol' => $numbered(
        638,
        static fn(int $n): array => ['config_id' => 1, 'simbol' => "simbol_{$n}.png"],
    );
    yield 'tweb_penduduk_umur' => $numbered(
        21,
        static fn(int $n): array => [
            'config_id' => 1,
            'nama' => $n * 5 - 5 . ' s/d ' . ($n * 5 - 1) . ' Tahun',
            'dari' => $n * 5 - 5,
            'sampai' => $n * 5 - 1,
            'status' => 1,
        ],
    );
    yield 'ref_jabatan' => [
        ['config_id' => 1, 'nama' => 'Kepala Desa', 'jenis' => 1],
        ['config_id' => 1, 'nama' => 'Sekretaris', 'jenis' => 2],
    ];
    yield 'kehadiran_jam_kerja' => $named(
        ['Senin', 'Selasa', 'Rabu', 'Kamis', 'Jumat', 'Sabtu', 'Minggu'],
        static fn(int $i, string $name): array => [
            'config_id' => 1,
            'nama_hari' => $name,
            'jam_masuk' => '08:00:00',
            'jam_keluar' => '16:00:00',
            'status' => (int) ($i < 5),
        ],
    );
    yield 'anjungan_menu' => $named(
        ['Peta Desa', 'Informasi Publik', 'Data Pekerjaan', 'Layanan Mandiri', 'Lapak', 'Keuangan', 'IDM'],
        static fn(int $i, string $name): array => [
            'config_id' => 1,
            'nama' => $name,
            'icon' => "menu_{$i}.svg",
            'link' => "halaman/{$i}",
            'link_tipe' => 5,
            'urut' => $i + 1,
            'status' => 1,
        ],
    );
    yield 'notifikasi' => $named(
        ['persetujuan_penggunaan', 'tracking_off'],
        static fn(int $i, string $code): array => [
            'config_id' => 1,
            'kode' => $code,
            'judul' => ucwords(str_replace('_', ' ', $code)),
            'jenis' => 'peringatan',
            'isi' => '<p>Pemberitahuan</p>',
            'server' => 'TIDAK',
            'updated_by' => 0,
            'frekuensi' => 90,
            'aksi' => 'notif/update',
            'aktif' => 0,
        ],
    );
})();
