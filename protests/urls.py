from django.urls import path

from protests import log, pickets, views

app_name = "protests"
urlpatterns = [
    path("letters/", views.letters, name="letters"),
    path("letters/log/", log.log, name="log"),
    path("letters/log.jsonl", log.whole, name="log_whole"),
    path("letters/log/heads.json", log.heads, name="log_heads"),
    path("letters/log/verify_log.py", log.program, name="log_program"),
    path("letters/log/<int:first>.jsonl", log.part, name="log_part"),
    path("letters/<slug:slug>/", views.letter, name="letter"),
    path("letters/<slug:slug>/card.png", views.card, name="card"),
    path("letters/<slug:slug>/recipients/", views.recipients, name="recipients"),
    path("letters/<slug:slug>/print/", views.on_paper, name="print"),
    path("confirm/<str:token>/", views.confirm, name="confirm"),
    path("receipt/<str:code>/", views.receipt, name="receipt"),
    path("receipt/<str:code>/proof.json", views.proof, name="proof"),
    path("pickets/", pickets.pickets, name="pickets"),
    path("pickets/calendar.ics", pickets.calendar, name="calendar"),
    path("pickets/add/", pickets.add, name="add_picket"),
    path("pickets/<slug:slug>/", pickets.picket, name="picket"),
    path("pickets/<slug:slug>/report/", pickets.report, name="report_picket"),
    path("pickets/<slug:slug>/pictures/<str:token>/", pickets.report_pictures, name="report_pictures"),
    path("pickets/<slug:slug>/calendar.ics", pickets.one_in_calendar, name="picket_calendar"),
]
