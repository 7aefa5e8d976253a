from django.conf import settings
from django.db import models


class Photo(models.Model):
    file_id = models.CharField(max_length=64, primary_key=True)
    path = models.CharField(max_length=1024)
    type = models.CharField(max_length=255)
    size = models.BigIntegerField()

    @property
    def url(self):
        return f"{settings.GATEPASS_PUBLIC_URL}/{self.path}"
