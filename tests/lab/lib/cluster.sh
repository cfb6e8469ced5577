# A Kubernetes node: etcd, the control plane, containerd, kubelet and kube-proxy as plain processes.

POD_RANGE=10.244.0.0/24
SERVICE_RANGE=10.96.0.0/16
API_ADDRESS=10.96.0.1
DNS_ADDRESS=10.96.0.10
PKI=$DATA/pki
# The container runtime is the lab's own: another one on this machine is neither used nor touched.
RUNTIME=/run/maxwell-lab
TASKS=$RUNTIME/containerd/io.containerd.runtime.v2.task
export CONTAINERD_ADDRESS=$RUNTIME/containerd.sock

up_cluster() {
  local node
  { alive etcd && alive apiserver && alive kubelet; } || down_cluster # what an unclean stop left behind
  network
  node=$(ip -4 -o addr show scope global | awk '$2 != "cni0" {sub("/.*", "", $4); print $4; exit}')
  node=${node:-$GATEWAY}
  pki "$node"
  export KUBECONFIG=$DATA/admin.conf
  control_plane "$node"
  container_runtime
  system_images
  load_waiting
  kubelet_up "$node"
  until_ok 60 node sh -c 'kubectl get node lab | grep -q " Ready"'
  dns
  say "cluster ready: export KUBECONFIG=$KUBECONFIG PATH=$BIN:\$PATH"
}

control_plane() {
  alive etcd || here etcd etcd --data-dir "$DATA/etcd" --unsafe-no-fsync \
    --listen-client-urls http://127.0.0.1:2379 --advertise-client-urls http://127.0.0.1:2379 \
    --listen-peer-urls http://127.0.0.1:2380 --initial-advertise-peer-urls http://127.0.0.1:2380 \
    --initial-cluster default=http://127.0.0.1:2380
  alive apiserver || here apiserver kube-apiserver --etcd-servers=http://127.0.0.1:2379 \
    --secure-port=6443 --advertise-address="$1" --service-cluster-ip-range=$SERVICE_RANGE \
    --client-ca-file="$PKI/ca.crt" --tls-cert-file="$PKI/apiserver.crt" --tls-private-key-file="$PKI/apiserver.key" \
    --service-account-key-file="$PKI/sa.pub" --service-account-signing-key-file="$PKI/sa.key" \
    --service-account-issuer=https://kubernetes.default.svc \
    --authorization-mode=Node,RBAC --enable-admission-plugins=NodeRestriction --allow-privileged \
    --kubelet-client-certificate="$PKI/admin.crt" --kubelet-client-key="$PKI/admin.key" \
    --kubelet-certificate-authority="$PKI/ca.crt" --kubelet-preferred-address-types=InternalIP
  until_ok 60 apiserver kubectl get --raw /readyz
  alive kcm || here kcm kube-controller-manager --kubeconfig="$DATA/kcm.conf" \
    --service-account-private-key-file="$PKI/sa.key" --root-ca-file="$PKI/ca.crt" \
    --use-service-account-credentials --leader-elect=false
  alive scheduler || here scheduler kube-scheduler --kubeconfig="$DATA/scheduler.conf" --leader-elect=false
}

