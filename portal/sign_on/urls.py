"""The addresses of logging in."""

from django.urls import path

from portal.sign_on import saml_views, views
from portal.sign_on.second_factor import log_in
from portal.sign_on.second_factor import views as second_factor

urlpatterns = [
    path("login/", views.LogIn.as_view(), name="login"),
    path("login/code/", log_in.ask, name="log_in_code"),
    path("login/passkey/", log_in.passkey_options, name="log_in_passkey"),
    path("password_reset/done/", views.PasswordResetDone.as_view(), name="password_reset_done"),
    path("second-factor/", second_factor.overview, name="second_factor"),
    path("second-factor/app/", second_factor.set_up_app, name="second_factor_app"),
    path("second-factor/passkeys/add/", second_factor.add_passkey, name="second_factor_passkey"),
    path("second-factor/passkeys/options/", second_factor.passkey_options, name="second_factor_passkey_options"),
    path("second-factor/recovery-codes/", second_factor.recovery_codes, name="second_factor_codes"),
    path("second-factor/<int:pk>/remove/", second_factor.remove, name="second_factor_remove"),
    path("oidc/login/", views.begin, name="openid_connect_login"),
    path("oidc/callback/", views.finish, name="openid_connect_callback"),
    path("saml/login/", saml_views.begin, name="saml_login"),
    path("saml/acs/", saml_views.receive, name="saml_acs"),
    path("saml/finish/", saml_views.finish, name="saml_finish"),
    path("saml/metadata/", saml_views.describe, name="saml_metadata"),
]
