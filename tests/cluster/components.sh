# shellcheck shell=bash
# How each component is started, and how it is known to be healthy.

start_component() {
    local url=https://127.0.0.1
    case $1 in
    etcd)
        # TLS, since whoever writes to etcd is root here.
        launch etcd "$BIN/etcd" --name=node1 --data-dir="$STATE/etcd" --unsafe-no-fsync \
            --listen-client-urls="$url:$ETCD_PORT" --advertise-client-urls="$url:$ETCD_PORT" \
            --listen-peer-urls="$url:$ETCD_PEER_PORT" \
            --initial-advertise-peer-urls="$url:$ETCD_PEER_PORT" \
            --initial-cluster="node1=$url:$ETCD_PEER_PORT" \
            --cert-file="$PKI/server.pem" --key-file="$PKI/server.key" \
            --trusted-ca-file="$PKI/ca.pem" --client-cert-auth \
            --peer-cert-file="$PKI/server.pem" --peer-key-file="$PKI/server.key" \
            --peer-trusted-ca-file="$PKI/ca.pem" --peer-client-cert-auth
        ;;
    containerd)
        launch containerd containerd --config "$STATE/containerd.toml"
        ;;
    apiserver)
        launch apiserver "$BIN/kube-apiserver" --bind-address=127.0.0.1 \
            --secure-port="$APISERVER_PORT" --advertise-address=127.0.0.1 \
            --endpoint-reconciler-type=none --etcd-servers="$url:$ETCD_PORT" \
            --etcd-cafile="$PKI/ca.pem" --etcd-certfile="$PKI/server.pem" \
            --etcd-keyfile="$PKI/server.key" --client-ca-file="$PKI/ca.pem" \
            --tls-cert-file="$PKI/server.pem" --tls-private-key-file="$PKI/server.key" \
            --authorization-mode=RBAC --allow-privileged=true \
            --kubelet-preferred-address-types=InternalIP,Hostname \
            --service-account-issuer=https://kubernetes.default.svc \
            --service-account-key-file="$PKI/service-accounts.pub" \
            --service-account-signing-key-file="$PKI/service-accounts.key" \
            --service-cluster-ip-range=10.96.0.0/16 \
            --shutdown-watch-termination-grace-period=1s # else a stop waits a minute for watches
        ;;
    controller-manager)
        launch controller-manager "$BIN/kube-controller-manager" --kubeconfig="$ADMIN" \
            --leader-elect=false --bind-address=127.0.0.1 \
            --secure-port="$CONTROLLER_MANAGER_PORT" \
            --tls-cert-file="$PKI/server.pem" --tls-private-key-file="$PKI/server.key" \
            --service-account-private-key-file="$PKI/service-accounts.key" \
            --root-ca-file="$PKI/ca.pem" --cluster-signing-cert-file="$PKI/ca.pem" \
            --cluster-signing-key-file="$PKI/ca.key" \
            --flex-volume-plugin-dir="$STATE/kubelet/volume-plugins"
        ;;
    scheduler)
        launch scheduler "$BIN/kube-scheduler" --kubeconfig="$ADMIN" --leader-elect=false \
            --bind-address=127.0.0.1 --secure-port="$SCHEDULER_PORT" \
            --tls-cert-file="$PKI/server.pem" --tls-private-key-file="$PKI/server.key"
        ;;
    kubelet)
        write_kubelet_config
        date +%s >"$RUN/kubelet.started"
        launch kubelet "$BIN/kubelet" --config="$STATE/kubelet.yaml" --kubeconfig="$ADMIN" \
            --root-dir="$STATE/kubelet" --hostname-override="$NODE" --cloud-provider=external -v=2
        ;;
    *) die "no component $1; there are: ${COMPONENTS[*]}" ;;
    esac
}

port_of() {
    case $1 in
    etcd) echo "$ETCD_PORT" ;;
    apiserver) echo "$APISERVER_PORT" ;;
    controller-manager) echo "$CONTROLLER_MANAGER_PORT" ;;
    scheduler) echo "$SCHEDULER_PORT" ;;
    kubelet) echo "$KUBELET_PORT" ;;
    esac
}

healthy() {
    alive "$1" >/dev/null || return 1
    case $1 in
    containerd) "${CTR[@]}" version ;;
    kubelet) http_ok "$KUBELET_HEALTH_PORT" /healthz ;;
    apiserver) kubectl get --raw /readyz --request-timeout=5s ;;
    etcd) kubectl --server="https://127.0.0.1:$ETCD_PORT" get --raw /health --request-timeout=5s ;;
    *) kubectl --server="https://127.0.0.1:$(port_of "$1")" get --raw /healthz --request-timeout=5s ;;
    esac >/dev/null 2>&1
}

