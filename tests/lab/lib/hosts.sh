# Test hosts: a network namespace each, on the bridge that the cluster's pods share.

SUBNET=10.244.0
GATEWAY=$SUBNET.1
HOSTS=(mysql80 mysql57 mysql97 mariadb replica zk1 zk2 zk3 kafka1 kafka2 kafka3 worker1 worker2 worker3 worker4)
declare -A ADDRESS=(
  [mysql80]=$SUBNET.2 [mysql57]=$SUBNET.3 [mysql97]=$SUBNET.4 [mariadb]=$SUBNET.5 [replica]=$SUBNET.6
  [zk1]=$SUBNET.11 [zk2]=$SUBNET.12 [zk3]=$SUBNET.13
  [kafka1]=$SUBNET.21 [kafka2]=$SUBNET.22 [kafka3]=$SUBNET.23
  [worker1]=$SUBNET.31 [worker2]=$SUBNET.32 [worker3]=$SUBNET.33 [worker4]=$SUBNET.34
)

network() {
  if ! ip link show cni0 >/dev/null 2>&1; then
    ip link add cni0 type bridge
    ip addr add "$GATEWAY/24" dev cni0
    ip link set cni0 up
  fi
  # Keeps test traffic on this machine while the bridge is away.
  ip route replace unreachable 10.244.0.0/16 metric 4096
  sysctl -qw net.ipv4.ip_forward=1
  modprobe br_netfilter 2>/dev/null || true
  if ! iptables -C FORWARD -i cni0 -j ACCEPT 2>/dev/null; then
    iptables -I FORWARD -i cni0 -j ACCEPT
    iptables -I FORWARD -o cni0 -j ACCEPT
  fi
}

# The bridge's end of a test host's cable.
cable() { echo "v${1:0:12}"; }

host_up() {
  local host=$1 namespace=lab-$1 cable
  network
  # The route is what is made last: a namespace without it is what an unclean stop left.
  if [ -e "/run/netns/$namespace" ]; then
    [ -n "$(ip -n "$namespace" route show default 2>/dev/null)" ] && return
    host_down "$host"
  fi
  cable=$(cable "$host")
  ip link del "$cable" 2>/dev/null || true
  ip netns add "$namespace"
  ip link add "$cable" type veth peer name eth0 netns "$namespace"
  ip link set "$cable" master cni0 up
  ip -n "$namespace" addr add "${ADDRESS[$host]}/24" dev eth0
  ip -n "$namespace" link set eth0 up
  ip -n "$namespace" link set lo up
  ip -n "$namespace" route add default via "$GATEWAY"
}

host_down() { ip netns del "lab-$1" 2>/dev/null || true; }

# on_host HOST COMMAND...: the host's server; a socket that a killed one left would stop it
on_host() {
  local host=$1
  shift
  host_up "$host"
  rm -f "$RUN/$host.sock" "$RUN/$host.sock.lock" "$SID/lab/$host.sock" "$SID/lab/$host.sock.lock"
  # What one that was killed has said last.
  [ ! -f "$LOG/$host.log" ] || mv "$LOG/$host.log" "$LOG/$host-before.log"
  (
    cd "$DATA"
    ulimit -n "$(ulimit -Hn)" || true
    exec setsid nohup ip netns exec "lab-$host" "$@" >"$LOG/$host.log" 2>&1 </dev/null
  ) &
  record "$host" $!
}

# Hosts without a server: what runs there, `lab run` starts.
up_workers() {
  local host
  for host in worker1 worker2 worker3 worker4; do host_up "$host"; done
}
