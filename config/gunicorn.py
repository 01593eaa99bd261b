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
proc_name = "solidarity"
