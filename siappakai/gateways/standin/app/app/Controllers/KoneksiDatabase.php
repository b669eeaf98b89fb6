<?php

declare(strict_types=1);

namespace App\Controllers;

/** Where every page leads while desa/app_key belongs to no row of config. */
final class KoneksiDatabase extends Controller
{
    public function config(): void
    {
        $this->show('pesan', 'Koneksi database', [
            'message' => 'AppKey desa ini tidak cocok dengan database. Perbarui AppKey atau buat desa baru.',
        ]);
    }
}
