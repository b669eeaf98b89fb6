<?php

declare(strict_types=1);

namespace App\Support;

use App\Database\Connection;

/**
 * What a test asked of this village in desa/standin.json, e.g.
 * {"fail_migration": true, "slow_seconds": 2, "answer_500": true, "releases": ["2411"]}.
 * "releases" limits the wishes to versions that begin so; without it they hold for all.
 */
final class Switches
{
    /** From here on a setting_aplikasi row can break the migration as well. */
    private const FIRST_BREAKABLE = '2024110101';

    /** @param array<string, mixed> $wishes */
    private function __construct(private readonly array $wishes) {}

    public static function ofVillage(string $folder): self
    {
        $file = $folder . 'standin.json';
        $wishes = is_file($file)
            ? json_decode((string) file_get_contents($file), true, 8, JSON_THROW_ON_ERROR)
            : [];
        foreach ($wishes['releases'] ?? [''] as $prefix) {
            if (str_starts_with(VERSION, $prefix)) {
                return new self($wishes);
            }
        }

        return new self([]);
    }

    public function delay(): void
    {
        usleep((int) (1_000_000 * ($this->wishes['slow_seconds'] ?? 0)));
    }

    /** Waits before each statement, so that a migration can be interrupted half-way. */
    public function delayStatement(): void
    {
        usleep((int) (1_000_000 * ($this->wishes['slow_statement_seconds'] ?? 0)));
    }

    public function answers500(): bool
    {
        return (bool) ($this->wishes['answer_500'] ?? false);
    }

    public function breaksMigration(Connection $db): bool
    {
        if ($this->wishes['fail_migration'] ?? false) {
            return true;
        }
        $query = "SELECT COUNT(*) FROM setting_aplikasi WHERE `key` = 'standin_break_migration'";

        return VERSI_DATABASE >= self::FIRST_BREAKABLE && (int) $db->value($query) > 0;
    }
}
