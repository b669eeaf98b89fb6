<?php

declare(strict_types=1);

namespace App\Support;

/** The login session, and OpenSID's csrf field `sidcsrf` (cookie and field must agree). */
final class Session
{
    public const CSRF = 'sidcsrf';

    public static function start(): void
    {
        if (session_status() === PHP_SESSION_ACTIVE) {
            return;
        }
        if (session_save_path() === '' || !is_writable(session_save_path())) {
            session_save_path(sys_get_temp_dir());
        }
        session_name('ci_session');
        session_start(['cookie_httponly' => true, 'cookie_samesite' => 'Lax', 'use_strict_mode' => true]);
    }

    public static function login(int $userId): void
    {
        self::start();
        session_regenerate_id(true);
        $_SESSION['user'] = $userId;
    }

    public static function logout(): void
    {
        self::start();
        session_destroy();
    }

    public static function isLoggedIn(): bool
    {
        self::start();

        return isset($_SESSION['user']);
    }

    public static function requireLogin(): void
    {
        if (!self::isLoggedIn()) {
            throw new Redirect('siteman');
        }
    }

    public static function csrfToken(): string
    {
        $token = $_COOKIE[self::CSRF] ?? '';
        if (!is_string($token) || !preg_match('/^[0-9a-f]{32}$/', $token)) {
            $token = bin2hex(random_bytes(16));
            setcookie(self::CSRF, $token, ['path' => '/', 'httponly' => true, 'samesite' => 'Lax']);
        }

        return $token;
    }

    /** Ends the request with 403 unless a POST carries the token of its cookie. */
    public static function requireCsrf(): void
    {
        $sent = $_POST[self::CSRF] ?? null;
        $known = $_COOKIE[self::CSRF] ?? '';
        if (is_string($sent) && is_string($known) && $known !== '' && hash_equals($known, $sent)) {
            return;
        }
        http_response_code(403);
        echo 'The action you have requested is not allowed.';

        exit(0);
    }
}
