<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="csrf-token" content="{{ csrf_token() }}">
<title>Photos</title>
<h1>Photos</h1>
<form action="/files" method="post">
  @csrf
  <gatepass-upload name="receipt" sign-url="/sign" accept="image/*" max-size="10000000" required></gatepass-upload>
  <button>Save</button>
</form>
<ul>
  @foreach ($urls as $url)
  <li><a href="{{ $url }}"><img src="{{ $url }}" height="120" alt=""></a>
  @endforeach
</ul>
<script src="/element.js"></script>
</html>
