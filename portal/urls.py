"""The site's URLs: Django's own accounts and admin; everything else belongs to the product."""

from django.contrib import admin
from django.urls import include, path

urlpatterns = [
    path("accounts/", include("django.contrib.auth.urls")),
    path("admin/", admin.site.urls),
    path("", include("connections.urls")),
]

handler500 = "connections.views.errors.failure"
