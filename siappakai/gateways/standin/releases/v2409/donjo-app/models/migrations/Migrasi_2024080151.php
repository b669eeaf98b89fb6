<?php

declare(strict_types=1);

use App\Database\Connection;

return static function (Connection $db): iterable {
    yield 'ALTER TABLE komentar MODIFY id_artikel int(11) NULL';
    if (!$db->hasColumn('komentar', 'jenis')) {
        yield 'ALTER TABLE komentar ADD jenis varchar(50) NULL DEFAULT NULL';
    }
};
