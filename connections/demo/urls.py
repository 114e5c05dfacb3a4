"""The site's addresses and those of the demo."""

from django.urls import include, path

from connections.demo import pages
from portal.urls import handler500 as handler500
from portal.urls import urlpatterns as site

_own = [
    path("log-in/", pages.log_in, name="log_in"),
    path("mails/", pages.mail_list, name="mails"),
    path("mails/<slug:name>/", pages.mail, name="mail"),
    path("mails/<slug:name>/html/", pages.mail_html, name="mail_html"),
]
urlpatterns = [path("demo/", include((_own, "demo"))), *site]
