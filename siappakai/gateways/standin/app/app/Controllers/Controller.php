<?php

declare(strict_types=1);

namespace App\Controllers;

use App\Database\Connection;
use App\Support\AppKey;
use App\Support\Template;

abstract class Controller
{
    public function __construct(protected readonly Connection $db) {}

    /** @param array<string, mixed> $values */
    protected function show(string $view, string $title, array $values = []): void
    {
        echo Template::page($view, $title, $values);
    }

    /** @return array<string, mixed> the village this app_key belongs to */
    protected function village(): array
    {
        return $this->db->row('SELECT * FROM config WHERE app_key = ?', [
            AppKey::load()->text,
        ]);
    }
}
