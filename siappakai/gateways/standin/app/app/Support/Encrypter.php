<?php

declare(strict_types=1);

namespace App\Support;

use RuntimeException;

/** Laravel's AES-256-CBC envelope: base64 of JSON with iv, value and mac. */
final class Encrypter
{
    private const CIPHER = 'aes-256-cbc';

    public function __construct(private readonly AppKey $key) {}

    public function encrypt(string $plain): string
    {
        $iv = random_bytes(16);
        $value = openssl_encrypt(serialize($plain), self::CIPHER, $this->key->bytes(), 0, $iv);
        $iv = base64_encode($iv);

        return base64_encode(
            (string) json_encode(['iv' => $iv, 'value' => $value, 'mac' => $this->mac($iv, $value), 'tag' => '']),
        );
    }

    public function decrypt(string $envelope): string
    {
        $parts = json_decode((string) base64_decode($envelope, true), true);
        if (
            !is_array($parts) ||
            !hash_equals($this->mac($parts['iv'] ?? '', $parts['value'] ?? ''), $parts['mac'] ?? '')
        ) {
            throw new RuntimeException('The MAC is invalid.');
        }
        $serialized = openssl_decrypt(
            $parts['value'],
            self::CIPHER,
            $this->key->bytes(),
            0,
            base64_decode($parts['iv'], true),
        );

        return (string) unserialize((string) $serialized, ['allowed_classes' => false]);
    }

    private function mac(string $iv, string $value): string
    {
        return hash_hmac('sha256', $iv . $value, $this->key->bytes());
    }
}
