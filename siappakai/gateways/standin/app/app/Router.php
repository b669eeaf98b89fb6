<?php

declare(strict_types=1);

namespace App;

use App\Controllers\Beranda;
use App\Controllers\Home;
use App\Controllers\IdentitasDesa;
use App\Controllers\KoneksiDatabase;
use App\Controllers\Penduduk;
use App\Controllers\Siteman;
use App\Database\Connection;

/** Finds the page of a path; `/siteman` and `/index.php/siteman` are the same page. */
final class Router
{
    private const PAGES = [
        '' => [Home::class, 'index'],
        'siteman' => [Siteman::class, 'index'],
        'siteman/auth' => [Siteman::class, 'auth'],
        'siteman/logout' => [Siteman::class, 'logout'],
        'main' => [Beranda::class, 'main'],
        'beranda' => [Beranda::class, 'index'],
        'penduduk' => [Penduduk::class, 'index'],
        'identitas_desa' => [IdentitasDesa::class, 'index'],
        'identitas_desa/update' => [IdentitasDesa::class, 'update'],
        'koneksi_database/config' => [KoneksiDatabase::class, 'config'],
    ];

    private readonly string $path;

    public function __construct(private readonly Connection $db)
    {
        $path = (string) parse_url($_SERVER['REQUEST_URI'] ?? '/', PHP_URL_PATH);
        $this->path = trim((string) preg_replace('#^/index\.php(?=/|$)#', '', $path), '/');
    }

    public function isConnectionPage(): bool
    {
        return str_starts_with($this->path, 'koneksi_database/');
    }

    public function dispatch(): void
    {
        if (!isset(self::PAGES[$this->path])) {
            http_response_code(404);
            echo '<!DOCTYPE html><html lang="id"><body><h1>Halaman tidak ditemukan</h1></body></html>';

            return;
        }
        [$class, $method] = self::PAGES[$this->path];
        (new $class($this->db))->{$method}();
    }
}
