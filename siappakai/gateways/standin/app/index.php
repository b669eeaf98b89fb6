<?php

/*
 * Entry of the stand-in application. Identical in every release: a village's view keeps a
 * copy of this file, so nothing release-specific may live here.
 */

declare(strict_types=1);

if (defined('STDIN')) {
    chdir(__DIR__);
}

$systemPath = realpath('donjo-app');
if ($systemPath === false) {
    header('HTTP/1.1 503 Service Unavailable', true, 503);
    echo 'Folder donjo-app tidak ditemukan.';

    exit(3);
}

define('FCPATH', __DIR__ . DIRECTORY_SEPARATOR);
define('APPPATH', $systemPath . DIRECTORY_SEPARATOR);
define('BASEPATH', APPPATH);
define('DESAPATH', 'desa/');
define('STORAGEPATH', 'storage/');

require dirname(APPPATH) . '/vendor/autoload.php';

App\Application::boot()->run();
