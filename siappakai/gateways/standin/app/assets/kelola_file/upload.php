<?php

declare(strict_types=1);

require __DIR__ . '/config.php';

App\Support\Session::requireCsrf();

$source = (string) ($_FILES['file']['tmp_name'] ?? '');
$name = basename((string) ($_FILES['file']['name'] ?? ''));
$extension = strtolower(pathinfo($name, PATHINFO_EXTENSION));
$allowed = in_array($extension, ['png', 'jpg', 'jpeg', 'gif', 'pdf'], true) && preg_match('/^[\w-]+\.\w+$/', $name);
if (!$allowed || !move_uploaded_file($source, UPLOAD_FOLDER . $name)) {
    http_response_code(422);

    exit('upload aborted');
}
echo 'ok ' . htmlspecialchars($name);
