# Where things are kept, messages, and processes by number and start time.

LAB=${LAB_DIR:-$HOME/.cache/maxwell-lab}
BIN=$LAB/bin
RUN=$LAB/run
LOG=$LAB/log
DATA=$LAB/data
SID=$LAB/sid # a Debian unstable of its own, for MySQL 9.7
mkdir -p "$BIN" "$RUN" "$LOG" "$DATA"
export PATH=$BIN:/usr/sbin:/sbin:$PATH

say() { echo "lab: $*" >&2; }

die() {
  say "$*"
  exit 1
}

have() { command -v "$1" >/dev/null 2>&1; }

# until_ok SECONDS WHAT COMMAND...
until_ok() {
  local limit=$1 what=$2 end
  shift 2
  end=$((SECONDS + limit))
  until "$@" >/dev/null 2>&1; do
    [ $SECONDS -lt $end ] || die "$what: not ready after $limit s, see $LOG"
    sleep 0.2
  done
}

# Two labs that install at once would take each other's package locks and half-made folders.
exclusively() {
  (
    flock -n 9 || { say "another lab is installing; waiting" && flock 9; }
    "$@"
  ) 9>"$LAB/install.lock"
}

# A process is known by its number and its start time: a later one may get the same number. One that has ended and that
# nobody has waited for counts as ended.
started() { awk '{sub(/.*\) /, ""); if ($1 != "Z") print $20}' "/proc/$1/stat" 2>/dev/null; }
record() { echo "$2 $(started "$2")" >"$RUN/$1.pid"; }

alive() {
  local pid at
  [ -f "$RUN/$1.pid" ] && read -r pid at <"$RUN/$1.pid" && [ -n "$at" ] && [ "$(started "$pid")" = "$at" ]
}

# here NAME COMMAND...: a process on this machine, not on a test host
here() {
  local name=$1
  shift
  (
    cd "$DATA"
    exec setsid nohup "$@" >"$LOG/$name.log" 2>&1 </dev/null
  ) &
  record "$name" $!
}

stop() {
  local pid
  if alive "$1"; then
    read -r pid _ <"$RUN/$1.pid"
    kill "$pid" 2>/dev/null || true
    for _ in $(seq 100); do
      alive "$1" || break
      sleep 0.1
    done
    if alive "$1"; then kill -9 "$pid" 2>/dev/null || true; fi
  fi
  rm -f "$RUN/$1.pid"
}
