<?php

declare(strict_types=1);

use App\Database\Connection;

// The bad release: its migration fails in every village.
return static function (Connection $db): iterable {
    yield 'ALTER TABLE arsip_desa_lama ADD config_id int(11) NULL';
};
