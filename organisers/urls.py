"""The door's own pages, before the desk's permission. They stand beside it, under the same /admin/."""

from django.urls import path

from organisers import passkeys, views

app_name = "organisers"
urlpatterns = [
    path("second-factor/", views.second_factor, name="second_factor"),
    path("second-factor/set-up/", views.set_up, name="set_up"),
    path("second-factor/recovery-codes/", views.recovery_codes, name="recovery_codes"),
    path("second-factor/remove/", views.remove, name="remove"),
    path("second-factor/passkey/add/begin/", passkeys.BeginAdding.as_view(), name="passkey_add_begin"),
    path("second-factor/passkey/add/", passkeys.Add.as_view(), name="passkey_add"),
    path("second-factor/passkey/ask/begin/", passkeys.BeginAsking.as_view(), name="passkey_ask_begin"),
    path("second-factor/passkey/ask/", passkeys.Ask.as_view(), name="passkey_ask"),
    path("again/", views.again, name="again"),
    path("leave/", views.leave, name="leave"),
    path("invitation/<str:token>/", views.invitation, name="invitation"),
]
