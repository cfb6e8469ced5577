# Where the demo runs: in the lab, or in a cluster of the user's.

choose_place() {
  IMAGE_PREFIX=${IMAGE_PREFIX:-localhost}
  IMAGE_TAG=${IMAGE_TAG:-dev}
  # The lab's own kubeconfig, exported after a demo, does not make it somebody else's cluster.
  if [ -z "${KUBECONFIG:-}" ] || [ "$KUBECONFIG" = "$DATA/admin.conf" ]; then
    in_lab
  else
    in_own_cluster
  fi
}

in_lab() {
  PLACE=lab
  eval "$(tests/lab/lab env)"
  # shellcheck disable=SC2153 # they come from the line above
  MYSQL_HOST=$MYSQL80 KAFKA=$KAFKA1:9092 ZOOKEEPER=$ZK1:2181,$ZK2:2181,$ZK3:2181
  MYSQL_PORT=3306 MYSQL_USER=maxwell MYSQL_PASSWORD=maxwell ADMIN=root ADMIN_PASSWORD=
  export KUBECONFIG CONTAINERD_ADDRESS
}

in_own_cluster() {
  PLACE=own
  MYSQL_HOST=${DEMO_MYSQL_HOST:-} MYSQL_PORT=${DEMO_MYSQL_PORT:-3306}
  ADMIN=${DEMO_MYSQL_ADMIN:-root} ADMIN_PASSWORD=${DEMO_MYSQL_ADMIN_PASSWORD:-}
  MYSQL_USER=${DEMO_MYSQL_USER:-} MYSQL_PASSWORD=${DEMO_MYSQL_PASSWORD:-}
  KAFKA=${DEMO_KAFKA:-} ZOOKEEPER=${DEMO_ZOOKEEPER:-}
}

prepare_place() {
  if [ "$PLACE" = lab ]; then prepare_lab; else check_own_cluster; fi
}

prepare_lab() {
  [ "$(id -u)" = 0 ] || die "the lab makes network namespaces and containers: run as root, or set KUBECONFIG"
  have cargo || die "Rust is needed: https://rustup.rs"
  step "what is missing (the first time Kubernetes is built: about 10 minutes)"
  tests/lab/lab install base build mysql kafka kubernetes images
  step "released binaries (the first time: about 8 minutes)"
  cargo build --locked --release -p maxwell-worker -p maxwell-operator
  # A demo that runs is gone on with; whatever else is there does not count.
  if ! alive demo-writer; then
    step "a clean start"
    tests/lab/lab reset
  fi
  step "MySQL 8.0, ZooKeeper, Kafka, a Kubernetes node"
  tests/lab/lab up mysql80 zookeeper kafka cluster
  step "images"
  IMAGE_BUILDER=lab deploy/docker/build "$IMAGE_PREFIX" "$IMAGE_TAG"
}

check_own_cluster() {
  local variable tool
  for variable in DEMO_MYSQL_HOST DEMO_MYSQL_USER DEMO_MYSQL_PASSWORD DEMO_KAFKA DEMO_ZOOKEEPER; do
    [ -n "${!variable:-}" ] || die "KUBECONFIG is set, so $variable is needed; see the head of tests/demo/demo"
  done
  for tool in kubectl helm kcat mysql; do
    have $tool || die "$tool is needed; 'tests/lab/lab install base helm' installs what the lab uses"
  done
  [ "$IMAGE_PREFIX" != localhost ] || die "IMAGE_PREFIX is needed: where the cluster pulls the images from, see README.md"
  step "using the cluster of KUBECONFIG=$KUBECONFIG"
  kubectl version
}

leave_place() {
  if [ "$PLACE" = lab ]; then
    step "ending the lab"
    tests/lab/lab reset
    return
  fi
  step "removing the demo from the cluster of KUBECONFIG=$KUBECONFIG"
  kube delete maxwellcluster "$CLUSTER" --ignore-not-found --timeout=120s
  kubectl delete namespace "$NAMESPACE" --ignore-not-found --timeout=120s
  helm uninstall maxwell-operator --namespace "$OPERATOR_NAMESPACE" --ignore-not-found --wait
  note "kept: the CustomResourceDefinition, the namespace $OPERATOR_NAMESPACE, the database shop, and the Kafka topics"
  note "delete the topics $TOPIC and $TOPIC.positions before another demo: positions of a former cluster are refused"
}
