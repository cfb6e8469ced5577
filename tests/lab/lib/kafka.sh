# One broker, or three with LAB_KAFKA_BROKERS=3.

KAFKA_PKI=$DATA/kafka-pki
# What a broker logs goes to its file in LOG: who leads, who is fenced, who coordinates, and when; neither its settings nor
# each partition nor each connection in vain.
KAFKA_LOGGING=(
  -Dorg.slf4j.simpleLogger.showDateTime=true '-Dorg.slf4j.simpleLogger.dateTimeFormat=HH:mm:ss.SSS'
  -Dorg.slf4j.simpleLogger.showThreadName=false -Dorg.slf4j.simpleLogger.defaultLogLevel=info
)
for logger in org.apache.kafka.{common.config,storage.internals.log,clients.{NetworkClient,FetchSessionHandler}} \
  kafka.{log,cluster} kafka.server.{KafkaConfig,NodeToControllerRequestThread,Replica{Fetcher{Thread,Manager},AlterLogDirsManager}} \
  state.change.logger org.apache.kafka.coordinator kafka.coordinator.transaction.TransactionStateManager; do
  KAFKA_LOGGING+=("-Dorg.slf4j.simpleLogger.log.$logger=error")
done

up_kafka() {
  local brokers=${LAB_KAFKA_BROKERS:-1} voters="" i directory jvm=(-Xmx768m)
  for i in $(seq "$brokers"); do voters+=${voters:+,}$i@${ADDRESS[kafka$i]}:9093; done
  # Started in seconds rather than fast for long.
  [ "$brokers" = 1 ] || jvm=(-Xmx512m -XX:TieredStopAtLevel=1 -XX:+UseSerialGC)
  # A broker asks for the name of its own address at every SASL handshake; a name server that does not answer its test
  # host holds that up for longer than clients wait.
  for i in $(seq "$brokers"); do echo "${ADDRESS[kafka$i]} kafka$i"; done >"$DATA/kafka-hosts"
  printf '127.0.0.1 localhost %s\n' "$(uname -n)" >>"$DATA/kafka-hosts"
  jvm+=("-Djdk.net.hosts.file=$DATA/kafka-hosts" "${KAFKA_LOGGING[@]}")
  for i in $(seq "$brokers"); do
    alive "kafka$i" && continue
    directory=$DATA/kafka$i
    [ "$brokers" = 1 ] || of_its_own "$directory/logs"
    kafka_configuration "$i" "$brokers" "$voters"
    kafka_secured "$i"
    if [ ! -f "$directory/logs/meta.properties" ]; then
      rm -rf "$directory/logs"/*
      java -cp "$LAB/kafka/*" kafka.tools.StorageTool format -t TWF4d2VsbC1sYWItMDAwMQ \
        --add-scram 'SCRAM-SHA-512=[name=maxwell,password=maxwell]' -c "$directory/server.properties" >"$LOG/kafka$i-format.log" 2>&1 || die "see $LOG/kafka$i-format.log"
    fi
    on_host "kafka$i" java "${jvm[@]}" -cp "$LAB/kafka/*" kafka.Kafka "$directory/server.properties"
  done
  until_ok 60 kafka kcat -b "${ADDRESS[kafka1]}:9092" -L -m 2
  say "kafka at ${ADDRESS[kafka1]}:9092 ($brokers broker(s))"
}

# The broker that is the active controller, by what the brokers that are there have agreed on.
controller() {
  local i state
  for i in 1 2 3; do
    state=$DATA/kafka$i/logs/__cluster_metadata-0/quorum-state
    alive "kafka$i" || continue
    # A file without an end of line.
    { cat "$state"; echo; } | sed -E 's/.*"leaderId":(-?[0-9]+).*"leaderEpoch":([0-9]+).*/\2 \1/'
  done | sort -n | awk '$2 > 0 {leader = $2} END {if (!leader) exit 1; print "kafka" leader}'
}

# A file system of its own, so that it can be full.
of_its_own() {
  mkdir -p "$1"
  mountpoint -q "$1" || mount -t tmpfs -o size=8g kafka "$1"
}

# Into a broker's file system fits as good as nothing any more: a little, because it is written to meanwhile.
fill_host() {
  local used
  used=$(df --output=used -B 1024 "$DATA/$1/logs" | tail -1)
  mount -o "remount,size=$((used + 512))k" "$DATA/$1/logs"
}
empty_host() { mount -o remount,size=8g "$DATA/$1/logs"; }

# kafka_configuration NUMBER BROKERS VOTERS
# With every record that it takes a broker looks at all partitions that others wait for: few internal ones spare two cores.
kafka_configuration() {
  local directory=$DATA/kafka$1 address=${ADDRESS[kafka$1]} majority=$((($2 + 1) / 2))
  mkdir -p "$directory"
  cat >"$directory/server.properties" <<CFG
process.roles=broker,controller
node.id=$1
controller.quorum.voters=$3
listeners=PLAINTEXT://$address:9092,CONTROLLER://$address:9093
advertised.listeners=PLAINTEXT://$address:9092
controller.listener.names=CONTROLLER
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT
log.dirs=$directory/logs
offsets.topic.replication.factor=$2
transaction.state.log.replication.factor=$2
transaction.state.log.min.isr=$majority
transaction.state.log.num.partitions=6
offsets.topic.num.partitions=3
default.replication.factor=$2
min.insync.replicas=$majority
auto.create.topics.enable=true
num.partitions=4
group.initial.rebalance.delay.ms=0
broker.session.timeout.ms=3000
broker.heartbeat.interval.ms=500
# What is deleted goes at once: neither the disk nor the page cache keeps one run's records during the next.
file.delete.delay.ms=1000
log.segment.delete.delay.ms=1000
CFG
}

# kafka_secured NUMBER: a listener beside the others, on port 9094, with TLS and certificates of the clients too, for
# user maxwell by SASL PLAIN or SCRAM-SHA-512
kafka_secured() {
  local directory=$DATA/kafka$1 address=${ADDRESS[kafka$1]} PKI=$KAFKA_PKI module=org.apache.kafka.common.security
  authority "$PKI" kafka-lab-ca
  [ -f "$PKI/client.crt" ] || certificate client /CN=maxwell
  [ -f "$PKI/kafka$1.crt" ] || certificate "kafka$1" "/CN=kafka$1" "IP:$address"
  cat "$PKI/kafka$1.key" "$PKI/kafka$1.crt" >"$directory/keystore.pem"
  sed -i -e "/^listeners=/s|\$|,SASL_SSL://$address:9094|" -e "/^advertised.listeners=/s|\$|,SASL_SSL://$address:9094|" \
    -e '/^listener.security.protocol.map=/s|$|,SASL_SSL:SASL_SSL|' "$directory/server.properties"
  cat >>"$directory/server.properties" <<CFG
sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-512
listener.name.sasl_ssl.plain.sasl.jaas.config=$module.plain.PlainLoginModule required user_maxwell="maxwell";
listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config=$module.scram.ScramLoginModule required;
listener.name.sasl_ssl.ssl.keystore.type=PEM
listener.name.sasl_ssl.ssl.keystore.location=$directory/keystore.pem
listener.name.sasl_ssl.ssl.truststore.type=PEM
listener.name.sasl_ssl.ssl.truststore.location=$PKI/ca.crt
listener.name.sasl_ssl.ssl.client.auth=required
CFG
}
