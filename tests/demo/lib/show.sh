# What the demo says.

step() { printf '\n=== %s (%s)\n' "$*" "$(date +%T)"; }
note() { printf -- '--- %s\n' "$*"; }

# shown COMMAND...: the command as one would type it, then its output
shown() {
  printf '$ %s\n' "$*"
  "$@"
}

where_next() {
  [ "$PLACE" = lab ] && cat <<TEXT

  export KUBECONFIG=$KUBECONFIG PATH=$BIN:\$PATH
TEXT
  cat <<TEXT

  kubectl -n $NAMESPACE get maxwellclusters -w          # leader, shards, lag
  kubectl -n $NAMESPACE describe maxwellcluster $CLUSTER   # conditions, members, position, events
  kubectl -n $NAMESPACE logs -f $(status leader)
  kubectl -n $NAMESPACE delete pod $(status leader)     # a planned end: a switchover
  kubectl explain maxwellcluster.spec
  kcat -C -b $KAFKA -t $TOPIC -o end -X isolation.level=read_committed
  mysql -h $MYSQL_HOST -P $MYSQL_PORT -u $ADMIN shop    # change rows of your own

  make demo-down                                        # ends it
TEXT
}
