# Two stages: the first builds a wheel and an environment, the second holds only that environment.
FROM python:3.11-slim AS build
WORKDIR /src
COPY pyproject.toml README.md LICENSE ./
COPY proxy ./proxy
RUN python -m venv /opt/undimmed \
 && /opt/undimmed/bin/pip install --no-cache-dir --disable-pip-version-check . \
 && /opt/undimmed/bin/python -m compileall -q /opt/undimmed/lib \
 && /opt/undimmed/bin/pip uninstall -y -q pip

FROM python:3.11-slim
RUN useradd --system --uid 10001 --no-create-home --shell /usr/sbin/nologin undimmed
COPY --from=build /opt/undimmed /opt/undimmed
ENV PATH=/opt/undimmed/bin:$PATH PYTHONUNBUFFERED=1
USER 10001
WORKDIR /etc/undimmed
EXPOSE 8080
# SIGTERM drains: streams under way finish within server.drain, so give `docker stop --time` a little more than that.
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=5s \
  CMD ["python", "-c", "import sys, urllib.request as u; sys.exit(u.urlopen('http://127.0.0.1:8080/health/live', timeout=2).status != 200)"]
ENTRYPOINT ["undimmed"]
CMD ["run", "/etc/undimmed/undimmed.yaml"]
