<?php

// Two surveys: families (subject 2) and residents (subject 1), with their questions and answers.

return (static function (): iterable {
    $numbered = static fn(int $count, callable $row): array => array_map($row, range(1, $count));

    yield 'analisis_master' => $numbered(
        2,
        static fn(int $n): array => [
            'config_id' => 1,
            'nama' => $n === 1 ? 'Data Dasar Keluarga' : 'Data Anggota Keluarga',
            'subjek_tipe' => 3 - $n,
            'lock' => 1,
            'deskripsi' => 'Pendataan Profil Desa',
            'kode_analisis' => ['DDK02', 'DAK02'][$n - 1],
            'jenis' => 1,
            'id_kelompok' => 0,
            'id_child' => 0,
        ],
    );
    yield 'analisis_periode' => $numbered(
        2,
        static fn(int $n): array => [
            'config_id' => 1,
            'id_master' => $n,
            'nama' => "Periode {$n}",
            'id_state' => 1,
            'aktif' => 1,
            'keterangan' => '-',
            'tahun_pelaksanaan' => 2018,
        ],
    );
    yield 'analisis_kategori_indikator' => $numbered(
        15,
        static fn(int $n): array => [
            'config_id' => 1,
            'id_master' => $n > 10 ? 2 : 1,
            'kategori' => "Kategori {$n}",
            'kategori_kode' => (string) $n,
        ],
    );
    yield 'analisis_indikator' => $numbered(
        108,
        static fn(int $n): array => [
            'config_id' => 1,
            'id_master' => $n > 72 ? 2 : 1,
            'nomor' => (string) $n,
            'pertanyaan' => "Pertanyaan {$n}",
            'id_tipe' => ($n % 4) + 1,
            'bobot' => 0,
            'act_analisis' => 2,
            'id_kategori' => $n > 72 ? ($n % 5) + 11 : ($n % 10) + 1,
            'is_publik' => 0,
            'is_teks' => 0,
        ],
    );
    yield 'analisis_parameter' => $numbered(
        1045,
        static fn(int $n): array => [
            'config_id' => 1,
            'id_indikator' => (($n - 1) % 108) + 1,
            'jawaban' => "Jawaban {$n}",
            'nilai' => 0,
            'kode_jawaban' => intdiv($n - 1, 108) + 1,
            'asign' => 1,
        ],
    );
})();
