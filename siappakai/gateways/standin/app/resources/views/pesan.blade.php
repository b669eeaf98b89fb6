<h1>Pemberitahuan</h1>
<p role="alert">{{ $message }}</p>
