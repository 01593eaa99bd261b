from django.urls import path, re_path
from django.views.decorators.http import require_safe

from campaign import feeds, my_data_views, views
from campaign.cacheable import cacheable
from campaign.models import Activist, Strike, Update

app_name = "campaign"
urlpatterns = [
    path("", views.home, name="home"),
    path("card.png", views.site_card, name="card"),
    path("strikes/<slug:slug>/", views.strike, name="strike"),
    path("strikes/<slug:slug>/story/", views.story, name="story"),
    path("strikes/<slug:slug>/card.png", views.card, {"model": Strike}, name="strike_card"),
    path("activists/", views.activists, name="activists"),
    path("activists/<slug:slug>/", views.activist, name="activist"),
    path("activists/<slug:slug>/card.png", views.card, {"model": Activist}, name="activist_card"),
    path("updates/", views.updates, name="updates"),
    path("updates/feed/", require_safe(cacheable()(feeds.UpdatesFeed())), name="feed"),
    re_path(r"^updates/(?P<year>[0-9]{4})/(?P<month>0[1-9]|1[0-2])/$", views.updates_of_month, name="updates_of_month"),
    path("updates/<slug:slug>/", views.update, name="update"),
    path("updates/<slug:slug>/comment/", views.comment, name="comment"),
    path("updates/<slug:slug>/card.png", views.card, {"model": Update}, name="update_card"),
    path("messages/", views.messages_of_support, name="messages"),
    path("messages/<slug:slug>/", views.message, name="message"),
    path("endorsements/", views.endorsements, name="endorsements"),
    path("send/message/", views.send_message, name="send_message"),
    path("send/endorsement/", views.send_endorsement, name="send_endorsement"),
    path("sent/", views.sent, name="sent"),
    path("documents/", views.documents, name="documents"),
    path("documents/<slug:slug>/", views.document, name="document"),
    path("subscribe/", views.subscribe, name="subscribe"),
    path("subscribe/<str:token>/", views.subscription, name="subscription"),
    path("unsubscribe/<str:token>/", views.unsubscribe, name="unsubscribe"),
    path("mirrors/", views.mirrors, name="mirrors"),
    path("mirrors/verify_mirror.py", views.verify_mirror, name="verify_mirror"),
    path("mirrors/mirror.pub", views.mirror_key, name="mirror_key"),
    path("privacy/", views.privacy, name="privacy"),
    path("my-data/", my_data_views.my_data, name="my_data"),
    path("my-data/<str:token>/", my_data_views.page, name="my_data_page"),
    path("my-data/<str:token>/my-data.json", my_data_views.download, name="my_data_download"),
    path("my-data/<str:token>/erase/", my_data_views.erase, name="my_data_erase"),
]
