<?php

declare(strict_types=1);

use App\Database\Connection;

return static function (Connection $db): iterable {
    yield 'INSERT INTO kategori (config_id, kategori, tipe, urut, enabled, parrent, slug)' .
        " SELECT c.id, 'Berita Desa', 1, 1, 1, 0, 'berita-desa' FROM config c" .
        ' WHERE NOT EXISTS (SELECT 1 FROM kategori k WHERE k.config_id = c.id)';
};
