# shellcheck shell=bash
# The configuration files of containerd, CNI and the kubelet.

write_containerd_config() {
    local snapshotter=overlayfs
    # An overlay on an overlay is refused by the kernel (tests in a container).
    [[ $(stat -f -c %T "$STATE") != overlayfs ]] || snapshotter=native
    cat >"$STATE/containerd.toml" <<END
version = 2
root = "$STATE/containerd"
state = "$RUN/containerd"
disabled_plugins = ["io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.btrfs",
  "io.containerd.snapshotter.v1.devmapper", "io.containerd.snapshotter.v1.zfs"]
[grpc]
address = "$SOCKET"
[plugins."io.containerd.internal.v1.opt"]
path = "$STATE/containerd/opt"
[plugins."io.containerd.grpc.v1.cri"]
sandbox_image = "$PAUSE_IMAGE"
stream_server_address = "127.0.0.1"
disable_apparmor = true
# Containers get no lower oom_score_adj than ours: CI's machines lack CAP_SYS_RESOURCE.
restrict_oom_score_adj = true
# What is mounted lies below the state folder, where down finds it.
netns_mounts_under_state_dir = true
[plugins."io.containerd.grpc.v1.cri".cni]
bin_dir = "/usr/lib/cni"
conf_dir = "$STATE/cni"
[plugins."io.containerd.grpc.v1.cri".containerd]
snapshotter = "$snapshotter"
default_runtime_name = "runc"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
Root = "$RUN/runc"
[plugins."io.containerd.grpc.v1.cri".registry]
config_path = "$STATE/registries"
END
    # Every pull fails at once, alike on every machine: nothing listens on that port.
    mkdir -p "$STATE/registries/_default"
    printf '%s\n' 'server = "http://127.0.0.1:1"' '[host."http://127.0.0.1:1"]' \
        >"$STATE/registries/_default/hosts.toml"
}

# Pods reach each other and the host, and nothing else. No iptables in it.
write_cni_config() {
    mkdir -p "$STATE/cni"
    cat >"$STATE/cni/10-kjo.conflist" <<END
{"cniVersion": "1.0.0", "name": "$NETWORK", "plugins": [{
  "type": "bridge", "bridge": "$BRIDGE", "isGateway": true, "ipMasq": false,
  "ipam": {"type": "host-local", "dataDir": "$RUN/ipam", "ranges": [[{"subnet": "10.213.0.0/16"}]]}
}]}
END
}

# The log rotation is set by `ctl kubelet log-rotation`, which leaves a file.
write_kubelet_config() {
    local size=10Mi files=2
    if [[ -s $STATE/log-rotation ]]; then read -r size files <"$STATE/log-rotation"; fi
    cat >"$STATE/kubelet.yaml" <<END
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
address: 127.0.0.1
port: $KUBELET_PORT
readOnlyPort: 0
healthzBindAddress: 127.0.0.1
healthzPort: $KUBELET_HEALTH_PORT
tlsCertFile: $PKI/server.pem
tlsPrivateKeyFile: $PKI/server.key
authentication: {anonymous: {enabled: true}, webhook: {enabled: false}}
authorization: {mode: AlwaysAllow}
containerRuntimeEndpoint: unix://$SOCKET
cgroupDriver: cgroupfs
cgroupRoot: /$CGROUP
failCgroupV1: false
failSwapOn: false
evictionHard: {memory.available: 50Mi, nodefs.available: 1%, nodefs.inodesFree: 1%, imagefs.available: 1%}
imageGCHighThresholdPercent: 100
maxPods: 250
podLogsDir: $STATE/pods
containerLogMaxSize: $size
containerLogMaxFiles: $files
containerLogMonitorInterval: 3s
volumePluginDir: $STATE/kubelet/volume-plugins
makeIPTablesUtilChains: false
# No DNS here. A lookup is refused at once, and pods get no MissingClusterDNS event.
clusterDNS: [127.0.0.1]
clusterDomain: cluster.local
END
}

# --- what belongs to the machine, put back by `down` ---------------------

SYSCTLS=(fs/inotify/max_user_instances net/ipv4/ip_forward vm/overcommit_memory vm/panic_on_oom
    kernel/panic kernel/panic_on_oops kernel/keys/root_maxkeys kernel/keys/root_maxbytes)

# The kubelet and the bridge plugin set most of these without asking. Following a
# log takes an inotify instance each, and 128 is the usual limit.
save_sysctls() {
    local name
    [[ ! -e $RUN/sysctls ]] || return 0
    for name in "${SYSCTLS[@]}"; do
        if [[ -r /proc/sys/$name ]]; then echo "$name $(<"/proc/sys/$name")"; fi
    done >"$RUN/sysctls.new"
    mv "$RUN/sysctls.new" "$RUN/sysctls"
    if (($(</proc/sys/fs/inotify/max_user_instances) < 1024)); then
        echo 1024 >/proc/sys/fs/inotify/max_user_instances
    fi
}

restore_sysctls() {
    local name value
    [[ -e $RUN/sysctls ]] || return 0
    while read -r name value; do
        [[ $(<"/proc/sys/$name") == "$value" ]] || echo "$value" >"/proc/sys/$name" || true
    done <"$RUN/sysctls"
}

# The folders of the pods' cgroup: one per v1 hierarchy, the one of v2, or both.
cgroup_folders() {
    awk -v name="$CGROUP" '$3 ~ /^cgroup2?$/ {print $2 "/" name}' /proc/self/mounts
}

make_cgroups() {
    local folder controller
    while read -r folder; do
        mkdir -p "$folder"
        if [[ -e $folder/../cgroup.subtree_control ]]; then
            # v2: a child has what its parent hands down.
            for controller in $(<"$folder/../cgroup.controllers"); do
                { echo "+$controller" >"$folder/../cgroup.subtree_control"; } 2>/dev/null ||
                    say "cgroup controller $controller cannot be handed to pods"
            done
        elif [[ -e $folder/cpuset.cpus && -z $(<"$folder/cpuset.cpus") ]]; then
            # v1: an empty cpuset takes no process.
            cat "$folder/../cpuset.cpus" >"$folder/cpuset.cpus"
            cat "$folder/../cpuset.mems" >"$folder/cpuset.mems"
        fi
    done < <(cgroup_folders)
}
