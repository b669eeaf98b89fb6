<?php

declare(strict_types=1);

use App\Database\Connection;

return static function (Connection $db): iterable {
    yield 'UPDATE setting_modul SET aktif = 1 WHERE level = 0';
};
