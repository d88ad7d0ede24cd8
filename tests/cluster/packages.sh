# shellcheck shell=bash
# What comes from Debian: the container runtime, CNI plugins, static binaries.

# openssl for certificates, iproute2 for ip and ss.
# shellcheck disable=SC2034  # used by up
PACKAGES=(containerd runc containernetworking-plugins busybox-static bash-static openssl iproute2)

# install_packages NAME...: those that are missing.
install_packages() {
    local missing=() package began=$EPOCHREALTIME policy=/usr/sbin/policy-rc.d
    for package in "$@"; do
        [[ $(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null) == installed ]] ||
            missing+=("$package")
    done
    ((${#missing[@]})) || return 0
    command -v apt-get >/dev/null ||
        die "missing ${missing[*]}, and no apt-get here to install them: Debian or Ubuntu is needed"
    say "installing ${missing[*]}"
    # A system containerd must not be started for our sake: ours is another one,
    # with its own socket and folders. One that runs already is left alone.
    if [[ ! -e $policy ]]; then
        printf '#!/bin/sh\nexit 101\n' >"$policy"
        chmod +x "$policy"
        # shellcheck disable=SC2064
        trap "rm -f $policy" EXIT
    else
        policy=
    fi
    local apt=(apt-get -qq -o DPkg::Lock::Timeout=300)
    { "${apt[@]}" update && DEBIAN_FRONTEND=noninteractive "${apt[@]}" install -y \
        --no-install-recommends "${missing[@]}"; } >"$LOGS/apt.log" 2>&1 ||
        die "apt-get could not install ${missing[*]}: $(tail -n 5 "$LOGS/apt.log")"
    if [[ $policy ]]; then
        rm -f "$policy"
        trap - EXIT
    fi
    say "packages installed in $(since "$began") s"
}
