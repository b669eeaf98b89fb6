<?php

declare(strict_types=1);

namespace App\Support;

/** storage/framework/cache/data, laid out as Laravel's file cache. */
final class Cache
{
    public static function put(string $name, mixed $value): void
    {
        $hash = sha1($name);
        $folder = STORAGEPATH . 'framework/cache/data/' . substr($hash, 0, 2) . '/' . substr($hash, 2, 2);
        if (!is_dir($folder)) {
            @mkdir($folder, 0755, true);
        }
        file_put_contents($folder . '/' . $hash, serialize($value), LOCK_EX);
    }
}
