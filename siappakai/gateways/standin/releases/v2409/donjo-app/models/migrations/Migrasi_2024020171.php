<?php

declare(strict_types=1);

use App\Database\Connection;

// On a first installation komentar.jenis comes only with a later file of the same pass: one
// harmless error is logged and the pass is repeated.
return static function (Connection $db): iterable {
    yield "UPDATE `komentar` SET `is_archived` = 1 WHERE `jenis` = 'laporan-mandiri'";
};
