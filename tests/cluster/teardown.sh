# shellcheck shell=bash
# Leaves no process, mount, interface or cgroup of the cluster behind, whatever
# state it is in. Each step finds by itself what there is to do.

our_shims() {
    grep -lszF -- "$SOCKET" /proc/[0-9]*/cmdline 2>/dev/null | while read -r file; do
        if { tr '\0' ' ' <"$file"; } 2>/dev/null | grep -q "^[^ ]*containerd-shim[^ ]* .*-address $SOCKET "; then
            file=${file#/proc/}
            echo "${file%/cmdline}"
        fi
    done || true
}

pod_processes() {
    local folder
    cgroup_folders | while read -r folder; do
        if [[ -d $folder ]]; then find "$folder" -name cgroup.procs -exec cat {} + 2>/dev/null || true; fi
    done | sort -un
}

no_pods_left() { [[ -z $(our_shims) && -z $(pod_processes) ]]; }

end_pods() {
    local tasks
    # With containerd's help while it is there: it then knows that they have ended.
    if alive containerd >/dev/null; then
        mapfile -t tasks < <(timeout 10 "${CTR[@]}" tasks list --quiet 2>/dev/null)
        if ((${#tasks[@]})); then
            timeout 30 "${CTR[@]}" tasks delete --force "${tasks[@]}" >/dev/null 2>&1 || true
        fi
    fi
    if ! wait_for 3 no_pods_left; then
        # Shims first: they would report the rest to nobody.
        { our_shims; pod_processes; } | xargs --no-run-if-empty kill -KILL 2>/dev/null || true
        wait_for 20 no_pods_left ||
            die "processes of pods cannot be killed: $({ our_shims; pod_processes; } | tr '\n' ' ')"
    fi
}

mounts_below() {
    awk -v below="$STATE/" 'index($5, below) == 1 {print $5}' /proc/self/mountinfo | tac
}

unmount_all() {
    local tries mount
    for tries in 1 2 3; do
        while read -r mount; do
            umount "$mount" 2>/dev/null || umount --lazy "$mount" 2>/dev/null || true
        done < <(mounts_below)
        [[ -n $(mounts_below) ]] || return 0
        sleep 0.2
    done
    die "cannot unmount after $tries tries: $(mounts_below)"
}

no_ports_left() { [[ -z $(ip -o link show master "$BRIDGE") ]]; }

delete_network() {
    if [[ -e /sys/class/net/$BRIDGE ]]; then
        # The pods' interfaces go with their network namespaces, a moment later.
        wait_for 3 no_ports_left || ip -o link show master "$BRIDGE" |
            sed 's/^[0-9]*: \([^@:]*\).*/\1/' | xargs -n 1 ip link delete || true
        ip link delete "$BRIDGE"
    fi
    find /var/lib/cni/results -type f -exec grep -qF "$STATE/" {} \; -delete 2>/dev/null || true
    rmdir --ignore-fail-on-non-empty /var/lib/cni/results /var/lib/cni 2>/dev/null || true
}

cgroups_deleted() {
    local folder
    cgroup_folders | while read -r folder; do
        if [[ -d $folder ]]; then find "$folder" -depth -type d -exec rmdir {} + || return 1; fi
    done
}

# What kubelet and containerd write to fixed places.
delete_traces() {
    local file
    for file in "$RUN"/containerd/io.containerd.runtime.v2.task/k8s.io/*/address; do
        if [[ -s $file ]]; then rm -f "$(sed 's|^unix://||' "$file")"; fi
    done
    rmdir --ignore-fail-on-non-empty /run/containerd/s /run/containerd 2>/dev/null || true
    find /var/log/containers -type l -lname "$STATE/*" -delete 2>/dev/null || true
    another_kubelet || rm -f "$PLUGIN_SOCKET"
    # Only when they are empty.
    rmdir --ignore-fail-on-non-empty /var/log/containers /var/lib/kubelet/device-plugins \
        /var/lib/kubelet 2>/dev/null || true
}

teardown() {
    local component file
    for component in kubelet scheduler controller-manager apiserver etcd; do
        end "$component"
    done
    end_pods
    # The rest: containerd, and whatever another version of these files has started.
    for file in "$RUN"/*.pid; do
        if [[ -e $file ]]; then end "$(basename "$file" .pid)"; fi
    done
    end_pods
    unmount_all
    delete_network
    wait_for 10 cgroups_deleted || die "cannot delete the cgroups $(cgroup_folders | tr '\n' ' ')"
    delete_traces
    [[ ! -e $RUN/boot || $(<"$RUN/boot") != "$BOOT_ID" ]] || restore_sysctls
    rm -rf --one-file-system "$RUN"
}

# At one stroke: a state that is half deleted must not be taken for a whole one.
delete_state() {
    rm -rf --one-file-system "$STATE.deleted"
    if [[ -e $STATE ]]; then mv -T "$STATE" "$STATE.deleted"; fi
    rm -rf --one-file-system "$STATE.deleted"
}
