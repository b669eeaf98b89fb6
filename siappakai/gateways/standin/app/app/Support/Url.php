<?php

declare(strict_types=1);

namespace App\Support;

final class Url
{
    public static function base(string $path = ''): string
    {
        $scheme = in_array($_SERVER['HTTPS'] ?? '', ['', 'off'], true) ? 'http' : 'https';
        $host = preg_replace('/[^A-Za-z0-9.:\[\]-]/', '', $_SERVER['HTTP_HOST'] ?? 'localhost');

        return $scheme . '://' . $host . '/' . $path;
    }

    public static function site(string $path): string
    {
        return self::base('index.php/' . $path);
    }
}
