"""The addresses of logging in."""

from django.urls import path

from portal.sign_on import saml_views, views

urlpatterns = [
    path("login/", views.LogIn.as_view(), name="login"),
    path("oidc/login/", views.begin, name="openid_connect_login"),
    path("oidc/callback/", views.finish, name="openid_connect_callback"),
    path("saml/login/", saml_views.begin, name="saml_login"),
    path("saml/acs/", saml_views.receive, name="saml_acs"),
    path("saml/finish/", saml_views.finish, name="saml_finish"),
    path("saml/metadata/", saml_views.describe, name="saml_metadata"),
]
