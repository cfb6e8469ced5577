# What is done to test hosts and to what runs on them.

cut_host() { ip link set "$(cable "$1")" down; }
processes_of() { ip netns pids "lab-$1"; }
freeze_host() { processes_of "$1" | xargs -r kill -STOP; }
thaw_host() { processes_of "$1" | xargs -r kill -CONT; }

idle() { [ -z "$(processes_of "$1")" ]; }

kill_host() {
  processes_of "$1" | xargs -r kill -KILL
  # What they hold is free once they are gone.
  until_ok 10 "the end of $1" idle "$1"
  rm -f "$RUN/$1.pid"
}

on() { ip netns exec "lab-$1" "${@:2}"; }

# addresses HOST...
addresses() {
  local host list=""
  for host in "$@"; do list+=${list:+,}${ADDRESS[$host]:?no test host is called $host}; done
  echo "$list"
}

# Packets between a host and others vanish.
part_hosts() {
  local others
  others=$(addresses "${@:2}")
  on "$1" iptables -w -A OUTPUT -d "$others" -j DROP
  on "$1" iptables -w -A INPUT -s "$others" -j DROP
}

# Connections between a host and others are reset, and refused from then on.
refuse_hosts() {
  local others
  others=$(addresses "${@:2}")
  on "$1" iptables -w -A OUTPUT -p tcp -d "$others" -j REJECT --reject-with tcp-reset
  on "$1" iptables -w -A INPUT -p tcp -s "$others" -j REJECT --reject-with tcp-reset
}

# lose_host HOST PERCENT: of the packets that a host sends and is sent
lose_host() {
  local share
  share=$(awk -v percent="$2" 'BEGIN { print percent / 100 }')
  on "$1" iptables -w -A OUTPUT -o eth0 -m statistic --mode random --probability "$share" -j DROP
  on "$1" iptables -w -A INPUT -i eth0 -m statistic --mode random --probability "$share" -j DROP
}

# slow_host HOST MILLISECONDS: what a host sends and is sent comes later; on a kernel without netem, through a line so
# narrow that a queue as long as that builds up under load
slow_host() {
  local shaping=(netem delay "$2ms")
  on "$1" tc qdisc replace dev eth0 root "${shaping[@]}" 2>/dev/null ||
    shaping=(tbf rate 2mbit burst 8kb latency "$2ms")
  on "$1" tc qdisc replace dev eth0 root "${shaping[@]}"
  tc qdisc replace dev "$(cable "$1")" root "${shaping[@]}"
}

# Everything that was done to a host's network is taken back.
heal_host() {
  ip link set "$(cable "$1")" up
  on "$1" iptables -w -F
  on "$1" tc qdisc del dev eth0 root 2>/dev/null || true
  tc qdisc del dev "$(cable "$1")" root 2>/dev/null || true
}
