# An ensemble of three.

up_zookeeper() {
  local i
  for i in 1 2 3; do
    alive zk$i && continue
    zookeeper_configuration $i
    on_host zk$i java -Xmx192m -XX:TieredStopAtLevel=1 -XX:+UseSerialGC -cp "/usr/share/java/zookeeper.jar:/usr/share/java/*" \
      org.apache.zookeeper.server.quorum.QuorumPeerMain "$DATA/zk$i/zoo.cfg"
  done
  until_ok 60 zookeeper answers_srvr
  say "zookeeper at ${ADDRESS[zk1]}:2181,${ADDRESS[zk2]}:2181,${ADDRESS[zk3]}:2181"
}

zookeeper_configuration() {
  local directory=$DATA/zk$1 j
  mkdir -p "$directory"
  echo "$1" >"$directory/myid"
  cat >"$directory/zoo.cfg" <<CFG
tickTime=500
initLimit=20
syncLimit=6
dataDir=$directory
clientPort=2181
admin.enableServer=false
4lw.commands.whitelist=*
minSessionTimeout=1000
maxSessionTimeout=60000
autopurge.purgeInterval=1
CFG
  for j in 1 2 3; do
    echo "server.$j=${ADDRESS[zk$j]}:2888:3888"
  done >>"$directory/zoo.cfg"
}

answers_srvr() { echo srvr | timeout 1 socat - "TCP:${ADDRESS[zk1]}:2181" | grep -q Mode; }
