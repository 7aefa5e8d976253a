import os
from pathlib import Path

BASE = Path(__file__).parent.parent
SECRET_KEY = os.environ.get("DJANGO_SECRET_KEY", "for trials only")
DEBUG = True  # Not in production.
GATEPASS_API_KEY = os.environ["GATEPASS_API_KEY"]
GATEPASS_PUBLIC_URL = os.environ.get("GATEPASS_PUBLIC_URL", "http://127.0.0.1:8080")

INSTALLED_APPS = ["django.contrib.staticfiles", "photos"]
MIDDLEWARE = ["django.middleware.csrf.CsrfViewMiddleware"]
ROOT_URLCONF = "photos.views"
TEMPLATES = [{"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True,
              "OPTIONS": {"context_processors": ["django.template.context_processors.request"]}}]
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": BASE / "db.sqlite3"}}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
STATIC_URL = "static/"
STATICFILES_DIRS = [BASE / "static"]
