# docker build -t scorer .
# A replica with its dependencies as deploy/requirements.lock pins them, without a compiler and not as root. Mount the
# configuration, the schemas and the models, and say which command: docker run -v ./my:/etc/scorer scorer run -c ...

FROM python:3.11-slim AS build
ARG PREFIX=/opt/scorer
ARG KERNELS=/var/cache/scorer
ENV NUMBA_CACHE_DIR=$KERNELS
WORKDIR /src
COPY deploy/requirements.lock deploy/
RUN python -m venv $PREFIX && $PREFIX/bin/pip install --no-cache-dir --require-hashes -r deploy/requirements.lock
COPY requirements.lock pyproject.toml README.md LICENSE ./
COPY scorer scorer
# What builds the package is pinned, too, and leaves again.
RUN awk '/^[^ #]/ { mine = /^setuptools==/ } mine' requirements.lock > build.lock \
    && $PREFIX/bin/pip install --no-cache-dir --require-hashes -r build.lock \
    && $PREFIX/bin/pip install --no-cache-dir --no-index --no-deps --no-build-isolation . \
    && $PREFIX/bin/pip uninstall --yes --quiet setuptools pip
# Compile now what a replica would compile at its first start.
RUN $PREFIX/bin/python -c "import scorer.app, scorer.store.redis.server"

# For docker-compose's profile `demo`: the image below and the flights.
FROM build AS build-demo
ARG PREFIX=/opt/scorer
COPY deploy/requirements-demo.lock deploy/
RUN python -m pip --python $PREFIX/bin/python install --no-cache-dir --require-hashes -r deploy/requirements-demo.lock

FROM python:3.11-slim AS demo
ARG PREFIX=/opt/scorer
ARG KERNELS=/var/cache/scorer
ENV PATH=$PREFIX/bin:$PATH NUMBA_CACHE_DIR=$KERNELS
COPY --from=build-demo $PREFIX $PREFIX
COPY --from=build-demo --chown=10001:10001 $KERNELS $KERNELS
WORKDIR /etc/scorer
COPY deploy/flights.py deploy/
USER 10001:10001
ENTRYPOINT ["python", "deploy/flights.py"]

FROM python:3.11-slim AS scorer
ARG PREFIX=/opt/scorer
ARG KERNELS=/var/cache/scorer
ENV PATH=$PREFIX/bin:$PATH NUMBA_CACHE_DIR=$KERNELS PYTHONUNBUFFERED=1
COPY --from=build $PREFIX $PREFIX
# The kernels fit the processor that compiled them. On another one they are compiled again, so the user may write here.
COPY --from=build --chown=10001:10001 $KERNELS $KERNELS
WORKDIR /etc/scorer
USER 10001:10001
EXPOSE 9464
HEALTHCHECK --start-period=60s --interval=10s --timeout=5s \
    CMD ["python", "-c", "from urllib.request import urlopen; urlopen('http://127.0.0.1:9464/live', timeout=3)"]
ENTRYPOINT ["scorer"]
CMD ["--help"]
