<?php

declare(strict_types=1);

namespace App\Database;

/**
 * One table of donjo-app/skema/*.txt, turned into CREATE TABLE. A table is written
 *
 *     name: token token ...
 *
 * and has `id` AUTO_INCREMENT and `config_id` -> config unless its tokens say otherwise:
 *
 *     nama            varchar(100) NULL          nama:50       varchar(50)
 *     urut:i          int; types see TYPES       urut:i!       NOT NULL
 *     +id:u           other AUTO_INCREMENT key   #uuid:uuid    key without AUTO_INCREMENT
 *     id_kk>tabel     int with foreign key to tabel.id (>tabel.kolom for another column);
 *                     /N at the end: ON DELETE SET NULL, /R: RESTRICT, else CASCADE
 *     uk(cfg,nama)    unique key, cfg is config_id
 *     config_id!      config_id NOT NULL         global        no config_id
 *     nopk            no primary key             *             created_at/by, updated_at/by
 */
final class TableSpec
{
    private const TYPES = [
        'i'    => 'int(11)', 'u' => 'int(10) unsigned', 't' => 'tinyint(4)', 'tu' => 'tinyint(3) unsigned',
        'b'    => 'tinyint(1)', 's' => 'smallint(6)', 'big' => 'bigint(20)', 'bigu' => 'bigint(20) unsigned',
        'f'    => 'double', 'm' => 'decimal(65,2)', 'text' => 'text', 'tiny' => 'tinytext',
        'long' => 'longtext', 'medium' => 'mediumtext', 'ts' => 'timestamp NULL', 'dt' => 'datetime',
        'd'    => 'date', 'time' => 'time', 'y' => 'year(4)', 'uuid' => 'char(36)',
    ];

    private const AUDIT = ['created_at:ts', 'created_by:i', 'updated_at:ts', 'updated_by:i'];

    private const ON_DELETE = ['' => 'CASCADE', 'N' => 'SET NULL', 'R' => 'RESTRICT'];

    private const COLUMN = '/^([+#]?)(\w+)(?::(\w+))?(!?)(?:>(\w+)(?:\.(\w+))?(?:\/([NR]))?)?$/';

    /** @var list<string> */
    private array $columns = [];

    /** @var list<string> */
    private array $keys = [];

    /** @var list<string> */
    private array $primary = [];

    private bool $hasPrimary = true;

    private string $configId = 'config_id>config';

    public function __construct(private readonly string $name, string $tokens)
    {
        foreach (preg_split('/\s+/', trim($tokens)) ?: [] as $token) {
            match (true) {
                $token === 'global'            => $this->configId   = '',
                $token === 'config_id!'        => $this->configId   = 'config_id!>config',
                $token === 'nopk'              => $this->hasPrimary = false,
                $token === '*'                 => array_map($this->addColumn(...), self::AUDIT),
                str_starts_with($token, 'uk(') => $this->addUnique(substr($token, 3, -1)),
                default                        => $this->addColumn($token),
            };
        }
    }

    public function createStatement(): string
    {
        if ($this->hasPrimary && $this->primary === []) {
            array_unshift($this->columns, '`id` int(11) NOT NULL AUTO_INCREMENT');
            $this->primary = ['id'];
        }
        if ($this->configId !== '') {
            $this->addColumn($this->configId);
        }
        if ($this->primary !== []) {
            $this->keys[] = 'PRIMARY KEY (`' . implode('`,`', $this->primary) . '`)';
        }
        $body = implode(",\n", [...$this->columns, ...$this->keys]);

        return "CREATE TABLE `{$this->name}` (\n{$body}\n)"
            . ' ENGINE=InnoDB DEFAULT CHARSET=utf8mb3 COLLATE=utf8mb3_general_ci ROW_FORMAT=DYNAMIC';
    }

    private function addUnique(string $columns): void
    {
        $names        = explode(',', str_replace('cfg', 'config_id', $columns));
        $this->keys[] = 'UNIQUE KEY `' . implode('_', $names) . '` (`' . implode('`,`', $names) . '`)';
    }

    private function addColumn(string $token): void
    {
        if (! preg_match(self::COLUMN, $token, $parts, PREG_UNMATCHED_AS_NULL)) {
            throw new SchemaError("Tabel {$this->name}: '{$token}' tidak dapat dibaca");
        }
        [, $key, $column, $type, $required, $table, $target, $onDelete] = $parts;
        if ($key !== '') {
            $this->primary[] = $column;
        }
        $this->columns[] = "`{$column}` " . $this->definition($column, $type, $table !== null || $key !== '', $key, $required);
        if ($table !== null) {
            $this->keys[] = "CONSTRAINT `{$this->name}_{$column}_fk` FOREIGN KEY (`{$column}`) REFERENCES `{$table}` (`"
                . ($target ?? 'id') . '`) ON DELETE ' . self::ON_DELETE[$onDelete ?? ''] . ' ON UPDATE CASCADE';
        }
    }

    private function definition(string $column, ?string $type, bool $isId, string $key, string $required): string
    {
        $type ??= $isId ? 'i' : '100';
        $sql    = self::TYPES[$type] ?? "varchar({$type})";
        if ($type === 'ts') {
            return $sql . match ($column) {
                'created_at' => ' DEFAULT current_timestamp()',
                'updated_at' => ' DEFAULT current_timestamp() ON UPDATE current_timestamp()',
                default      => ' DEFAULT NULL',
            };
        }
        $null = $required !== '' || $key !== '' ? ' NOT NULL' : ' DEFAULT NULL';

        return $sql . $null . ($key === '+' ? ' AUTO_INCREMENT' : '');
    }
}
