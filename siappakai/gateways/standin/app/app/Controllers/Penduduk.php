<?php

declare(strict_types=1);

namespace App\Controllers;

use App\Support\Session;

final class Penduduk extends Controller
{
    public function index(): void
    {
        Session::requireLogin();
        $residents = $this->db->rows(
            'SELECT p.nik, p.nama, s.nama AS sex, k.no_kk FROM penduduk_hidup p' .
                ' LEFT JOIN tweb_penduduk_sex s ON s.id = p.sex LEFT JOIN tweb_keluarga k ON k.id = p.id_kk' .
                ' WHERE p.config_id = ? ORDER BY p.nama LIMIT 100',
            [$this->village()['id']],
        );
        $this->show('penduduk', 'Penduduk', ['residents' => $residents]);
    }
}
