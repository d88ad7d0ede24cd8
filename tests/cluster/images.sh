# shellcheck shell=bash
# The container images: archives made here of static binaries, so nothing is
# pulled. The same binaries always give the same bytes.

# root_file_system FOLDER: busybox with all its applets, and what programs expect.
# As in today's distributions all programs lie in one folder.
root_file_system() {
    local root=$1 applet
    mkdir -p "$root"/{bin,etc,home,proc,root,sys,tmp,usr,var/tmp}
    chmod 0700 "$root/root"
    chmod 1777 "$root/tmp" "$root/var/tmp"
    ln -s ../bin "$root/usr/bin"
    cp /bin/busybox "$root/bin/busybox"
    for applet in $(/bin/busybox --list); do
        [[ -e $root/bin/$applet ]] || ln -s busybox "$root/bin/$applet"
    done
    printf '%s\n' 'root:x:0:0:root:/root:/bin/sh' 'nobody:x:65534:65534:nobody:/:/bin/false' >"$root/etc/passwd"
    printf '%s\n' 'root:x:0:' 'nogroup:x:65534:' >"$root/etc/group"
}

# archive ROOT IMAGE FILE COMMAND: a docker-archive of one layer.
archive() {
    local root=$1 image=$2 file=$3 command=$4 work=$1.archive layer
    local tar=(tar --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner --format=gnu)
    mkdir "$work"
    "${tar[@]}" -C "$root" -cf "$work/layer.tar" .
    layer=$(sha256sum "$work/layer.tar" | cut -d' ' -f1)
    cat >"$work/config.json" <<END
{"architecture":"$(dpkg --print-architecture)","os":"linux","created":"1970-01-01T00:00:00Z",
"config":{"Env":["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],"Cmd":["$command"],"WorkingDir":"/"},
"rootfs":{"type":"layers","diff_ids":["sha256:$layer"]},
"history":[{"created":"1970-01-01T00:00:00Z","created_by":"tests/cluster/images.sh"}]}
END
    printf '[{"Config":"config.json","RepoTags":["%s"],"Layers":["layer.tar"]}]\n' "$image" >"$work/manifest.json"
    "${tar[@]}" -C "$work" -cf "$file" manifest.json config.json layer.tar
}

# Archives for the present binaries, in a folder named after them.
make_images() {
    local key began=$EPOCHREALTIME work=$STATE/images.new
    key=$(cat /bin/busybox /bin/bash-static "$BIN/pause" "$HERE/images.sh" | sha256sum | cut -c1-16)
    IMAGES=$STATE/images/$key
    [[ -d $IMAGES ]] && return
    rm -rf "$work" "$STATE/images"
    mkdir -p "$work/pause" "$STATE/images"
    root_file_system "$work/busybox"
    root_file_system "$work/ubuntu"
    cp --remove-destination /bin/bash-static "$work/ubuntu/bin/bash"
    cp "$BIN/pause" "$work/pause/pause"
    mkdir "$work/out"
    archive "$work/busybox" docker.io/library/busybox:latest "$work/out/busybox.tar" sh
    archive "$work/ubuntu" docker.io/library/ubuntu:latest "$work/out/ubuntu.tar" /bin/bash
    archive "$work/pause" "$PAUSE_IMAGE" "$work/out/pause.tar" /pause
    mv -T "$work/out" "$IMAGES"
    rm -rf "$work"
    say "images made in $(since "$began") s"
}

# Imports them unless containerd has these very ones.
import_images() {
    local done=$STATE/containerd/imported-${IMAGES##*/} image file present
    present=$("${CTR[@]}" images list --quiet)
    for file in busybox ubuntu pause; do
        image=docker.io/library/$file:latest
        [[ $file != pause ]] || image=$PAUSE_IMAGE
        if [[ ! -e $done ]] || ! grep -qxF "$image" <<<"$present"; then
            "${CTR[@]}" images import "$IMAGES/$file.tar" >"$LOGS/import.log" 2>&1 ||
                die "containerd could not import $IMAGES/$file.tar: $(tail -n 5 "$LOGS/import.log")"
        fi
    done
    touch "$done"
}
