<?php

declare(strict_types=1);

namespace App\Controllers;

final class Home extends Controller
{
    public function index(): void
    {
        $village = $this->village();
        $articles = $this->db->rows(
            'SELECT judul, isi, tgl_upload FROM artikel WHERE config_id = ? AND enabled = 1 ORDER BY id DESC LIMIT 10',
            [$village['id']],
        );
        $this->show('beranda_web', 'Desa ' . $village['nama_desa'], [
            'village' => $village,
            'articles' => $articles,
        ]);
    }
}
