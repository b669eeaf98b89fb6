<?php

declare(strict_types=1);

namespace App\Support;

/** desa/config/database.php: read with its defaults, password rewritten encrypted. */
final class DatabaseConfig
{
    private const FILE = DESAPATH . 'config/database.php';

    /** Stored passwords longer than this are taken for ciphertext, shorter ones get encrypted. */
    private const PLAIN_LIMIT = 80;

    private function __construct(
        public readonly string $host,
        public readonly int $port,
        public readonly string $database,
        public readonly string $username,
        public readonly string $password,
    ) {}

    public static function load(AppKey $key): self
    {
        $values = require APPPATH . 'config/database.php';
        $password = (string) $values['password'];
        if (strlen($password) > self::PLAIN_LIMIT) {
            $password = (new Encrypter($key))->decrypt($password);
        }

        return new self(
            $values['hostname'],
            (int) $values['port'],
            $values['database'],
            $values['username'],
            $password,
        );
    }

    /** Not atomic and not locked on purpose: parallel first requests damage the file in OpenSID too. */
    public function encryptPassword(AppKey $key, Log $log): void
    {
        if (strlen($this->password) >= self::PLAIN_LIMIT) {
            return;
        }
        $cipher = (new Encrypter($key))->encrypt($this->password);
        $log->write('error', 'updateConfigFile password - ' . $cipher);
        $line = "\$db['default']['password'] = '{$cipher}';";
        $content = (string) @file_get_contents(self::FILE);
        $content = (string) preg_replace('/\$db\[\'default\'\]\[\'password\'\]\s*=\s*\'.*\';/', $line, $content);
        @file_put_contents(self::FILE, $content);
    }
}
