<?php

declare(strict_types=1);

namespace App\Controllers;

use App\Support\Redirect;
use App\Support\Session;

/** The first page after login. */
final class Beranda extends Controller
{
    public function main(): void
    {
        Session::requireLogin();

        throw new Redirect('beranda');
    }

    public function index(): void
    {
        Session::requireLogin();
        $counts = [];
        foreach (
            ['Penduduk' => 'tweb_penduduk', 'Keluarga' => 'tweb_keluarga', 'Wilayah' => 'tweb_wil_clusterdesa']
            as $label => $table
        ) {
            $counts[$label] = $this->db->value("SELECT COUNT(*) FROM {$table}");
        }
        $this->show('beranda', 'Beranda', ['village' => $this->village(), 'counts' => $counts]);
    }
}
