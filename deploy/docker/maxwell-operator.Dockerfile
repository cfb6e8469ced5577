# The operator. The context holds one file, the released binary: `make images` builds both.
FROM docker.io/library/debian:bookworm-slim

# The roots of trust, where the base lacks them.
RUN dpkg -s ca-certificates >/dev/null 2>&1 || { \
      apt-get update && \
      DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends ca-certificates && \
      rm -rf /var/lib/apt/lists/*; }

COPY --chmod=0755 maxwell-operator /usr/local/bin/maxwell-operator
# A binary that was built against other libraries than these ends the build here.
RUN ["/usr/local/bin/maxwell-operator", "--version"]

ARG VERSION=dev
ARG REVISION=unknown
LABEL org.opencontainers.image.title="maxwell-operator" \
      org.opencontainers.image.description="Runs Maxwell's daemon as a replica set on Kubernetes" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="$VERSION" \
      org.opencontainers.image.revision="$REVISION" \
      org.opencontainers.image.base.name="docker.io/library/debian:bookworm-slim"

# By number, so that Kubernetes can see that it is not root. Nothing is written to the root file system.
USER 65532:65532
EXPOSE 8080
ENTRYPOINT ["/usr/local/bin/maxwell-operator"]
