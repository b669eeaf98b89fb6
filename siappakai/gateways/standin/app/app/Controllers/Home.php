<?php

declare(strict_types=1);

namespace App\Controllers;

final class Home extends Controller
{
    public function index(): void
    {
        $village = $this->village();
        $this->countVisit((int) $village['id']);
        $articles = $this->db->rows(
            'SELECT judul, isi, tgl_upload FROM artikel WHERE config_id = ? AND enabled = 1 ORDER BY id DESC LIMIT 10',
            [$village['id']],
        );
        $this->show('beranda_web', 'Desa ' . $village['nama_desa'], [
            'village' => $village,
            'articles' => $articles,
        ]);
    }

    /** Every visit of the home page writes to the database, as in OpenSID. */
    private function countVisit(int $configId): void
    {
        $this->db->rows(
            "INSERT INTO sys_traffic (config_id, Tanggal, ipAddress, Jumlah) VALUES (?, CURDATE(), '{}', 1)" .
                ' ON DUPLICATE KEY UPDATE Jumlah = Jumlah + 1',
            [$configId],
        );
    }
}
