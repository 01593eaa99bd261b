from django.urls import path

from donations import views

app_name = "donations"
urlpatterns = [
    path("fund/", views.fund, name="fund"),
    path("fund/ledger/", views.ledger, name="ledger"),
    path("fund/ledger.csv", views.ledger_csv, name="ledger_csv"),
    path("fund/ledger.json", views.ledger_json, name="ledger_json"),
    path("fund/account/", views.account, name="account"),
    path("fund/pledge/", views.pledge, name="pledge"),
    path("fund/appeal/", views.appeal, name="appeal"),
    path("fund/appeal.pdf", views.appeal_pdf, name="appeal_pdf"),
    path("documents/<slug:slug>/pdf/", views.document_pdf, name="document_pdf"),
    path("fund/pledge/<str:token>/", views.instructions, name="instructions"),
    path("fund/pledge/<str:token>/change/", views.change, name="change"),
    path("fund/pledge/<str:token>/<slug:name>/", views.paper, name="paper"),
    path("fund/pledge/<str:token>/<slug:name>.pdf", views.paper_pdf, name="paper_pdf"),
]
