<?php

// Reference tables, the same in every village: the short ones are listed in rujukan.txt,
// the long ones follow a rule.

return (static function (): iterable {
    $listed = static function (string $file): iterable {
        foreach (file($file, FILE_IGNORE_NEW_LINES | FILE_SKIP_EMPTY_LINES) as $line) {
            if (!preg_match('/^(\w+)\(([^)]+)\): (.*)$/', $line, $parts)) {
                continue;
            }
            $columns = ['id', ...explode('|', $parts[2])];
            $rows = [];
            foreach (explode('; ', $parts[3]) as $index => $values) {
                $rows[] = array_combine($columns, [$index + 1, ...explode('|', $values)]);
            }

            yield $parts[1] => $rows;
        }
    };

    $numbered = static fn(int $count, callable $row): array => array_map($row, range(1, $count));

    $assets = static function (): iterable {
        foreach (range(0, 4249) as $index) {
            $digits = [intdiv($index, 1000) + 2, intdiv($index, 100) % 10, intdiv($index, 10) % 10, $index % 10];

            yield [
                'id_aset' => $index + 1,
                'golongan' => (string) $digits[0],
                'bidang' => sprintf('%02d', $digits[1]),
                'kelompok' => sprintf('%02d', $digits[2]),
                'sub_kelompok' => sprintf('%02d', $digits[3]),
                'sub_sub_kelompok' => '000',
                'nama' => 'ASET ' . implode('.', $digits),
            ];
        }
    };

    yield from $listed(__DIR__ . '/rujukan.txt');
    yield 'tweb_aset' => $assets();
    yield 'keuangan_manual_ref_kegiatan' => $numbered(
        239,
        static fn(int $n): array => [
            'ID_Keg' => sprintf('%02d.%02d.%02d.', intdiv($n, 60) + 1, (intdiv($n, 10) % 6) + 1, $n % 10),
            'Nama_Kegiatan' => "Kegiatan {$n}",
        ],
    );
    yield 'keuangan_manual_ref_rek2' => $numbered(
        17,
        static fn(int $n): array => [
            'Akun' => intdiv($n, 3) + 1 . '.',
            'Kelompok' => intdiv($n, 3) + 1 . '.' . (($n % 3) + 1) . '.',
            'Nama_Kelompok' => "Kelompok {$n}",
        ],
    );
    yield 'keuangan_manual_ref_rek3' => $numbered(
        73,
        static fn(int $n): array => [
            'Kelompok' => intdiv($n, 12) + 1 . '.' . (($n % 3) + 1) . '.',
            'Jenis' => (string) $n,
            'Nama_Jenis' => "Jenis {$n}",
        ],
    );
    yield 'keuangan_manual_rinci_tpl' => $numbered(
        28,
        static fn(int $n): array => [
            'Tahun' => '',
            'Kd_Akun' => ($n % 3) + 4 . '.',
            'Kd_Keg' => '',
            'Kd_Rincian' => (string) $n,
            'Nilai_Anggaran' => '0',
            'Nilai_Realisasi' => '0',
        ],
    );
    yield 'ref_penduduk_bidang' => $numbered(21, static fn(int $n): array => ['nama' => "Bidang {$n}"]);
    yield 'ref_penduduk_kursus' => $numbered(44, static fn(int $n): array => ['nama' => "Kursus {$n}"]);
    yield 'ref_penduduk_suku' => $numbered(
        163,
        static fn(int $n): array => ['suku' => "Suku {$n}", 'deskripsi' => 'Nusantara'],
    );
    yield 'tweb_penduduk_pekerjaan' => $numbered(
        89,
        static fn(int $n): array => ['nama' => $n === 1 ? 'BELUM/TIDAK BEKERJA' : "PEKERJAAN {$n}"],
    );
    yield 'tweb_penduduk_pendidikan' => $numbered(18, static fn(int $n): array => ['nama' => "PENDIDIKAN {$n}"]);
    yield 'ref_sinkronisasi' => [
        ['tabel' => 'tweb_keluarga', 'server' => '6', 'jenis_update' => 1, 'tabel_hapus' => 'log_keluarga'],
        ['tabel' => 'tweb_penduduk', 'server' => '6', 'jenis_update' => 1, 'tabel_hapus' => 'log_hapus_penduduk'],
    ];
})();
