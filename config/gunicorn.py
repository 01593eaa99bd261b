"""Gunicorn's settings, for `make run` and for the container: `gunicorn -c python:config.gunicorn config.wsgi`."""

import os

bind = [os.environ.get("BIND", f"127.0.0.1:{os.environ.get('PORT', '8000')}")]
worker_class = "gthread"
workers = int(os.environ.get("WEB_WORKERS", "2"))
threads = int(os.environ.get("WEB_THREADS", "4"))
graceful_timeout = 10
# Else it opens a socket in the home folder.
control_socket_disable = True
# No access log: who reads and who signs is nobody's business, and the proxy in front can keep one if it must.
accesslog = None
loglevel = "warning"
# Gunicorn logs the address of what broke it: with the secret of somebody's link, and the visitor's network address.
logconfig_dict = {
    "root": {"level": "WARNING", "handlers": ["error_console"]},
    "loggers": {"gunicorn.error": {"level": "WARNING", "handlers": ["error_console"], "propagate": False}},
    "formatters": {
        "generic": {"class": "privacy.logs.Plain", "format": "%(asctime)s %(levelname)s %(name)s: %(message)s"}
    },
}
proc_name = "solidarity"
