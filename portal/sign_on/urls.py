"""The addresses of logging in."""

from django.urls import path

from portal.sign_on import views

urlpatterns = [
    path("login/", views.LogIn.as_view(), name="login"),
    path("oidc/login/", views.begin, name="openid_connect_login"),
    path("oidc/callback/", views.finish, name="openid_connect_callback"),
]
