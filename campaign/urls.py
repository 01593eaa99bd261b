from django.urls import path
from django.views.decorators.http import require_safe

from campaign import feeds, views
from campaign.cacheable import cacheable

app_name = "campaign"
urlpatterns = [
    path("", views.home, name="home"),
    path("strikes/<slug:slug>/", views.strike, name="strike"),
    path("activists/", views.activists, name="activists"),
    path("activists/<slug:slug>/", views.activist, name="activist"),
    path("updates/", views.updates, name="updates"),
    path("updates/feed/", require_safe(cacheable()(feeds.UpdatesFeed())), name="feed"),
    path("updates/<slug:slug>/", views.update, name="update"),
    path("messages/", views.messages_of_support, name="messages"),
    path("messages/send/", views.send_message, name="send_message"),
    path("sent/", views.sent, name="sent"),
    path("documents/<slug:slug>/", views.document, name="document"),
    path("subscribe/", views.subscribe, name="subscribe"),
    path("subscribe/<str:token>/", views.subscription, name="subscription"),
    path("unsubscribe/<str:token>/", views.unsubscribe, name="unsubscribe"),
    path("privacy/", views.privacy, name="privacy"),
]
