<?php

declare(strict_types=1);

namespace App\Support;

/** The village's identity and encryption key, in desa/app_key and config.app_key. */
final class AppKey
{
    private function __construct(public readonly string $text) {}

    public static function load(): self
    {
        $settings = require APPPATH . 'config/app.php';

        return new self($settings['key']);
    }

    /** Replaces desa/app_key by a new random key, as seeding an empty database does. */
    public static function renew(): self
    {
        $key = new self('base64:' . base64_encode(random_bytes(32)));
        @unlink(DESAPATH . 'app_key');
        file_put_contents(DESAPATH . 'app_key', $key->text);

        return $key;
    }

    public function bytes(): string
    {
        return (string) base64_decode(substr($this->text, strlen('base64:')), true);
    }
}
