<?php

$inventories = ['asset', 'gedung', 'jalan', 'kontruksi', 'peralatan', 'tanah'];
$mutations = ['asset', 'gedung', 'jalan', 'peralatan', 'tanah'];

$union = static fn(array $kinds, string $select): string => implode(
    ' UNION ALL ',
    array_map(static fn(string $kind): string => str_replace('?', $kind, $select), $kinds),
);

return [
    'penduduk_hidup' => 'SELECT * FROM tweb_penduduk WHERE status_dasar = 1',
    'keluarga_aktif' =>
        'SELECT k.* FROM tweb_keluarga k JOIN tweb_penduduk p ON k.nik_kepala = p.id WHERE p.status_dasar = 1',
    'dokumen_hidup' => 'SELECT * FROM dokumen WHERE COALESCE(deleted, 0) <> 1',
    'master_inventaris' => $union(
        $inventories,
        "SELECT '?' AS asset, id, config_id, nama_barang, asal, harga, visible FROM inventaris_?",
    ),
    'rekap_mutasi_inventaris' => $union(
        $mutations,
        "SELECT '?' AS asset, id_inventaris_? AS id_inventaris, config_id, status_mutasi, tahun_mutasi," .
            ' keterangan, visible FROM mutasi_inventaris_?',
    ),
];
