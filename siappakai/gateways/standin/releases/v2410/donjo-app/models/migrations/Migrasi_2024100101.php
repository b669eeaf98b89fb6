<?php

declare(strict_types=1);

use App\Database\Connection;

return static function (Connection $db): iterable {
    yield 'ALTER TABLE klasifikasi_surat MODIFY nama text NOT NULL';
    if (!$db->hasColumn('log_surat', 'input')) {
        yield 'ALTER TABLE log_surat ADD input longtext NULL';
    }
    yield 'INSERT IGNORE INTO setting_aplikasi (config_id, judul, `key`, value, kategori)' .
        " SELECT id, 'Tampilan Widget', 'tampilan_widget', '1', 'web' FROM config";
    yield 'INSERT INTO widget (config_id, isi, enabled, judul, jenis_widget, urut)' .
        " SELECT c.id, 'jam_kerja.php', 1, 'Jam Kerja', 1, 15 FROM config c WHERE NOT EXISTS" .
        " (SELECT 1 FROM widget w WHERE w.config_id = c.id AND w.isi = 'jam_kerja.php')";
};
