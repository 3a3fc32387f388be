# Sallyport in a container: docs/deploy.md says how to build and run it. Pin the base by digest where you build for real.
ARG PYTHON=docker.io/library/python:3.11-slim-trixie

# What is built here: a virtual environment with the locked, hash-checked wheels, and Argon2 in two builds.
FROM ${PYTHON} AS build
# hadolint ignore=DL3008 # the compiler stays behind in this stage; what runs is pinned by requirements/*.txt
RUN apt-get update \
    && apt-get install -y --no-install-recommends gcc libc6-dev \
    && rm -rf /var/lib/apt/lists/*
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
WORKDIR /src
COPY requirements requirements
RUN python -m venv /opt/sallyport \
    && /opt/sallyport/bin/python -m pip install -q --require-hashes --only-binary :all: -r requirements/postgres.txt
# An image travels, so its environment has the wheel of Argon2, which runs everywhere. The build for processors of 2013
# and later (x86-64-v3) hashes twice as fast and lies beside it; deploy/entrypoint.sh takes it where the processor can.
COPY scripts/native-argon2.sh scripts/
RUN ARGON2_CFLAGS="-O3 -march=x86-64-v3" sh scripts/native-argon2.sh /opt/sallyport/bin/python \
    && mkdir /opt/argon2-x86-64-v3 \
    && cp -a /opt/sallyport/lib/python3.*/site-packages/*argon2_cffi_bindings* /opt/argon2-x86-64-v3/ \
    && NO_NATIVE=1 sh scripts/native-argon2.sh /opt/sallyport/bin/python
COPY pyproject.toml LICENSE ./
COPY src src
RUN /opt/sallyport/bin/python -m pip install -q --no-index --no-deps --no-build-isolation . \
    && /opt/sallyport/bin/python -m pip uninstall -q -y pip

# What runs: no compiler, no root; the root file system may be read-only, with volumes at /data and /keys.
FROM ${PYTHON}
RUN groupadd --gid 10001 sallyport \
    && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin sallyport \
    && install -d -o sallyport -g sallyport -m 0700 /data /keys
COPY --from=build /opt/argon2-x86-64-v3 /opt/argon2-x86-64-v3
COPY --from=build /opt/sallyport /opt/sallyport
COPY --chmod=0755 deploy/entrypoint.sh /opt/sallyport/bin/entrypoint
ENV PATH=/opt/sallyport/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    SALLYPORT_ENV=production \
    SALLYPORT_HOST=0.0.0.0 \
    SALLYPORT_KEYS_DIR=/keys
# The database of the defaults is ./data/sallyport.db, and so on the volume; a sallyport.toml is looked for at /.
WORKDIR /
USER 10001:10001
VOLUME ["/data", "/keys"]
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s CMD ["sallyport", "health"]
ENTRYPOINT ["entrypoint"]
CMD ["serve"]
