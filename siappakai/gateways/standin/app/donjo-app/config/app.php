<?php

// A missing key must end in a bare 500 before anything else runs: an unreadable
// identity is never replaced by a new one.
$key = is_readable(DESAPATH . 'app_key') ? trim((string) file_get_contents(DESAPATH . 'app_key')) : '';
if ($key === '') {
    http_response_code(500);

    exit(1);
}

return ['name' => 'Aplikasi Pengganti', 'key' => $key];
