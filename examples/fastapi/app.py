import os
from html import escape
from typing import Annotated
from uuid import uuid4

from fastapi import FastAPI, Form, HTTPException
from fastapi.responses import HTMLResponse, RedirectResponse
from fastapi.staticfiles import StaticFiles
from gatepass_sign import ReceiptError, Signer

PUBLIC_URL = os.environ.get("GATEPASS_PUBLIC_URL", "http://127.0.0.1:8080")
signer = Signer(key=os.environ["GATEPASS_API_KEY"], public_url=PUBLIC_URL)
files = {}  # In place of your database.
user_id = 7  # In place of your session.

app = FastAPI()
app.mount("/static", StaticFiles(directory="static"))


# The path is made up here, never by the page, and begins with whose it is.
@app.post("/sign")
def sign():
    path = f"users/{user_id}/{uuid4()}"
    limits = {"expires_in": 600, "max_size": 10_000_000, "type": "image/*", "overwrite": False}
    return {"url": signer.sign_upload(path, **limits)}


# What the page says could be made up; what the receipt states was uploaded.
@app.post("/files")
def save(receipt: Annotated[str, Form()]):
    try:
        claims = signer.verify_receipt(receipt)
    except ReceiptError:
        raise HTTPException(403, "The receipt was refused.") from None
    if not claims.path.startswith(f"users/{user_id}/"):
        raise HTTPException(403, "The receipt was refused.")
    files[claims.sub] = {"url": f"{PUBLIC_URL}/{claims.path}", "type": claims.type, "size": claims.size}
    return RedirectResponse("/", 303)


@app.get("/", response_class=HTMLResponse)
def page():
    return PAGE.replace("FILES", "".join(map(item, files.values())))


def item(file):
    url = escape(file["url"])
    return f'<li><a href="{url}"><img src="{url}" height="120" alt=""></a> {file["size"]} bytes'


PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>Photos</title>
<h1>Photos</h1>
<form action="/files" method="post">
  <gatepass-upload name="receipt" sign-url="/sign" accept="image/*" max-size="10000000" required></gatepass-upload>
  <button>Save</button>
</form>
<ul>FILES</ul>
<script src="/static/element.js"></script>
</html>"""
