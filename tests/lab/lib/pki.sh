# Certificates; the cluster's, and its kubeconfigs.

# authority DIRECTORY NAME: made once
authority() {
  [ -f "$1/ca.crt" ] && return
  mkdir -p "$1"
  openssl req -x509 -newkey rsa:2048 -nodes -keyout "$1/ca.key" -out "$1/ca.crt" -subj "/CN=$2" -days 3650 2>/dev/null
}

# certificate NAME SUBJECT [ALTERNATIVE-NAMES]
certificate() {
  openssl req -newkey rsa:2048 -nodes -keyout "$PKI/$1.key" -out "$PKI/$1.csr" -subj "$2" 2>/dev/null
  openssl x509 -req -in "$PKI/$1.csr" -CA "$PKI/ca.crt" -CAkey "$PKI/ca.key" -CAcreateserial \
    -out "$PKI/$1.crt" -days 3650 \
    -extfile <(printf 'subjectAltName=%s\nextendedKeyUsage=serverAuth,clientAuth\n' "${3:-DNS:$1}") 2>/dev/null
}

kubeconfig() {
  local file=$DATA/$1.conf
  rm -f "$file"
  kubectl --kubeconfig="$file" config set-cluster lab --server=https://127.0.0.1:6443 \
    --certificate-authority="$PKI/ca.crt" --embed-certs >/dev/null
  kubectl --kubeconfig="$file" config set-credentials "$1" \
    --client-certificate="$PKI/$1.crt" --client-key="$PKI/$1.key" --embed-certs >/dev/null
  kubectl --kubeconfig="$file" config set-context lab --cluster=lab --user="$1" >/dev/null
  kubectl --kubeconfig="$file" config use-context lab >/dev/null
}

# pki NODE-ADDRESS: made once per address; the file `node` is written last, so half a set is made again
pki() {
  local node=$1 user
  [ "$(cat "$PKI/node" 2>/dev/null)" = "$node" ] && return
  rm -rf "$PKI"
  authority "$PKI" lab-ca
  certificate apiserver /CN=kube-apiserver \
    "DNS:kubernetes,DNS:kubernetes.default,DNS:kubernetes.default.svc,DNS:localhost,IP:127.0.0.1,IP:$API_ADDRESS,IP:$node"
  certificate admin /O=system:masters/CN=admin
  certificate kcm /CN=system:kube-controller-manager
  certificate scheduler /CN=system:kube-scheduler
  certificate proxy /CN=system:kube-proxy
  certificate kubelet /O=system:nodes/CN=system:node:lab "DNS:lab,IP:$node,IP:127.0.0.1"
  openssl genrsa -out "$PKI/sa.key" 2048 2>/dev/null
  openssl rsa -in "$PKI/sa.key" -pubout -out "$PKI/sa.pub" 2>/dev/null
  for user in admin kcm scheduler proxy kubelet; do kubeconfig $user; done
  echo "$node" >"$PKI/node"
}
