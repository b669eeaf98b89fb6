<?php

// The root is found from this very file and the uploads from the working directory, as the
// file manager of OpenSID does: linked instead of copied into a view, it would miss both.

declare(strict_types=1);

define('ROOT', dirname(__FILE__, 3));
define('UPLOAD_FOLDER', '../../desa/upload/media/');

require ROOT . '/vendor/autoload.php';
require __DIR__ . '/versi.php';

if (!is_file(ROOT . '/desa/app_key') || !App\Support\Session::isLoggedIn()) {
    http_response_code(403);

    exit('Access Denied!');
}
