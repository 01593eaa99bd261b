"""The mails that donations sends."""
