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
 *                     /N at the end: ON DELETE SET NULL, /R: RESTRICT (of updates too), else CASCADE
 *     uk(cfg,nama)    unique key, cfg is config_id
 *     config_id!      config_id NOT NULL         global        no config_id
 *     nopk            no primary key             *             created_at/by, updated_at/by
 */
final class TableSpec
{
    private const TYPES = [
        'i' => 'int(11)',
        'u' => 'int(10) unsigned',
        't' => 'tinyint(4)',
        'tu' => 'tinyint(3) unsigned',
        'b' => 'tinyint(1)',
        's' => 'smallint(6)',
        'big' => 'bigint(20)',
        'bigu' => 'bigint(20) unsigned',
        'f' => 'double',
        'm' => 'decimal(65,2)',
        'nik' => 'decimal(16,0)',
        'text' => 'text',
        'tiny' => 'tinytext',
        'long' => 'longtext',
        'medium' => 'mediumtext',
        'ts' => 'timestamp NULL',
        'dt' => 'datetime',
        'd' => 'date',
        'time' => 'time',
        'y' => 'year(4)',
        'uuid' => 'char(36)',
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

    public function __construct(private readonly string $name, string $tokens)
    {
        $tokens = preg_split('/\s+/', trim($tokens)) ?: [];
        $ownKey = preg_grep('/^[+#]/', $tokens) !== [];
        $columns = array_diff($tokens, ['global', 'nopk', 'config_id!']);
        if (!in_array('global', $tokens, true)) {
            array_unshift(
                $columns,
                in_array('config_id!', $tokens, true) ? 'config_id!>config' : 'config_id>config',
            );
        }
        if (!$ownKey && !in_array('nopk', $tokens, true)) {
            array_unshift($columns, '+id');
        }
        array_map($this->read(...), $columns);
    }

    public function createStatement(): string
    {
        if ($this->primary !== []) {
            $this->keys[] = 'PRIMARY KEY (`' . implode('`,`', $this->primary) . '`)';
        }
        $body = implode(",\n", [...$this->columns, ...$this->keys]);

        return "CREATE TABLE `{$this->name}` (\n{$body}\n)" .
            ' ENGINE=InnoDB DEFAULT CHARSET=utf8mb3 COLLATE=utf8mb3_general_ci ROW_FORMAT=DYNAMIC';
    }

    private function read(string $token): void
    {
        if ($token === '*') {
            array_map($this->addColumn(...), self::AUDIT);
        } elseif (str_starts_with($token, 'uk(')) {
            $this->addUnique(substr($token, 3, -1));
        } else {
            $this->addColumn($token);
        }
    }

    private function addUnique(string $columns): void
    {
        $names = explode(',', str_replace('cfg', 'config_id', $columns));
        $this->keys[] = 'UNIQUE KEY `' . implode('_', $names) . '` (`' . implode('`,`', $names) . '`)';
    }

    private function addColumn(string $token): void
    {
        if (!preg_match(self::COLUMN, $token, $parts, PREG_UNMATCHED_AS_NULL)) {
            throw new SchemaError("Tabel {$this->name}: '{$token}' tidak dapat dibaca");
        }
        [, $key, $column, $type, $required, $table, $target, $onDelete] = $parts;
        if ($key !== '') {
            $this->primary[] = $column;
        }
        $type ??= $table !== null || $key !== '' ? 'i' : '100';
        $this->columns[] = "`{$column}` " . $this->definition($column, $type, $key, $required !== '');
        if ($table !== null) {
            $this->keys[] = sprintf(
                'CONSTRAINT `%1$s_%2$s_fk` FOREIGN KEY (`%2$s`) REFERENCES `%3$s` (`%4$s`) ON DELETE %5$s ON UPDATE %6$s',
                $this->name,
                $column,
                $table,
                $target ?? 'id',
                self::ON_DELETE[$onDelete ?? ''],
                $onDelete === 'R' ? 'RESTRICT' : 'CASCADE',
            );
        }
    }

    private function definition(string $column, string $type, string $key, bool $required): string
    {
        $sql = self::TYPES[$type] ?? "varchar({$type})";
        if ($type === 'ts') {
            return $sql .
                match ($column) {
                    'created_at' => ' DEFAULT current_timestamp()',
                    'updated_at' => ' DEFAULT current_timestamp() ON UPDATE current_timestamp()',
                    default => ' DEFAULT NULL',
                };
        }
        $null = $required || $key !== '' ? ' NOT NULL' : ' DEFAULT NULL';

        return $sql . $null . ($key === '+' ? ' AUTO_INCREMENT' : '');
    }
}
