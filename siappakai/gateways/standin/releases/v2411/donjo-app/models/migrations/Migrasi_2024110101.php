<?php

declare(strict_types=1);

use App\Database\Connection;

return static function (Connection $db): iterable {
    yield 'CREATE TABLE IF NOT EXISTS aduan_cepat (' .
        ' id int(11) NOT NULL AUTO_INCREMENT PRIMARY KEY, config_id int(11) DEFAULT NULL, isi text NOT NULL,' .
        ' CONSTRAINT aduan_cepat_config_id_fk FOREIGN KEY (config_id) REFERENCES config (id)' .
        ' ON DELETE CASCADE ON UPDATE CASCADE)' .
        ' ENGINE=InnoDB DEFAULT CHARSET=utf8mb3 COLLATE=utf8mb3_general_ci';
    if (!$db->hasColumn('tweb_penduduk', 'nomor_darurat')) {
        yield 'ALTER TABLE tweb_penduduk ADD nomor_darurat varchar(20) NULL';
    }
    yield 'CREATE OR REPLACE SQL SECURITY DEFINER VIEW penduduk_hidup' .
        ' AS SELECT * FROM tweb_penduduk WHERE status_dasar = 1';
};
