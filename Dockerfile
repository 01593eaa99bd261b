# The program, and the reverse proxy with the program's static files: `docker compose build`.

FROM python:3.11.14-slim-bookworm AS built
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
RUN python -m venv /opt/venv
ENV PATH=/opt/venv/bin:$PATH
COPY requirements/base.txt /tmp/base.txt
RUN pip install --require-hashes --no-deps -r /tmp/base.txt
WORKDIR /opt/solidarity
COPY . .
# The secrets of this step are made up for it and stay behind in /tmp.
RUN for catalogue in locale/*/LC_MESSAGES/*.po */locale/*/LC_MESSAGES/*.po; do \
      if [ -e "$catalogue" ]; then pybabel --quiet compile -i "$catalogue" -o "${catalogue%.po}.mo"; fi; \
    done \
    && DEVELOPMENT=1 VAR_DIR=/tmp/var STATIC_ROOT=/opt/static python manage.py collectstatic --noinput \
    && python -m compileall -q . && rm -rf /tmp/var

FROM python:3.11.14-slim-bookworm AS program
RUN useradd --uid 10001 --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin solidarity \
    && install -d -o solidarity -g solidarity /var/lib/solidarity
COPY --from=built /opt/venv /opt/venv
COPY --from=built /opt/solidarity /opt/solidarity
COPY --from=built /opt/static /opt/static
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 \
    VAR_DIR=/var/lib/solidarity STATIC_ROOT=/opt/static BIND=0.0.0.0:8000
WORKDIR /opt/solidarity
USER 10001
VOLUME /var/lib/solidarity
EXPOSE 8000
HEALTHCHECK --interval=15s --timeout=10s --start-period=30s \
    CMD ["python", "-m", "config.probing"]
CMD ["gunicorn", "-c", "python:config.gunicorn", "config.wsgi"]

# PostgreSQL's image, for pg_dump and psql of the server's own version, with our Python and the program.
FROM postgres:18.1-bookworm AS keeper
SHELL ["/bin/bash", "-o", "pipefail", "-c"]
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends libbz2-1.0 libffi8 libsqlite3-0 \
    && rm -rf /var/lib/apt/lists/*
COPY --from=program /usr/local /usr/local
COPY --from=program /opt /opt
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 \
    VAR_DIR=/var/lib/solidarity STATIC_ROOT=/opt/static
WORKDIR /opt/solidarity
USER 10001
ENTRYPOINT []
CMD ["python", "manage.py", "backup", "--help"]

FROM caddy:2.10.2-alpine AS proxy
COPY deploy/Caddyfile /etc/caddy/Caddyfile
COPY --from=built /opt/static /srv/static
