<!DOCTYPE html>
<html lang="id">
<head>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <title>{{ $title }}</title>
    <link rel="icon" href="{{ App\Support\Url::base('favicon.ico') }}">
    <link rel="stylesheet" href="{{ App\Support\Url::base('assets/css/style.css') }}">
    <script src="{{ App\Support\Url::base('assets/js/app.js') }}" defer></script>
</head>
<body>
    <main>
        {!! $content !!}
    </main>
    <footer>Aplikasi pengganti (bukan OpenSID) versi {{ VERSION }}</footer>
</body>
</html>
