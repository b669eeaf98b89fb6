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
    ) {}

    public function isCurrent(): bool
    {
        return $this->isRecorded(VERSI_DATABASE);
    }

    /** A first installation repeats a failed pass: a statement may need what a later file adds. */
    public function run(bool $repeat = false): void
    {
        $failed = $this->runAll();
        if ($failed !== [] && $repeat) {
            $failed = $this->runAll();
        }
        foreach ($failed as $name) {
            $this->log->write('error', 'Gagal Jalankan ' . $name);
        }
        if ($failed === []) {
            array_map($this->record(...), [...array_map($this->version(...), $this->files()), VERSI_DATABASE]);
        }
        $this->db->rows("UPDATE setting_aplikasi SET `value` = ? WHERE `key` = 'current_version'", [
            currentVersion(),
        ]);
        $this->log->write('notice', 'Versi database sudah terbaru');
    }

    /** @return list<string> names of the migrations that failed */
    private function runAll(): array
    {
        $failed = [];
        foreach ($this->files() as $file) {
            $name = basename($file, '.php');
            try {
                $this->runFile($file);
                $this->log->write('notice', 'Berhasil Jalankan ' . $name);
            } catch (PDOException $error) {
                $this->log->write('error', $error->getMessage());
                $failed[] = $name;
            }
        }
        $this->log->write('notice', 'Berhasil Jalankan migrasi_dev');

        return $failed;
    }

    private function runFile(string $file): void
    {
        $statements = require $file;
        foreach ($statements($this->db) as $sql) {
            $this->switches->delayStatement();
            $this->execute($sql);
        }
        if ($this->version($file) === VERSI_DATABASE && $this->switches->breaksMigration($this->db)) {
            $this->execute('ALTER TABLE `standin_diminta_gagal` ADD `urut` int(11)');
        }
    }

    /** An error names its statement, as Laravel's do. */
    private function execute(string $sql): void
    {
        try {
            $this->db->execute($sql);
        } catch (PDOException $error) {
            throw new PDOException($error->getMessage() . " (SQL: {$sql})", 0, $error);
        }
    }

    /** @return list<string> */
    private function files(): array
    {
        return glob(APPPATH . 'models/migrations/Migrasi_*.php') ?: [];
    }

    private function version(string $file): string
    {
        return substr(basename($file, '.php'), strlen('Migrasi_'));
    }

    private function record(string $version): void
    {
        if (!$this->isRecorded($version)) {
            $this->db->insert('migrasi', [
                ['versi_database' => $version, 'premium' => json_encode(['Migrasi_' . $version])],
            ]);
        }
    }

    private function isRecorded(string $version): bool
    {
        return (int) $this->db->value('SELECT COUNT(*) FROM migrasi WHERE versi_database = ?', [$version]) > 0;
    }
}
