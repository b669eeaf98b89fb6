<?php

declare(strict_types=1);

require __DIR__ . '/config.php';

$escape = static fn(string $text): string => htmlspecialchars($text);
?>
<!DOCTYPE html>
<html lang="id">
<head><meta charset="utf-8"><title>Kelola file <?= KELOLA_FILE_VERSION ?></title></head>
<body>
<h1>Kelola file</h1>
<ul>
<?php foreach (glob(UPLOAD_FOLDER . '*.*') ?: [] as $file) { ?>
    <li><a href="<?= $escape($file) ?>"><?= $escape(basename($file)) ?></a></li>
<?php } ?>
</ul>
<form action="upload.php" method="post" enctype="multipart/form-data">
    <input type="hidden" name="sidcsrf" value="<?= App\Support\Session::csrfToken() ?>">
    <input type="file" name="file" required>
    <button type="submit">Unggah</button>
</form>
</body>
</html>
