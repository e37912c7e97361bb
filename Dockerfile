# Two stages: what installs stays behind.  Pinned wheels only; nothing is compiled.
FROM python:3.11-slim-bookworm AS build
WORKDIR /src
COPY requirements/run.lock requirements/run.lock
RUN python -m venv /opt/nexus \
    && /opt/nexus/bin/pip install --no-cache-dir --disable-pip-version-check \
        --require-hashes --only-binary :all: -r requirements/run.lock
COPY pyproject.toml README.md LICENSE ./
COPY nexus nexus
RUN /opt/nexus/bin/pip install --no-cache-dir --disable-pip-version-check \
        --no-deps --no-build-isolation --no-index . \
    && /opt/nexus/bin/python -m compileall -q /opt/nexus

FROM python:3.11-slim-bookworm
RUN useradd --uid 1000 --no-create-home --shell /usr/sbin/nologin nexus \
    && install -d -o nexus -g nexus /data
COPY --from=build /opt/nexus /opt/nexus
ENV PATH=/opt/nexus/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    NEXUS_LISTEN=0.0.0.0 \
    NEXUS_DATA_PATH=/data
USER nexus
WORKDIR /data
VOLUME /data
EXPOSE 9000 9001 9002 33123
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s CMD ["python", "-c", \
    "import http.client as h; c = h.HTTPConnection('127.0.0.1', 9000, timeout=4); c.request('GET', '/health'); raise SystemExit(c.getresponse().status != 200)"]
ENTRYPOINT ["nexus"]
CMD ["serve"]
