<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>Photos</title>
<h1>Photos</h1>
<form action="/files" method="post">
  @csrf
  <gatepass-upload name="receipt" accept="image/*" max-size="10000000" required></gatepass-upload>
  <button>Save</button>
</form>
<ul>
  @foreach ($urls as $url)
  <li><a href="{{ $url }}"><img src="{{ $url }}" height="120" alt=""></a>
  @endforeach
</ul>
<script src="/element.js"></script>
<script>
  // In place of sign-url, for the token that Laravel wants with every POST.
  document.querySelector("gatepass-upload").getUrl = async () => {
    const headers = { "X-CSRF-TOKEN": document.querySelector("[name=_token]").value };
    return (await (await fetch("/sign", { method: "POST", headers })).json()).url;
  };
</script>
</html>
