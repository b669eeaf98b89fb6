<h1>Masuk ke desa {{ $village['nama_desa'] }}</h1>
<?php if ($message !== '') { ?>
<p class="error" role="alert">{{ $message }}</p>
<?php } ?>
<form action="{{ App\Support\Url::site('siteman/auth') }}" method="post">
    <input type="hidden" name="sidcsrf" value="{{ $csrf }}">
    <label>Username <input name="username" autocomplete="username" required></label>
    <label>Kata sandi <input name="password" type="password" autocomplete="current-password" required></label>
    <button type="submit">Masuk</button>
</form>
