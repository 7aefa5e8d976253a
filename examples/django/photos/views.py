from uuid import uuid4

from django.conf import settings
from django.http import HttpResponseForbidden, JsonResponse
from django.shortcuts import redirect, render
from django.urls import path
from django.views.decorators.http import require_POST
from gatepass_sign import ReceiptError, Signer

from .models import Photo

signer = Signer(key=settings.GATEPASS_API_KEY, public_url=settings.GATEPASS_PUBLIC_URL)
USER_ID = 7  # In place of request.user.id.


# The path is made up here, never by the page, and begins with whose it is.
@require_POST
def sign(request):
    target = f"users/{USER_ID}/{uuid4()}"
    limits = {"expires_in": 600, "max_size": 10_000_000, "type": "image/*", "overwrite": False}
    return JsonResponse({"url": signer.sign_upload(target, **limits)})


# What the page says could be made up; what the receipt states was uploaded.
@require_POST
def save(request):
    try:
        claims = signer.verify_receipt(request.POST.get("receipt", ""))
    except ReceiptError:
        return HttpResponseForbidden("The receipt was refused.")
    if not claims.path.startswith(f"users/{USER_ID}/"):
        return HttpResponseForbidden("The receipt was refused.")
    facts = {"path": claims.path, "type": claims.type, "size": claims.size}
    Photo.objects.update_or_create(file_id=claims.sub, defaults=facts)
    return redirect("/")


def page(request):
    return render(request, "page.html", {"photos": Photo.objects.all()})


urlpatterns = [path("", page), path("sign", sign), path("files", save)]
