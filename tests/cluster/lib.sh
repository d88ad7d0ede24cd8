# shellcheck shell=bash
# Shared by every script here: where things lie, how to speak, how to wait.
# Sourced with HERE set to this folder; the scripts themselves set the options.
# shellcheck disable=SC2034  # most of these are used by the files sourced next

STATE=${KJO_CLUSTER_STATE:-/var/lib/kjo-cluster}
CACHE=${KJO_CLUSTER_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/kjo-cluster}
RUN=$STATE/run                    # what a reboot or a `down` makes worthless
LOGS=$STATE/log
PKI=$STATE/pki
ADMIN=$STATE/admin.kubeconfig
SOCKET=$RUN/containerd.sock
NODE=node1
BRIDGE=kjo0
NETWORK=kjo-cluster               # the CNI network's name
CGROUP=kjo-cluster                # every pod's cgroup lies below this one
PAUSE_IMAGE=kjo.test/pause:1
LOCK=/run/kjo-cluster.lock        # one cluster a machine, whatever its state folder

APISERVER_PORT=16443
ETCD_PORT=16379
ETCD_PEER_PORT=16380
CONTROLLER_MANAGER_PORT=16257
SCHEDULER_PORT=16259
KUBELET_PORT=16250
KUBELET_HEALTH_PORT=16248
COMPONENTS=(etcd containerd apiserver controller-manager scheduler kubelet)

BOOT_ID=$(</proc/sys/kernel/random/boot_id)
CTR=(ctr --address "$SOCKET" --namespace k8s.io)

say() { printf 'cluster: %s\n' "$*" >&2; }
die() { say "$*"; exit 1; }
# No end without a word.
set -o errtrace
trap 'say "failed: $BASH_COMMAND (${BASH_SOURCE[0]##*/}, line $LINENO)"' ERR

# Seconds since $1 (an $EPOCHREALTIME), with one decimal.
since() {
    local us=$((${EPOCHREALTIME/[.,]/} - ${1/[.,]/}))
    printf '%d.%d' $((us / 1000000)) $((us / 100000 % 10))
}

require_linux_root() {
    [[ $(uname -s) == Linux ]] || die "this needs Linux; point the tests at another cluster instead"
    [[ $EUID -eq 0 ]] || die "this needs root (kubelet and containerd mount and make cgroups); try sudo"
    # Sockets must fit in 108 bytes, and the path goes into configuration files unquoted.
    [[ $STATE =~ ^/[A-Za-z0-9._/-]{1,60}$ ]] ||
        die "KJO_CLUSTER_STATE=$STATE: want a plain absolute path of at most 60 characters"
}

# wait_for SECONDS COMMAND...: until COMMAND succeeds, looking every 0.05 s.
wait_for() {
    local end=$((SECONDS + $1))
    shift
    until "$@" >/dev/null 2>&1; do
        ((SECONDS < end)) || return 1
        sleep 0.05
    done
}

# Everything that starts or stops components holds this lock; components close it.
take_lock() {
    exec 9>"$LOCK"
    flock --nonblock 9 && return
    say "another cluster command is at work; waiting for it (a first build takes minutes)"
    flock --timeout 3600 9 || die "$LOCK is still held after an hour; see who: fuser -v $LOCK"
}

# The kubectl that was built here, as the cluster's admin.
kubectl() { "$BIN/kubectl" --kubeconfig "$ADMIN" "$@"; }

# What the running cluster was made from. A checkout elsewhere with the same
# files shares it. Commands that only work on a running one do not count.
files_hash() {
    (cd "$HERE" && find . -type f ! -name '*.md' ! -name '.*' ! -name '*~' ! -name down ! -name ctl \
        ! -name user ! -name env ! -name update-modules -print0 |
        LC_ALL=C sort --zero-terminated | xargs -0 sha256sum | sha256sum | cut -c1-16)
}

# Every kubelet has its device plugins' socket at this place, so there can be one.
PLUGIN_SOCKET=/var/lib/kubelet/device-plugins/kubelet.sock
another_kubelet() { ! alive kubelet >/dev/null && [[ $(ss -Hxl "src = $PLUGIN_SOCKET") ]]; }

# --- processes -----------------------------------------------------------
# A pid file holds "PID START BOOT": with the start time of the process and the
# boot, a pid that was used again by somebody else is never taken for ours.

start_time() {
    local stat
    { stat=$(<"/proc/$1/stat"); } 2>/dev/null || return 1
    stat=${stat##*) } # the name before it may hold anything
    # shellcheck disable=SC2086
    set -- $stat
    # A dead first thread shows as a zombie while others still hold files and ports.
    [[ $1 != Z || ${18} -gt 1 ]] && printf '%s' "${20}"
}

# Prints the pid of a recorded process that is still alive.
alive() {
    local pid start boot
    read -r pid start boot 2>/dev/null <"$RUN/$1.pid" || return 1
    [[ $boot == "$BOOT_ID" && $(start_time "$pid") == "$start" ]] && printf '%s' "$pid"
}

# launch NAME COMMAND...: a session of its own, a clean environment, and no file
# descriptor of the caller's, so that a caller who reads `up` through a pipe sees its end.
launch() {
    local name=$1 log=$LOGS/$1.log pid fd
    shift
    rm -f "$RUN/$name.pid"
    if [[ -f $log && $(stat -c %s "$log") -gt 50000000 ]]; then mv "$log" "$log.old"; fi
    (
        exec </dev/null >>"$log" 2>&1
        for fd in /proc/self/fd/*; do
            fd=${fd##*/}
            if ((fd > 2)); then eval "exec $fd>&-"; fi
        done
        trap - EXIT INT TERM
        cd /
        ulimit -c 0
        ulimit -n "$(ulimit -Hn)"
        # Written by the process itself: there is no moment in which it runs unrecorded.
        pid=$BASHPID
        echo "$pid $(start_time "$pid") $BOOT_ID" >"$RUN/$name.pid"
        exec env -i HOME=/root PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
            setsid "$@"
    ) &
    wait_for 10 test -s "$RUN/$name.pid" || die "$name could not be launched; see $log"
}

# end NAME [SIGNAL]: ends a recorded process and returns when it is gone.
end() {
    local pid
    if pid=$(alive "$1"); then
        kill "-${2:-TERM}" "$pid" 2>/dev/null || true
        if ! wait_for 20 gone "$1"; then
            say "$1 (pid $pid) still there 20 s after SIG${2:-TERM}; killing it"
            kill -KILL "$pid" 2>/dev/null || true
            wait_for 20 gone "$1" || die "$1 (pid $pid) cannot be killed: $(grep State "/proc/$pid/status")"
        fi
    fi
    rm -f "$RUN/$1.pid"
}
gone() { ! alive "$1"; }
