<?php

declare(strict_types=1);

namespace App\Support;

use RuntimeException;

/** Thrown to send the browser elsewhere: 303 after a POST, else 307, as CodeIgniter does. */
final class Redirect extends RuntimeException
{
    public function __construct(private readonly string $path)
    {
        parent::__construct('redirect ' . $path);
    }

    public function send(): void
    {
        $status = ($_SERVER['REQUEST_METHOD'] ?? 'GET') === 'GET' ? 307 : 303;
        header('Location: ' . Url::site($this->path), true, $status);
    }
}
