<?php

declare(strict_types=1);

namespace App\Database;

/** Creates every table and view that donjo-app/skema describes. */
final class Schema
{
    public function __construct(private readonly Connection $db) {}

    public function create(): void
    {
        $this->db->execute('SET foreign_key_checks = 0');
        foreach ($this->tables() as $name => $tokens) {
            $this->db->execute((new TableSpec($name, $tokens))->createStatement());
        }
        $this->db->execute('SET foreign_key_checks = 1');
        foreach (require APPPATH . 'skema/views.php' as $name => $select) {
            $this->db->execute("CREATE OR REPLACE SQL SECURITY DEFINER VIEW `{$name}` AS {$select}");
        }
    }

    /** @return array<string, string> tokens by table name; a later file replaces an earlier table */
    private function tables(): array
    {
        $tables = [];
        foreach (glob(APPPATH . 'skema/*.txt') ?: [] as $file) {
            $text = (string) preg_replace(['/^#.*\n/m', '/\n\s+/'], ['', ' '], (string) file_get_contents($file));
            foreach (explode("\n", trim($text)) as $line) {
                [$heading, $tokens] = explode(':', $line, 2);
                foreach ($this->names($heading) as $name) {
                    $tables[$name] = $tokens;
                }
            }
        }

        return $tables;
    }

    /** @return list<string> `keuangan_ref_{bidang,desa}` stands for two tables of the same shape */
    private function names(string $heading): array
    {
        if (!preg_match('/^(\w+)\{([\w,]+)\}$/', $heading, $parts)) {
            return [$heading];
        }

        return array_map(static fn(string $suffix): string => $parts[1] . $suffix, explode(',', $parts[2]));
    }
}
