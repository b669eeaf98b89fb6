<?php

declare(strict_types=1);

use App\Database\Connection;

return static function (Connection $db): iterable {
    yield "UPDATE setting_aplikasi SET judul = 'Tampilan Widget Web' WHERE `key` = 'tampilan_widget'";
};
