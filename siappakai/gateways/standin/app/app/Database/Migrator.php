<?php

declare(strict_types=1);

namespace App\Database;

use App\Support\Log;
use App\Support\Switches;
use PDOException;

/**
 * Brings a database to this release. As in OpenSID there is no lock, current_version is set
 * even when a statement failed, and only the missing `migrasi` row tells: the next request
 * migrates again.
 */
final class Migrator
{
    public function __construct(
        private readonly Connection $db,
        private readonly Log $log,
        private readonly Switches $switches,
    ) {
    }

    public function isCurrent(): bool
    {
        return $this->isRecorded(VERSI_DATABASE);
    }

    public function run(): bool
    {
        $versions = [];
        $failed   = false;
        foreach (glob(APPPATH . 'models/migrations/Migrasi_*.php') ?: [] as $file) {
            $name       = basename($file, '.php');
            $versions[] = substr($name, strlen('Migrasi_'));
            $succeeded  = $this->runFile($file, $name);
            $failed     = $failed || ! $succeeded;
        }
        if (! $failed) {
            array_map($this->record(...), [...$versions, VERSI_DATABASE]);
        }
        $this->db->rows("UPDATE setting_aplikasi SET `value` = ? WHERE `key` = 'current_version'", [currentVersion()]);
        $this->log->write('notice', 'Berhasil Jalankan migrasi_dev');
        $this->log->write('notice', 'Versi database sudah terbaru');

        return ! $failed;
    }

    private function runFile(string $file, string $name): bool
    {
        try {
            foreach ((require $file)($this->db) as $sql) {
                $this->switches->delayStatement();
                $this->db->execute($sql);
            }
            if ($name === 'Migrasi_' . VERSI_DATABASE && $this->switches->breaksMigration($this->db)) {
                $this->db->execute('ALTER TABLE `standin_diminta_gagal` ADD `urut` int(11)');
            }
        } catch (PDOException $error) {
            $this->log->write('error', $error->getMessage() . ' (' . $name . ')');
            $this->log->write('error', 'Gagal Jalankan ' . $name);

            return false;
        }
        $this->log->write('notice', 'Berhasil Jalankan ' . $name);

        return true;
    }

    private function record(string $version): void
    {
        if (! $this->isRecorded($version)) {
            $this->db->insert('migrasi', [['versi_database' => $version, 'premium' => json_encode(['Migrasi_' . $version])]]);
        }
    }

    private function isRecorded(string $version): bool
    {
        return (int) $this->db->value('SELECT COUNT(*) FROM migrasi WHERE versi_database = ?', [$version]) > 0;
    }
}
