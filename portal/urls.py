"""The site's URLs: the product's, which hide Django's own of the same address; then Django's accounts and admin."""

from django.contrib import admin
from django.urls import include, path

urlpatterns = [
    path("", include("connections.urls")),
    path("accounts/", include("portal.sign_on.urls")),
    path("accounts/", include("django.contrib.auth.urls")),
    path("admin/", admin.site.urls),
]

handler400 = "connections.views.errors.misunderstood"
handler500 = "connections.views.errors.failure"
