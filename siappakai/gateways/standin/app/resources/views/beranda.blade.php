<h1>Beranda desa {{ $village['nama_desa'] }}</h1>
<ul>
<?php foreach ($counts as $label => $count) { ?>
    <li>{{ $label }}: {{ $count }}</li>
<?php } ?>
</ul>
<nav>
    <a href="{{ App\Support\Url::site('penduduk') }}">Penduduk</a>
    <a href="{{ App\Support\Url::site('identitas_desa') }}">Identitas desa</a>
    <a href="{{ App\Support\Url::base('assets/kelola_file/dialog.php') }}">Kelola file</a>
    <a href="{{ App\Support\Url::site('siteman/logout') }}">Keluar</a>
</nav>
