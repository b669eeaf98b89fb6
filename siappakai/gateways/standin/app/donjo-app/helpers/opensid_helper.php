<?php

/**
 * VERSION
 * Format => [dua digit tahun dan dua digit bulan].[nomor beta].[nomor perbaikan]
 */
define('VERSION', '@VERSION@');

define('PREMIUM', false);

/**
 * VERSI_DATABASE
 * Baris tabel migrasi dengan nilai ini menandakan desa sudah bermigrasi ke rilis ini.
 */
define('VERSI_DATABASE', '@VERSI_DATABASE@');

define('MINIMUM_VERSI', '2312');

/** "2410.1.0" ditulis "24.10" di setting_aplikasi.current_version. */
function currentVersion(): string
{
    return substr(VERSION, 0, 2) . '.' . substr(VERSION, 2, 2);
}
