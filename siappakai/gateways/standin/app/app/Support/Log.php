<?php

declare(strict_types=1);

namespace App\Support;

/** storage/logs/log-YYYY-MM-DD.php in CodeIgniter's line format. */
final class Log
{
    private const GUARD = "<?php defined('BASEPATH') OR exit('No direct script access allowed'); ?>\n\n";

    public function __construct(private readonly string $folder) {}

    public function write(string $level, string $message): void
    {
        if (!is_dir($this->folder)) {
            @mkdir($this->folder, 0755, true);
        }
        $file = $this->folder . '/log-' . date('Y-m-d') . '.php';
        $head = is_file($file) ? '' : self::GUARD;
        $line = strtoupper($level) . ' - ' . date('Y-m-d H:i:s') . ' --> ' . $message . "\n";
        @file_put_contents($file, $head . $line, FILE_APPEND | LOCK_EX);
    }
}
