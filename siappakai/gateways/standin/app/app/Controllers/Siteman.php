<?php

declare(strict_types=1);

namespace App\Controllers;

use App\Support\Redirect;
use App\Support\Session;

/** The login page. */
final class Siteman extends Controller
{
    public function index(): void
    {
        Session::start();
        $message = $_SESSION['pesan_login'] ?? '';
        unset($_SESSION['pesan_login']);
        $this->show('siteman', 'Masuk', [
            'village' => $this->village(),
            'csrf' => Session::csrfToken(),
            'message' => $message,
        ]);
    }

    public function auth(): void
    {
        Session::requireCsrf();
        $village = $this->village();
        $user = $this->db->row(
            'SELECT id, username, password FROM user WHERE config_id = ? AND username = ? AND active = 1',
            [$village['id'], (string) ($_POST['username'] ?? '')],
        );
        if ($user === [] || !password_verify((string) ($_POST['password'] ?? ''), $user['password'])) {
            Session::start();
            $_SESSION['pesan_login'] = 'Username atau kata sandi salah';

            throw new Redirect('siteman');
        }
        $this->recordLogin((int) $village['id'], $user);
        Session::login((int) $user['id']);

        throw new Redirect('main');
    }

    public function logout(): void
    {
        Session::logout();

        throw new Redirect('siteman');
    }

    /**
     * A login without a Referer header ends in 500: log_login.referer is NOT NULL.
     *
     * @param array<string, mixed> $user
     */
    private function recordLogin(int $configId, array $user): void
    {
        $this->db->rows('UPDATE user SET last_login = NOW() WHERE id = ?', [$user['id']]);
        $this->db->rows(
            'INSERT INTO log_login' .
                ' (uuid, config_id, username, ip_address, user_agent, referer, created_at, updated_at)' .
                ' VALUES (UUID(), ?, ?, ?, ?, ?, NOW(), NOW())',
            [
                $configId,
                $user['username'],
                $_SERVER['REMOTE_ADDR'] ?? '',
                substr($_SERVER['HTTP_USER_AGENT'] ?? '', 0, 255),
                $_SERVER['HTTP_REFERER'] ?? null,
            ],
        );
    }
}
