# docker build -t scorer .
# A replica with its dependencies as deploy/requirements.lock pins them, without a compiler and not as root. Mount the
# configuration, the schemas and the models, and say which command: docker run -v ./my:/etc/scorer scorer run -c ...

# By digest, so that each build begins with the same bytes. For a newer one, with the fixes of its packages:
# docker buildx imagetools inspect python:3.11-slim
ARG PYTHON=python:3.11-slim@sha256:9c900dea9e8fb7e16277c179b555cc72d29a352dbc33cff48ad5a0412fd5bfc7

FROM $PYTHON AS build
ARG PREFIX=/opt/scorer
ARG KERNELS=/var/cache/scorer
# What the kernels are compiled for: any processor of the architecture. Another name, such as x86-64-v3, needs that one.
ARG PROCESSOR=generic
# `objects` adds what models in an object store need, `serve` what the command of that name needs, `otel` what traces need,
# `onnx` what ONNX graphs need.
ARG EXTRA=
ENV NUMBA_CACHE_DIR=$KERNELS NUMBA_CPU_NAME=$PROCESSOR NUMBA_CPU_FEATURES=
WORKDIR /src
COPY deploy/requirements.lock deploy/requirements-objects.lock deploy/requirements-serve.lock \
    deploy/requirements-onnx.lock deploy/requirements-otel.lock deploy/
RUN python -m venv $PREFIX \
    && $PREFIX/bin/pip install --no-cache-dir --require-hashes -r deploy/requirements${EXTRA:+-$EXTRA}.lock
COPY requirements.lock pyproject.toml README.md LICENSE ./
COPY scorer scorer
# What builds the package is pinned, too, and leaves again.
RUN awk '/^[^ #]/ { mine = /^setuptools==/ } mine' requirements.lock > build.lock \
    && $PREFIX/bin/pip install --no-cache-dir --require-hashes -r build.lock \
    && $PREFIX/bin/pip install --no-cache-dir --no-index --no-deps --no-build-isolation . \
    && $PREFIX/bin/pip uninstall --yes --quiet setuptools pip
# Compile now what a replica would compile at its first start. -P: from where it is installed, not from this folder, since
# kernels are found by the path of their source.
RUN $PREFIX/bin/python -P -c "import scorer.replica.app, scorer.store.redis.server, scorer.avro.encode.explanations, scorer.scoring.explaining"

# For docker-compose's profile `demo`: the image below and the flights.
FROM build AS build-demo
ARG PREFIX=/opt/scorer
COPY deploy/requirements-demo.lock deploy/
RUN python -m pip --python $PREFIX/bin/python install --no-cache-dir --require-hashes -r deploy/requirements-demo.lock

FROM $PYTHON AS demo
ARG PREFIX=/opt/scorer
ARG KERNELS=/var/cache/scorer
ARG PROCESSOR=generic
ENV PATH=$PREFIX/bin:$PATH NUMBA_CACHE_DIR=$KERNELS NUMBA_CPU_NAME=$PROCESSOR NUMBA_CPU_FEATURES=
COPY --from=build-demo $PREFIX $PREFIX
COPY --from=build-demo $KERNELS $KERNELS
WORKDIR /etc/scorer
COPY deploy/flights.py deploy/
USER 10001:10001
ENTRYPOINT ["python", "deploy/flights.py"]

FROM $PYTHON AS scorer
ARG PREFIX=/opt/scorer
ARG KERNELS=/var/cache/scorer
ARG PROCESSOR=generic
ENV PATH=$PREFIX/bin:$PATH NUMBA_CACHE_DIR=$KERNELS NUMBA_CPU_NAME=$PROCESSOR NUMBA_CPU_FEATURES= PYTHONUNBUFFERED=1
COPY --from=build $PREFIX $PREFIX
# They are machine code, so they belong to root: a replica loads them and cannot change them.
COPY --from=build $KERNELS $KERNELS
WORKDIR /etc/scorer
USER 10001:10001
EXPOSE 9464
HEALTHCHECK --start-period=60s --interval=10s --timeout=5s \
    CMD ["python", "-c", "from urllib.request import urlopen; serves = b'\\0serve\\0' in open('/proc/1/cmdline', 'rb').read(); urlopen(f'http://127.0.0.1:{8080 if serves else 9464}/live', timeout=3)"]
ENTRYPOINT ["scorer"]
CMD ["--help"]
