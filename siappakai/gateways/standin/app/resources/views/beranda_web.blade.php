<img src="{{ App\Support\Url::base('assets/images/lambang.svg') }}" alt="Lambang" width="64" height="64">
<h1>Desa {{ $village['nama_desa'] }}</h1>
<p>Kecamatan {{ $village['nama_kecamatan'] }}, {{ $village['nama_kabupaten'] }}, {{ $village['nama_propinsi'] }}</p>
<h2>Artikel</h2>
<?php if ($articles === []) { ?>
<p>Belum ada artikel.</p>
<?php } ?>
<?php foreach ($articles as $article) { ?>
<article>
    <h3>{{ $article['judul'] }}</h3>
    <div>{{ strip_tags($article['isi']) }}</div>
</article>
<?php } ?>
<p><a href="{{ App\Support\Url::site('siteman') }}">Masuk</a></p>
