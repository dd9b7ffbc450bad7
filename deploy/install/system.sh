#!/bin/sh
# deploy/install/system.sh run|test|PACKAGE: installs the system packages that listening (run) or the tests (test) need, where
# this user may; else says in one line what is missing and what goes without it. Never fails.

case $1 in
run)
    apt="libportaudio2" brew=""
    goes_without="files and stdin work without it, a microphone does not"
    ;;
test)
    apt="libportaudio2 mariadb-server pulseaudio pulseaudio-utils libasound2-plugins portaudio19-dev espeak-ng
         pocketsphinx-testdata alsa-utils strace g++ python3-dev"
    brew="mariadb portaudio espeak-ng"
    goes_without="the tests that need it are left out"
    ;;
*)
    apt=$1 brew=""
    goes_without="the virtual environment cannot be made"
    ;;
esac

as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"; else sudo -n "$@"; fi
}

has_apt() {
    dpkg-query -W -f='${Status}' "$1" 2>/dev/null | grep -q 'ok installed'
}

# One at a time, so that one package without a candidate keeps out no other; --no-remove, so that nobody loses PipeWire.
install_apt() {
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends --no-remove "$1"
}

has_brew() {
    brew list --versions "$1"
}

install_brew() {
    brew install --quiet "$1"
}

absent() {
    for package in $wanted; do
        "has_$manager" "$package" >/dev/null 2>&1 || printf ' %s' "$package"
    done
}

if command -v apt-get >/dev/null; then
    manager=apt wanted=$apt by_hand="sudo apt-get install"
elif command -v brew >/dev/null; then
    manager=brew wanted=$brew by_hand="brew install"
else
    [ "$(uname)" = Darwin ] || echo "no apt-get or brew here: to use a microphone, install PortAudio ($goes_without)"
    exit 0
fi

[ -z "$(absent)" ] && exit 0
echo "installing$(absent)"
[ $manager = apt ] && as_root apt-get update -qq >/dev/null 2>&1
for package in $(absent); do
    "install_$manager" "$package" >/dev/null 2>&1 </dev/null
done
[ -z "$(absent)" ] || echo "missing:$(absent) ($goes_without); to have it: $by_hand$(absent)"
exit 0
