<h1>Identitas desa {{ $village['nama_desa'] }}</h1>
<p>Kode desa {{ $village['kode_desa'] }}</p>
<?php if ($village['logo'] !== null) { ?>
<img src="{{ App\Support\Url::base($folder . $village['logo']) }}" alt="Logo desa" width="96">
<?php } ?>
<form action="{{ App\Support\Url::site('identitas_desa/update') }}" method="post" enctype="multipart/form-data">
    <input type="hidden" name="sidcsrf" value="{{ $csrf }}">
    <label>Logo <input name="logo" type="file" accept="image/*" required></label>
    <button type="submit">Simpan</button>
</form>
