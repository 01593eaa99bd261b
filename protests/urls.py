from django.urls import path

from protests import views

app_name = "protests"
urlpatterns = [
    path("letters/", views.letters, name="letters"),
    path("letters/<slug:slug>/", views.letter, name="letter"),
    path("letters/<slug:slug>/card.png", views.card, name="card"),
    path("letters/<slug:slug>/recipients/", views.recipients, name="recipients"),
    path("letters/<slug:slug>/print/", views.on_paper, name="print"),
    path("confirm/<str:token>/", views.confirm, name="confirm"),
    path("receipt/<str:code>/", views.receipt, name="receipt"),
    path("pickets/", views.pickets, name="pickets"),
]
