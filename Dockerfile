# The service and the command line, without torch. Runs as nobody in particular, on a read-only file system:
# only CINEMAE_CACHE and /tmp are written to, so mount a tmpfs at /tmp (compose.yaml does).
FROM python:3.12-slim AS build
WORKDIR /src
COPY pyproject.toml README.md LICENSE NOTICE ./
COPY src ./src
COPY configs ./configs
RUN python -m venv /opt/cinemae \
    && /opt/cinemae/bin/python -m pip install --no-cache-dir '.[serve,heic]'

FROM python:3.12-slim
COPY --from=build /opt/cinemae /opt/cinemae
ENV PATH=/opt/cinemae/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    CINEMAE_CACHE=/tmp/cinemae
WORKDIR /tmp
USER 10001:10001
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=15s --timeout=5s --start-period=60s --retries=3 \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/healthz', timeout=4)"]
ENTRYPOINT ["cinemae"]
CMD ["serve", "--host", "0.0.0.0", "--port", "8000"]