http_ok() {
    local answer
    { exec {http}<>"/dev/tcp/127.0.0.1/$1"; } 2>/dev/null || return 1
    printf 'GET %s HTTP/1.0\r\n\r\n' "$2" >&"$http"
    read -r -t 5 answer <&"$http" || answer=
    exec {http}>&-
    [[ $answer == *' 200 '* ]]
}

# Ends the wait as soon as the component has ended by itself.
healthy_or_dead() { healthy "$1" || ! alive "$1"; }

# launched NAME: waits until it is healthy, or says what it wrote last.
await_component() {
    wait_for "${2:-60}" healthy_or_dead "$1" && alive "$1" >/dev/null && return
    local why="is not healthy after ${2:-60} s"
    alive "$1" >/dev/null || why="ended by itself"
    say "$1 $why; the end of $LOGS/$1.log:"
    tail -n 15 "$LOGS/$1.log" >&2
    exit 1
}

# Says who has the port of a component that is about to start.
check_port() {
    local port
    port=$(port_of "$1")
    [[ $port ]] || return 0
    wait_for 3 port_is_free "$port" ||
        die "port $port, which $1 needs, is taken; end that process, then try again: $(ss -Hltnp "sport = :$port")"
}
port_is_free() { [[ -z $(ss -Hltn "sport = :$1") ]]; }

start_if_dead() {
    if alive "$1" >/dev/null; then return; fi
    check_port "$1"
    if [[ $1 == kubelet ]] && another_kubelet; then
        die "another kubelet runs on this machine and would lose its device plugins; use its cluster for the tests"
    fi
    start_component "$1"
}

# --- the node --------------------------------------------------------------

# The kubelet refuses a loopback address for its node, and leaves addresses alone
# that somebody else has set. So the node is there, with addresses, before the
# kubelet is; that also spares it the taint of nodes that wait for a cloud.
ensure_node() {
    local addresses
    addresses=$(kubectl get node "$NODE" --ignore-not-found -o jsonpath='{.metadata.name} {.status.addresses[*].address}')
    [[ $addresses != "$NODE 127.0.0.1 $NODE" ]] || return 0
    if [[ -z $addresses ]]; then
        kubectl create --raw /api/v1/nodes -f - >/dev/null <<END
{"apiVersion": "v1", "kind": "Node", "metadata": {"name": "$NODE", "labels": {"kubernetes.io/hostname": "$NODE"}}}
END
    fi
    kubectl patch node "$NODE" --subresource=status --type=merge -p "{\"status\": {\"addresses\": [
        {\"type\": \"InternalIP\", \"address\": \"127.0.0.1\"},
        {\"type\": \"Hostname\", \"address\": \"$NODE\"}]}}" >/dev/null
}

# Ready, untainted, and said so by the kubelet that runs now, not by its predecessor.
node_ready() {
    local status heartbeat taints
    read -r status heartbeat taints < <(kubectl get node "$NODE" --request-timeout=5s -o \
        jsonpath='{.status.conditions[?(@.type=="Ready")].status} {.status.conditions[?(@.type=="Ready")].lastHeartbeatTime} {.spec.taints[*].key}')
    [[ $status == True && -z $taints && $(date -d "$heartbeat" +%s) -ge $(<"$RUN/kubelet.started") ]]
}

# A kubelet that has just started answers 404 to log requests until it has its pods.
kubelet_has_pods() {
    [[ -z $(kubectl get pods -A -o name --field-selector "spec.nodeName=$NODE" --request-timeout=5s) ]] ||
        [[ $(kubectl --server="https://127.0.0.1:$KUBELET_PORT" get --raw /pods --request-timeout=5s) == *'"uid":'* ]]
}

await_node() {
    wait_for 60 node_ready && wait_for 20 kubelet_has_pods && return
    say "node $NODE is not ready after 60 s:"
    kubectl get node "$NODE" -o jsonpath='{range .status.conditions[*]}{.type}={.status} {.message}{"\n"}{end}{.spec.taints}{"\n"}' >&2 || true
    die "the end of $LOGS/kubelet.log: $(tail -n 15 "$LOGS/kubelet.log")"
}

# Policies take effect some time after they were written, and pods are refused
# until their namespace has its ServiceAccount. One rehearsed pod shows both.
pods_are_admitted() {
    [[ $(kubectl create --raw '/api/v1/namespaces/default/pods?dryRun=All' -f - --request-timeout=5s <<'END'
{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "rehearsal"},
 "spec": {"containers": [{"name": "main", "image": "busybox"}]}}
END
    ) == *'"imagePullPolicy":"IfNotPresent"'* ]]
}
