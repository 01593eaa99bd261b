from django.urls import path

from outbox import views

app_name = "outbox"
urlpatterns = [
    path("mailbox/", views.mailbox_page, name="mailbox"),
    path("mailbox.json", views.mailbox_json, name="mailbox_json"),
]
