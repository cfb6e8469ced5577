# Images, built without a registry and put straight into the cluster's container runtime.

IMAGES=$LAB/images
# What Dockerfiles begin with; made from Debian's packages instead of pulled.
BASE=docker.io/library/debian:bookworm-slim

# image REF DIR [DOCKERFILE [BUILD-ARG...]]
image() {
  [ $# -ge 2 ] || die "image what? see 'lab help'"
  local reference=$1 context=$2 file=${3:-$2/Dockerfile} archive
  shift $(($# < 3 ? $# : 3))
  archive=$IMAGES/$(echo "$reference" | tr '/:' '__').tar
  exclusively install_images
  mkdir -p "$IMAGES"
  export BUILDAH_ISOLATION=chroot STORAGE_DRIVER=vfs
  base_image
  buildah bud -q --pull-never "${@/#/--build-arg=}" -t "$reference" -f "$file" "$context" >"$LOG/image.log" 2>&1 ||
    { tail -20 "$LOG/image.log" >&2 && die "building $reference failed, see $LOG/image.log"; }
  rm -f "$archive" "$archive.part"
  buildah push -q "$reference" "docker-archive:$archive.part:$reference" >/dev/null
  mv "$archive.part" "$archive"
  # With no cluster the archive waits for the next start of one.
  if alive containerd; then load "$archive"; fi
}

base_image() {
  local container
  buildah images -q "$BASE" >/dev/null 2>&1 && return
  container=$(buildah from scratch)
  buildah add -q "$container" "$LAB/bookworm" / >/dev/null
  buildah commit -q "$container" "$BASE" >/dev/null
  buildah rm "$container" >/dev/null
}

load() {
  ctr -n k8s.io images import --digests=false "$1" >/dev/null
  rm -f "$1"
}

load_waiting() {
  local archive
  for archive in "$IMAGES"/*.tar; do
    [ ! -f "$archive" ] || load "$archive"
  done
}

# What the cluster itself needs: the sandbox of every pod and the name server.
system_images() {
  local present
  present=$(ctr -n k8s.io images ls -q)
  if ! grep -qx localhost/pause:1 <<<"$present"; then
    mkdir -p "$IMAGES/pause"
    printf '#include <unistd.h>\nint main() { for (;;) pause(); }\n' >"$IMAGES/pause/pause.c"
    gcc -static -Os -o "$IMAGES/pause/pause" "$IMAGES/pause/pause.c"
    printf 'FROM scratch\nCOPY pause /pause\nENTRYPOINT ["/pause"]\n' >"$IMAGES/pause/Dockerfile"
    image localhost/pause:1 "$IMAGES/pause"
  fi
  if ! grep -qx localhost/coredns:1 <<<"$present"; then
    mkdir -p "$IMAGES/coredns"
    cp "$BIN/coredns" "$IMAGES/coredns/"
    printf 'FROM scratch\nCOPY coredns /coredns\nENTRYPOINT ["/coredns"]\n' >"$IMAGES/coredns/Dockerfile"
    image localhost/coredns:1 "$IMAGES/coredns"
  fi
}
