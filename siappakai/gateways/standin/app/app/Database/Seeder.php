<?php

declare(strict_types=1);

namespace App\Database;

use App\Support\AppKey;

/** Fills an empty database: schema, reference rows, the village's first rows, a new app_key. */
final class Seeder
{
    public function __construct(private readonly Connection $db, private readonly Schema $schema) {}

    public function run(): void
    {
        $this->db->execute('ALTER DATABASE CHARACTER SET utf8 COLLATE utf8_general_ci');
        $this->schema->create();
        $this->db->transaction($this->fill(...));
    }

    private function fill(): void
    {
        $this->db->insert('config', [
            [
                'app_key' => AppKey::renew()->text,
                'nama_desa' => '',
                'kode_desa' => '',
                'nama_kecamatan' => '',
                'kode_kecamatan' => '',
                'nama_kepala_camat' => '',
                'nip_kepala_camat' => '',
                'nama_kabupaten' => '',
                'kode_kabupaten' => '',
                'nama_propinsi' => '',
                'kode_propinsi' => '',
            ],
        ]);
        foreach (glob(APPPATH . 'models/seeders/*.php') ?: [] as $file) {
            foreach (require $file as $table => $rows) {
                $this->db->insert($table, $rows);
            }
        }
    }
}
