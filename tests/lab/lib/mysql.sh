# The four database servers. A data folder is made beside its place and then moved: one that is there is whole.

SERVER_OPTIONS=(
  --server-id=1 --log-bin=binlog --binlog-format=ROW --binlog-row-image=FULL --max-allowed-packet=64M
  --innodb-buffer-pool-size=512M --innodb-flush-log-at-trx-commit=2 --sync-binlog=0
  --port=3306 --skip-name-resolve --bind-address=0.0.0.0 --user=root
  --character-set-server=utf8mb4 --default-time-zone=+00:00
)
GTID_OPTIONS=(--gtid-mode=ON --enforce-gtid-consistency=ON)

# made DIRECTORY LOG COMMAND...: runs the command that fills DIRECTORY.part, unless DIRECTORY is there
made() {
  local directory=$1 log=$2
  shift 2
  [ -d "$directory/mysql" ] && return
  rm -rf "$directory" "$directory.part"
  mkdir -p "$(dirname "$directory")"
  "$@" >"$log" 2>&1 || die "no data folder, see $log"
  mv "$directory.part" "$directory"
}

# from_jar HOST VERSION OPTION...
from_jar() {
  local host=$1 base=$LAB/mysql$2 data=$DATA/$1
  shift 2
  alive "$host" && return
  local places=(--no-defaults --basedir="$base" --lc-messages-dir="$base/share")
  made "$data" "$LOG/$host-init.log" \
    "$base/bin/mysqld" "${places[@]}" --initialize-insecure --user=root --datadir="$data.part"
  on_host "$host" "$base/bin/mysqld" "${places[@]}" --datadir="$data" --socket="$RUN/$host.sock" \
    "${GTID_OPTIONS[@]}" "${SERVER_OPTIONS[@]}" "$@"
  accounts "$host"
}

up_mysql80() { from_jar mysql80 8 --mysqlx=OFF; }
up_mysql57() { from_jar mysql57 5; }

# Follows mysql80 by GTID until something else is said.
up_replica() {
  local fresh=1
  alive replica && return
  [ -d "$DATA/replica/mysql" ] && fresh=""
  from_jar replica 8 --mysqlx=OFF --skip-slave-start --server-id=2
  if [ -n "$fresh" ]; then follow replica mysql80; fi
}

# follow HOST SOURCE: HOST copies what SOURCE has and will have, and takes no writes of its own.
follow() {
  mysql -uroot -S "$RUN/$1.sock" <<SQL
stop slave;
change master to master_host='${ADDRESS[$2]}', master_user='root', master_connect_retry=1, master_auto_position=1;
start slave;
SQL
  say "$1 follows $2"
}

# HOST follows nobody any more.
promote() { mysql -uroot -S "$RUN/$1.sock" -e 'stop slave; reset slave all'; }

up_mysql97() {
  alive mysql97 && return
  mkdir -p "$SID/lab"
  made "$SID/data/mysql97" "$LOG/mysql97-init.log" \
    chroot "$SID" mysqld --no-defaults --initialize-insecure --user=root --tmpdir=/tmp \
      --datadir=/data/mysql97.part
  on_host mysql97 chroot "$SID" mysqld --no-defaults --tmpdir=/tmp --datadir=/data/mysql97 --socket=/lab/mysql97.sock \
    --mysqlx=OFF --binlog-row-metadata=FULL "${GTID_OPTIONS[@]}" "${SERVER_OPTIONS[@]}"
  ln -sf "$SID/lab/mysql97.sock" "$RUN/mysql97.sock"
  accounts mysql97
}

up_mariadb() {
  alive mariadb && return
  local data=$DATA/mariadb
  made "$data" "$LOG/mariadb-init.log" mariadb-install-db --no-defaults --user=root \
    --datadir="$data.part" --auth-root-authentication-method=normal
  on_host mariadb mariadbd --no-defaults --datadir="$data" --socket="$RUN/mariadb.sock" \
    --gtid-strict-mode=ON --binlog-row-metadata=FULL "${SERVER_OPTIONS[@]}"
  accounts mariadb
}

# root@% without a password, and the least-privilege account that a worker needs
accounts() {
  local socket=$RUN/$1.sock
  until_ok 60 "$1" mysql -uroot -S "$socket" -e 'select 1'
  mysql -uroot -S "$socket" <<'SQL'
set sql_log_bin = 0;
create user if not exists root@'%' identified by '';
grant all on *.* to root@'%' with grant option;
create user if not exists maxwell@'%' identified by 'maxwell';
grant select, replication client, replication slave on *.* to maxwell@'%';
SQL
  say "$1 at ${ADDRESS[$1]}:3306"
}
