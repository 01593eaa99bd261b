"""The mails that protests sends."""
