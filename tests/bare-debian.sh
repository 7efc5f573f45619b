#!/bin/bash
# Proves that the README's two commands work on a bare Debian 12: each in a system of its own, made
# by debootstrap, with nothing in it but this checkout.
set -u

usage() {
    cat <<'END'
Usage: tests/bare-debian.sh [--working-tree] FOLDER [COMMAND]...

Makes a minimal Debian 12 in FOLDER/bare (once; from the apt sources of this machine), copies it
with the committed files of this checkout to FOLDER/root, and runs in there as root ./run-qemu.sh
and ./run-qemu.sh --test, each in a fresh copy, or the COMMANDs instead. If npm has been told a
registry, proxies or certificates on this machine (npm config), they hold in there, too. Run it as
root; debootstrap is needed. Several GB are free again when FOLDER is removed.

  --working-tree   take the files as they are now, committed or not

Exit status: 0 if every command succeeded, 1 if one failed, 2 if it could not be tried.
END
}

refuse() {
    printf 'bare-debian.sh: %s\n' "$1" >&2
    exit 2
}

working_tree=0
case ${1-} in
--help)
    usage
    exit 0
    ;;
--working-tree)
    working_tree=1
    shift
    ;;
esac
[[ -n ${1-} && $1 != -* ]] || refuse "a folder is needed; --help explains it"
((EUID == 0)) || refuse "only root can make a Debian system"
command -v debootstrap >/dev/null || refuse "debootstrap is not installed"

# The mounts below live and end with a mount namespace of their own.
if [[ -z ${BARE_DEBIAN_INSIDE-} ]]; then
    options=()
    ((working_tree == 0)) || options=(--working-tree)
    BARE_DEBIAN_INSIDE=1 exec unshare --mount -- "$0" "${options[@]}" "$@"
fi

mkdir -p -- "$1" || exit 2
folder=$(cd -- "$1" && pwd) || exit 2
shift
commands=("$@")
((${#commands[@]})) || commands=('./run-qemu.sh' './run-qemu.sh --test')
checkout=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd) || exit 2
bare=$folder/bare root=$folder/root

# Lines `deb ADDRESS SUITE COMPONENT` of Debian 12's packages, as this machine gets them.
apt_sources() {
    # shellcheck disable=SC2016 # apt-get replaces these
    apt-get indextargets --format 'deb $(REPO_URI) $(CODENAME) $(COMPONENT) $(ORIGIN)' \
        'Created-By: Packages' | sed -n 's/^\(deb [^ ]* bookworm[^ ]* [^ ]*\) Debian$/\1/p' | sort -u
}

make_bare() {
    local mirror
    mirror=$(apt_sources | awk '$3 == "bookworm" && $4 == "main" { print $2; exit }')
    [[ -n $mirror ]] || refuse "this machine has no apt sources for Debian 12 (bookworm)"
    rm -rf -- "$bare.new"
    debootstrap --variant=minbase bookworm "$bare.new" "$mirror" >"$folder/debootstrap.log" ||
        refuse "debootstrap failed; see $folder/debootstrap.log"
    apt_sources >"$bare.new/etc/apt/sources.list"
    apt-config dump Acquire::http Acquire::https 2>/dev/null | grep -i 'proxy "' \
        >"$bare.new/etc/apt/apt.conf.d/80proxy"
    mv -- "$bare.new" "$bare"
}

copy_checkout() {
    if ((working_tree)); then
        git -C "$checkout" ls-files -z --cached --others --exclude-standard |
            tar -C "$checkout" --null --ignore-failed-read -T - -c
    else
        git -C "$checkout" archive HEAD
    fi | tar -C "$1" -x --no-same-owner
}

# fresh_root: a new copy of the bare system, with the checkout in /metronome.
fresh_root() {
    if mountpoint -q "$root/proc"; then
        umount -R "$root/proc" "$root/dev" || exit 2
    fi
    rm -rf --one-file-system -- "$root"
    cp -a -- "$bare" "$root" || exit 2
    mkdir "$root/metronome"
    copy_checkout "$root/metronome" || refuse "the checkout could not be copied"
    cp -L /etc/resolv.conf /etc/hosts "$root/etc/"
    if [[ -n $certificates ]]; then
        cp -L -- "$certificates" "$root/etc/npm-certificates.pem" || exit 2
    fi
    mount -t proc proc "$root/proc" && mount --rbind /dev "$root/dev" || exit 2
}

# npm_setting NAME: what this machine's npm has been told, or nothing.
npm_setting() {
    local value
    value=$(npm config get "$1" 2>/dev/null)
    [[ $value == null || $value == undefined ]] || printf '%s' "$value"
}

# As the apt sources: where the packages of the timeline's page come from, and whom to believe.
certificates='' npm_settings=()
if command -v npm >/dev/null; then
    for name in registry proxy https-proxy noproxy; do
        value=$(npm_setting "$name")
        [[ -z $value ]] || npm_settings+=("npm_config_${name//-/_}=$value")
    done
    certificates=$(npm_setting cafile)
    [[ -z $certificates ]] || npm_settings+=(npm_config_cafile=/etc/npm-certificates.pem)
fi

[[ -d $bare ]] || make_bare
status=0
for command in "${commands[@]}"; do
    fresh_root
    printf '\n==== %s\n' "$command"
    started=$SECONDS
    env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root TERM=dumb \
        ${http_proxy:+http_proxy="$http_proxy"} ${https_proxy:+https_proxy="$https_proxy"} \
        "${npm_settings[@]}" \
        chroot "$root" /bin/bash -c "cd /metronome && $command" </dev/null
    result=$?
    printf '==== %s: status %d after %d seconds\n' "$command" "$result" "$((SECONDS - started))"
    ((result == 0)) || status=1
done
exit "$status"
