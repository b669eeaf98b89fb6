<?php

declare(strict_types=1);

namespace App\Database;

use App\Support\DatabaseConfig;
use PDO;

/** The village's database; errors surface as PDOException ("SQLSTATE[...] ..."). */
final class Connection
{
    private function __construct(private readonly PDO $pdo) {}

    public static function open(DatabaseConfig $config): self
    {
        $server = str_starts_with($config->host, '/')
            ? 'unix_socket=' . $config->host
            : 'host=' . $config->host . ';port=' . $config->port;
        $dsn = "mysql:{$server};dbname={$config->database};charset=utf8";

        return new self(
            new PDO($dsn, $config->username, $config->password, [
                PDO::ATTR_ERRMODE => PDO::ERRMODE_EXCEPTION,
                PDO::ATTR_DEFAULT_FETCH_MODE => PDO::FETCH_ASSOC,
                PDO::MYSQL_ATTR_INIT_COMMAND => "SET SESSION sql_mode = 'STRICT_ALL_TABLES'",
            ]),
        );
    }

    public function execute(string $sql): void
    {
        $this->pdo->exec($sql);
    }

    /**
     * @param list<mixed> $parameters
     *
     * @return list<array<string, mixed>>
     */
    public function rows(string $sql, array $parameters = []): array
    {
        $statement = $this->pdo->prepare($sql);
        $statement->execute($parameters);

        return $statement->columnCount() > 0 ? $statement->fetchAll() : [];
    }

    /**
     * @param list<mixed> $parameters
     *
     * @return array<string, mixed>
     */
    public function row(string $sql, array $parameters = []): array
    {
        return $this->rows($sql, $parameters)[0] ?? [];
    }

    /** @param list<mixed> $parameters */
    public function value(string $sql, array $parameters = []): mixed
    {
        $row = $this->row($sql, $parameters);

        return $row === [] ? null : reset($row);
    }

    /** @param iterable<array<string, mixed>> $rows rows with the same keys, in the same order */
    public function insert(string $table, iterable $rows): void
    {
        $tuples = [];
        $columns = [];
        foreach ($rows as $row) {
            $columns = array_keys($row);
            $tuples[] = '(' . implode(',', array_map($this->quote(...), $row)) . ')';
        }
        foreach (array_chunk($tuples, 500) as $chunk) {
            $this->execute(
                "INSERT INTO `{$table}` (`" . implode('`,`', $columns) . '`) VALUES ' . implode(',', $chunk),
            );
        }
    }

    public function transaction(callable $work): void
    {
        $this->pdo->beginTransaction();
        $work();
        $this->pdo->commit();
    }

    public function isEmpty(): bool
    {
        $query = 'SELECT COUNT(*) FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE()';

        return (int) $this->value($query) === 0;
    }

    public function hasColumn(string $table, string $column): bool
    {
        $query =
            'SELECT COUNT(*) FROM information_schema.COLUMNS' .
            ' WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = ? AND COLUMN_NAME = ?';

        return (int) $this->value($query, [$table, $column]) > 0;
    }

    private function quote(mixed $value): string
    {
        return match (true) {
            $value === null => 'NULL',
            is_int($value) => (string) $value,
            default => $this->pdo->quote((string) $value),
        };
    }
}
