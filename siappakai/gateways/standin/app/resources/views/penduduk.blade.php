<h1>Penduduk</h1>
<table>
    <thead><tr><th>NIK</th><th>Nama</th><th>Jenis kelamin</th><th>No. KK</th></tr></thead>
    <tbody>
<?php foreach ($residents as $resident) { ?>
        <tr>
            <td>{{ $resident['nik'] }}</td>
            <td>{{ $resident['nama'] }}</td>
            <td>{{ $resident['sex'] }}</td>
            <td>{{ $resident['no_kk'] }}</td>
        </tr>
<?php } ?>
    </tbody>
</table>
