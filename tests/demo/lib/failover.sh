# Ends the leader and measures what a consumer saw of it.

microseconds() { echo "${EPOCHREALTIME/./}"; }
beats() { wc -l <"$ARRIVALS" 2>/dev/null || echo 0; }
led_by_another() { [ -n "$(status leader)" ] && [ "$(status leader)" != "$1" ]; }
recorded() { [ "$(status lastFailover.from)" = "$1" ]; }

fail_over() {
  local leader killed
  start_arrivals
  leader=$(status leader)
  killed=$(microseconds)
  end_leader "$leader"
  until_ok 60 "a new leader" led_by_another "$leader"
  note "new leader: $(status leader)"
  sleep 3
  stop demo-arrivals
  report_gap "$killed"
  # A pod that is deleted hands over: that is no failover, and is not recorded as one.
  if [ "$PLACE" = own ]; then return; fi
  until_ok 15 "the record in the status" recorded "$leader"
  note "what the workers recorded: .status.lastFailover"
  kube get maxwellcluster "$CLUSTER" -o 'jsonpath={.status.lastFailover}{"\n"}'
}

# A consumer that notes when each heartbeat row arrives; five seconds of quiet before anything happens to the leader.
start_arrivals() {
  : >"$ARRIVALS"
  here demo-arrivals "$PWD/tests/demo/arrivals" "$KAFKA" "$TOPIC" "$ARRIVALS"
  until_ok 30 "heartbeats on Kafka" sh -c "[ \$(wc -l <'$ARRIVALS') -gt 100 ]"
  sleep 3
}

# SIGKILL to the process itself, which only this machine's own node allows.
end_leader() {
  local container process
  if [ "$PLACE" = own ]; then
    note "deleting pod $1: SIGTERM, since SIGKILL to its process takes access to the node"
    kube delete pod "$1" --wait=false
    return
  fi
  container=$(kube get pod "$1" -o 'jsonpath={.status.containerStatuses[0].containerID}')
  process=$(ctr -n k8s.io tasks ls | awk -v id="${container#containerd://}" '$1 == id {print $2}')
  [ -n "$process" ] || die "the process of pod $1 (container $container) is not found"
  note "kill -9 $process, the maxwell process of pod $1"
  kill -9 "$process"
}

# The silences between heartbeats before and after the kill, and whether every heartbeat came once.
report_gap() {
  awk -v killed="$1" '
    NR > 1 {
      silence = ($1 - at) / 1000
      if ($1 < killed) { if (silence > before) before = silence }
      else if (silence > gap) gap = silence
      if ($2 > beat + 1) lost += $2 - beat - 1
      if ($2 <= beat) repeated++
    }
    { at = $1; beat = $2 }
    END {
      if (NR < 100 || at <= killed) { print "the stream did not go on: " NR " heartbeats"; exit 1 }
      printf "gap in the data, as a read_committed consumer saw it: %.0f ms (longest silence before: %.0f ms)\n", gap, before
      printf "heartbeats: %d, lost %d, repeated or out of order %d\n", NR, lost, repeated
      exit (lost + repeated > 0)
    }' "$ARRIVALS"
}
