from django.urls import path

from donations import views

app_name = "donations"
urlpatterns = [
    path("fund/", views.fund, name="fund"),
    path("fund/account/", views.account, name="account"),
    path("fund/pledge/", views.pledge, name="pledge"),
    path("fund/pledge/<str:token>/", views.instructions, name="instructions"),
]
