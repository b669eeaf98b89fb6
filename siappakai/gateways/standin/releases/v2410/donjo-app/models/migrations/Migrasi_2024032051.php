<?php

declare(strict_types=1);

use App\Database\Connection;

return static function (Connection $db): iterable {
    yield "UPDATE kelompok SET tipe = 'kelompok' WHERE tipe IS NULL";
};
