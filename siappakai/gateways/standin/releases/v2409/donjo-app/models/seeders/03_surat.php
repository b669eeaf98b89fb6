<?php

// Letter classification (some codes twice: no unique key yet), letter formats and their requirements.

return (static function (): iterable {
    $numbered = static fn(int $count, callable $row): array => array_map($row, range(1, $count));

    yield 'klasifikasi_surat' => $numbered(
        2330,
        static fn(int $n): array => [
            'config_id' => 1,
            'kode' => sprintf('%04d', ($n - 1) % 2324),
            'nama' => "Klasifikasi {$n}",
            'uraian' => '-',
            'enabled' => 1,
        ],
    );
    yield 'ref_syarat_surat' => $numbered(
        12,
        static fn(int $n): array => ['config_id' => 1, 'ref_syarat_nama' => "Syarat Surat {$n}"],
    );
    yield 'tweb_surat_format' => $numbered(
        42,
        static fn(int $n): array => [
            'config_id' => 1,
            'nama' => "Surat Keterangan {$n}",
            'url_surat' => "surat-keterangan-{$n}",
            'kode_surat' => "S-{$n}",
            'jenis' => 3,
            'mandiri' => 0,
            'syarat_surat' => json_encode([(string) (($n % 12) + 1)]),
            'template' => '<p>[nama_desa]</p>',
            'created_by' => 1,
            'updated_by' => 1,
        ],
    );
})();
