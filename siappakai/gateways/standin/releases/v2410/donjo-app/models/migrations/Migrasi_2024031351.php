<?php

declare(strict_types=1);

use App\Database\Connection;

return static function (Connection $db): iterable {
    yield 'UPDATE user_grup SET jenis = 1 WHERE jenis IS NULL';
};