container_runtime() {
  mkdir -p /etc/cni/net.d /opt/cni/bin
  [ -x /opt/cni/bin/bridge ] || cp /usr/lib/cni/* /opt/cni/bin/
  cat >/etc/cni/net.d/10-lab.conflist <<JSON
{"cniVersion": "1.0.0", "name": "lab", "plugins": [
  {"type": "bridge", "bridge": "cni0", "isGateway": true, "ipMasq": true, "hairpinMode": true,
   "ipam": {"type": "host-local",
            "ranges": [[{"subnet": "$POD_RANGE", "rangeStart": "$SUBNET.50", "rangeEnd": "$SUBNET.250"}]],
            "routes": [{"dst": "0.0.0.0/0"}]}},
  {"type": "portmap", "capabilities": {"portMappings": true}}]}
JSON
  if ! alive containerd; then
    # restrict_oom_score_adj: this also works where the machine lacks CAP_SYS_RESOURCE
    mkdir -p "$RUNTIME"
    containerd config default | sed \
      -e "s#\"/var/lib/containerd\"#\"$LAB/containerd\"#" -e "s#\"/run/containerd\"#\"$RUNTIME/containerd\"#" \
      -e "s#\"/run/containerd/containerd.sock\"#\"$CONTAINERD_ADDRESS\"#" \
      -e 's/netns_mounts_under_state_dir = false/netns_mounts_under_state_dir = true/' \
      -e 's#sandbox_image = .*#sandbox_image = "localhost/pause:1"#' \
      -e 's/restrict_oom_score_adj = false/restrict_oom_score_adj = true/' >"$DATA/containerd.toml"
    here containerd containerd -c "$DATA/containerd.toml"
  fi
  until_ok 30 containerd ctr version
}

# kubelet_up NODE-ADDRESS: kubelet and kube-proxy
kubelet_up() {
  cat >"$DATA/kubelet.yaml" <<YAML
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
authentication: {anonymous: {enabled: false}, webhook: {enabled: true}, x509: {clientCAFile: $PKI/ca.crt}}
authorization: {mode: Webhook}
cgroupDriver: cgroupfs
clusterDNS: [$DNS_ADDRESS]
clusterDomain: cluster.local
containerRuntimeEndpoint: unix://$CONTAINERD_ADDRESS
failSwapOn: false
tlsCertFile: $PKI/kubelet.crt
tlsPrivateKeyFile: $PKI/kubelet.key
resolvConf: /etc/resolv.conf
evictionHard: {memory.available: 100Mi, nodefs.available: 1%, imagefs.available: 1%}
imageGCHighThresholdPercent: 100
YAML
  alive kubelet || here kubelet kubelet --kubeconfig="$DATA/kubelet.conf" --config="$DATA/kubelet.yaml" \
    --hostname-override=lab --node-ip="$1" --root-dir="$DATA/kubelet"
  cat >"$DATA/proxy.yaml" <<YAML
apiVersion: kubeproxy.config.k8s.io/v1alpha1
kind: KubeProxyConfiguration
mode: iptables
clientConnection: {kubeconfig: $DATA/proxy.conf}
clusterCIDR: 10.244.0.0/16
hostnameOverride: lab
conntrack: {maxPerCore: 0}
YAML
  alive proxy || here proxy kube-proxy --config="$DATA/proxy.yaml"
}

down_cluster() {
  local process
  for process in kubelet proxy scheduler kcm; do stop $process; done
  if alive containerd; then end_tasks; else end_orphans; fi
  for process in apiserver etcd containerd; do stop $process; done
  awk -v a="$DATA/kubelet" -v b="$RUNTIME" 'index($2, a) == 1 || index($2, b) == 1 {print $2}' /proc/mounts |
    sort -r | xargs -r -n1 umount -l 2>/dev/null || true
  rm -rf "$DATA/etcd" "$DATA/kubelet" /var/lib/cni/networks/lab \
    "$RUNTIME" || true
}

# The shims end with their tasks.
end_tasks() {
  local id
  for id in $(ctr -n k8s.io tasks ls -q 2>/dev/null); do
    ctr -n k8s.io tasks delete -f "$id" >/dev/null 2>&1 || true
  done
  for id in $(ctr -n k8s.io containers ls -q 2>/dev/null); do
    ctr -n k8s.io containers delete "$id" >/dev/null 2>&1 || true
  done
}

# Pods outlive a killed containerd, and would go on as members of clusters that nobody knows any more.
end_orphans() {
  local task id pid shim
  for task in "$TASKS"/k8s.io/*/; do
    [ -d "$task" ] || continue
    id=$(basename "$task")
    pid=$(cat "$task/init.pid" 2>/dev/null || true)
    if [ -n "$pid" ] && grep -q "$id" "/proc/$pid/cgroup" 2>/dev/null; then kill -9 "$pid" 2>/dev/null || true; fi
    for shim in $(grep -lzxF -- "$id" /proc/[0-9]*/cmdline 2>/dev/null); do
      pid=${shim#/proc/}
      pid=${pid%/cmdline}
      case $(tr '\0' ' ' <"/proc/$pid/cmdline" 2>/dev/null) in
        *containerd-shim*-namespace\ k8s.io*) kill -9 "$pid" 2>/dev/null || true ;;
      esac
    done
  done
}
