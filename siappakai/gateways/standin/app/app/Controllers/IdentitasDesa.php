<?php

declare(strict_types=1);

namespace App\Controllers;

use App\Support\Redirect;
use App\Support\Session;
use finfo;

/** The village's name and its logo, an image uploaded below desa/upload/. */
final class IdentitasDesa extends Controller
{
    private const EXTENSIONS = ['image/png' => 'png', 'image/jpeg' => 'jpg', 'image/gif' => 'gif'];

    private const FOLDER = 'desa/upload/gambar/';

    public function index(): void
    {
        Session::requireLogin();
        $this->show('identitas_desa', 'Identitas Desa', [
            'village' => $this->village(),
            'csrf' => Session::csrfToken(),
            'folder' => self::FOLDER,
        ]);
    }

    public function update(): void
    {
        Session::requireLogin();
        Session::requireCsrf();
        $source = (string) ($_FILES['logo']['tmp_name'] ?? '');
        $extension = is_uploaded_file($source)
            ? self::EXTENSIONS[(new finfo(FILEINFO_MIME_TYPE))->file($source)] ?? null
            : null;
        if ($extension === null) {
            http_response_code(422);
            $this->show('pesan', 'Unggahan ditolak', ['message' => 'Logo harus berupa gambar PNG, JPG atau GIF.']);

            return;
        }
        $name = 'logo_' . bin2hex(random_bytes(8)) . '.' . $extension;
        move_uploaded_file($source, self::FOLDER . $name);
        $this->db->rows('UPDATE config SET logo = ? WHERE id = ?', [$name, $this->village()['id']]);

        throw new Redirect('identitas_desa');
    }
}
