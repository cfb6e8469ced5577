# The worker. The context holds one file, the released binary: `make images` builds both.
FROM docker.io/library/debian:bookworm-slim

# librdkafka's TLS and the roots of trust, where the base lacks them.
RUN dpkg -s libssl3 ca-certificates >/dev/null 2>&1 || { \
      apt-get update && \
      DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends libssl3 ca-certificates && \
      rm -rf /var/lib/apt/lists/*; }

COPY --chmod=0755 maxwell /usr/local/bin/maxwell
# A binary that was built against other libraries than these ends the build here.
RUN ["/usr/local/bin/maxwell", "--version"]

ARG VERSION=dev
ARG REVISION=unknown
LABEL org.opencontainers.image.title="maxwell" \
      org.opencontainers.image.description="Row changes of MySQL and MariaDB as Maxwell's JSON on Kafka" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="$VERSION" \
      org.opencontainers.image.revision="$REVISION" \
      org.opencontainers.image.base.name="docker.io/library/debian:bookworm-slim"

# By number, so that Kubernetes can see that it is not root. Nothing is written to the root file system.
USER 65532:65532
EXPOSE 9090 9091
ENTRYPOINT ["/usr/local/bin/maxwell"]
