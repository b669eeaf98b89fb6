<?php

declare(strict_types=1);

namespace App\Support;

/** Creates what is missing below desa/; what may not be written is left as it is. */
final class VillageFolder
{
    private const FOLDERS = [
        'anjungan',
        'arsip',
        'cache',
        'config',
        'logo',
        'pengaturan',
        'template-surat',
        'themes',
        'widgets',
        'upload/artikel',
        'upload/dokumen',
        'upload/galeri',
        'upload/gambar',
        'upload/media',
        'upload/pengesahan',
        'upload/sinkronisasi',
        'upload/thumbs',
        'upload/user_pict',
        'upload/widgets',
    ];

    private const CONFIG = "<?php\n\n// Pengaturan khusus desa, menimpa donjo-app/config/config.php\n";

    public static function complete(string $folder): void
    {
        foreach (self::FOLDERS as $name) {
            if (!is_dir($folder . $name)) {
                @mkdir($folder . $name, 0755, true);
            }
        }
        self::createFile($folder . 'config/config.php', self::CONFIG);
        self::createFile($folder . 'cache/index.html', '');
        self::createFile($folder . 'upload/index.html', '');
    }

    private static function createFile(string $path, string $content): void
    {
        if (!is_file($path)) {
            @file_put_contents($path, $content);
        }
    }
}
