# shellcheck shell=bash
# What Perch needs on the host, and how apt installs it. Sourced by ./perch.
# SPDX-License-Identifier: MIT
#
# install_for VERB NO_INSTALL: returns when everything that VERB (build, run, iso, test) needs is
# installed. Otherwise it lists what is missing, and what will be added to /etc/apt, installs it with a
# line a group of packages (apt's own words go into build/apt.log), or stops with status 3.

PYTHON=${PYTHON:-/usr/bin/python3}
APT_ETC=${APT_ETC:-/etc/apt}
OVMF_IMAGES="/usr/share/OVMF/OVMF_CODE_4M.fd /usr/share/OVMF/OVMF_CODE.fd"

have() { command -v "$1" >/dev/null 2>&1; }

have_any() {
    local file
    for file in "$@"; do
        [ -e "$file" ] && return 0
    done
    return 1
}

# Can this compiler make a hosted program with sanitizers? It needs libc's headers as well.
can_sanitize() {
    have "$1" && echo 'int main(void){return 0;}' |
        "$1" -x c -fsanitize=address,undefined -o /dev/null - >/dev/null 2>&1
}

# The formatter of the tree's check (tests/lint): version 14, as in Debian 12.
have_format() { have clang-format-14 || clang-format --version 2>/dev/null | grep -q 'version 14\.'; }

# The formatter's package. Empty where none exists: the check is skipped there.
format_package() {
    if os_is debian 12; then
        echo clang-format
    elif apt-cache show clang-format-14 2>/dev/null | grep -q '^Package:'; then
        echo clang-format-14
    fi
}

# The second emulator's packages. Empty where there are none: its tests are skipped there.
bochs_packages() {
    if os_is debian 12 || os_is debian 13 || apt-cache show bochs-sdl 2>/dev/null | grep -q '^Package:'; then
        echo bochs bochsbios vgabios bochs-sdl
    fi
}

has_bochs() {
    case $1 in
    bochs) have bochs ;;
    bochsbios) have_any /usr/share/bochs/BIOS-bochs-latest ;;
    vgabios) have_any /usr/share/vgabios/vgabios.bin ;;
    *) have_any /usr/lib/*/bochs/plugins/libbx_sdl2_gui.so* ;;
    esac
}

# Adds the package to `missing` when its test fails.
need() {
    local package=$1
    shift
    "$@" || missing+=("$package")
}

missing_for() {
    local verb=$1 format package
    missing=()
    need make have make
    need gcc have "${CROSS_COMPILE-}gcc"
    need gcc have gcc
    need binutils have "${CROSS_COMPILE-}ld"
    need libc6-dev have_any /usr/include/stdio.h
    need nasm have nasm
    need python3 have "$PYTHON"
    [ "$verb" = build ] && return
    need qemu-system-x86 have "${PERCH_QEMU:-qemu-system-x86_64}"
    [ "$verb" = run ] && return
    # shellcheck disable=SC2086
    need ovmf have_any $OVMF_IMAGES
    need grub-common have grub-mkrescue
    need grub-pc-bin have_any /usr/lib/grub/i386-pc/multiboot2.mod
    need grub-efi-amd64-bin have_any /usr/lib/grub/x86_64-efi/multiboot2.mod
    need xorriso have xorriso
    need mtools have mformat
    [ "$verb" = iso ] && return
    need clang can_sanitize clang
    need g++ have g++
    need gdb have gdb
    have_format || { format=$(format_package) && [ -n "$format" ] && missing+=("$format"); }
    need acpica-tools have iasl
    need spin have spin
    for package in $(bochs_packages); do need "$package" has_bochs "$package"; done
    need python3-pytest "$PYTHON" -c 'import pytest' 2>/dev/null
    need python3-yaml "$PYTHON" -c 'import yaml' 2>/dev/null
    need python3-pytest-xdist "$PYTHON" -c 'import xdist' 2>/dev/null
}

# clang's sanitizer runtimes and fuzzer are a package of their own since LLVM 14, named by version.
clang_runtime() {
    local version
    version=$(apt-cache depends clang 2>/dev/null |
        sed -n 's/.*Depends: clang-\([0-9]*\)$/\1/p' | head -1)
    [ -n "$version" ] && apt-cache show "libclang-rt-$version-dev" >/dev/null 2>&1 &&
        echo "libclang-rt-$version-dev"
}

qemu_major() {
    "${PERCH_QEMU:-qemu-system-x86_64}" --version 2>/dev/null |
        sed -n '1s/.*version \([0-9]*\)\..*/\1/p'
}

os_is() { (. /etc/os-release 2>/dev/null && [ "$ID" = "$1" ] && [ "${VERSION_ID-}" = "$2" ]); }

# Debian 12 has QEMU 7.2; x2APIC without KVM needs 9.0, which backports have.
wants_backports() {
    os_is debian 12 && { [ "$(id -u)" = 0 ] || have sudo; } &&
        [ "$(qemu_major)" -lt 9 ] 2>/dev/null && [ ! -e "${BUILD:-build}/.qemu-stock" ]
}

as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi
}

apt() { as_root env DEBIAN_FRONTEND=noninteractive LC_ALL=C apt-get -q "$@"; }

# Each group's packages in the order of missing_for(), as lines "WHAT IT IS FOR:PACKAGE ...".
GROUPS_OF_PACKAGES='the build:make gcc binutils libc6-dev nasm python3
QEMU:qemu-system-x86
the boot image:ovmf grub-common grub-pc-bin grub-efi-amd64-bin xorriso mtools
the tests:*'

apt_log() { mkdir -p "${BUILD:-build}" && echo "${BUILD:-build}/apt.log"; }

# How much apt would fetch and unpack for these packages: "12.3 MB to fetch, 45.6 MB on disk".
apt_size() {
    apt install --assume-no --no-install-recommends "$@" </dev/null 2>/dev/null | sed -n -E \
        -e 's/^Need to get ([0-9.,]+ [kMG]?B).*/\1 to fetch/p' \
        -e 's/^After this operation, ([0-9.,]+ [kMG]?B) of additional.*/\1 on disk/p' |
        paste -s -d, | sed 's/,/, /'
}

# apt with its words in the log; of a failure the end of them is shown. $1: what is said before.
apt_quietly() {
    local log start=$SECONDS
    log=$(apt_log)
    printf 'perch: %s' "$1"
    shift
    if apt "$@" </dev/null >>"$log" 2>&1; then
        printf ': %d s\n' $((SECONDS - start))
        return 0
    fi
    printf ': failed; the end of %s:\n' "$log"
    tail -n 5 "$log" | sed 's/^/    /'
    return 1
}

# One group. $1: what it is for; further options of apt-get, then --, then the packages.
install_group() {
    local what=$1 options=() size
    shift
    while [ "$1" != -- ]; do options+=("$1") && shift; done
    shift
    size=$(apt_size "${options[@]+"${options[@]}"}" "$@")
    apt_quietly "installing $what: $*${size:+ ($size)}" install -y --no-install-recommends \
        "${options[@]+"${options[@]}"}" "$@"
}

# Every apt source of this machine, from both of apt's formats, as lines "URI SUITES SIGNED-BY".
apt_sources() {
    local file
    for file in "$APT_ETC"/sources.list "$APT_ETC"/sources.list.d/*.list; do
        [ -e "$file" ] || continue
        tr '\t' ' ' <"$file" |
            sed -n -E 's/^ *deb +(\[([^]]*)\] +)?([^ ]+) +([^ ]+) .*/\3|\4|\2/p' |
            sed -E 's/\|[^|]*signed-by=([^ ]+).*$/|\1/; t; s/\|[^|]*$/|/'
    done
    for file in "$APT_ETC"/sources.list.d/*.sources; do
        [ -e "$file" ] || continue
        awk 'function out(  i, n, u) {
                 if (uris != "" && tolower(enabled) != "no" && types ~ /(^| )deb( |$)/) {
                     n = split(uris, u, " ")
                     for (i = 1; i <= n; i++) print u[i] "|" suites "|" key
                 }
                 uris = suites = key = enabled = types = ""
             }
             /^[[:space:]]*$/ { out() }
             /^#/ { next }
             tolower($1) == "types:"     { $1 = ""; sub(/^ /, ""); types = $0 }
             tolower($1) == "uris:"      { $1 = ""; sub(/^ /, ""); uris = $0 }
             tolower($1) == "suites:"    { $1 = ""; sub(/^ /, ""); suites = $0 }
             tolower($1) == "signed-by:" { key = $2 }
             tolower($1) == "enabled:"   { enabled = $2 }
             END { out() }' "$file"
    done
}

BACKPORTS=$APT_ETC/sources.list.d/perch-backports.sources

# "URI|KEY" of bookworm's own mirror; status 1: none, or backports are in apt's sources already.
backports_mirror() {
    local uri suites key
    apt_sources | grep -q '|[^|]*bookworm-backports' && return 1
    while IFS='|' read -r uri suites key; do
        case " $suites " in *" bookworm "*) echo "$uri|$key" && return 0 ;; esac
    done < <(apt_sources)
    return 1
}

# What will be added to apt's sources, said before anything is done.
say_backports() {
    os_is debian 12 && [ ! -e "${BUILD:-build}/.qemu-stock" ] && backports_mirror >/dev/null || return 0
    echo "perch: $BACKPORTS ${1-will be added}: the suite bookworm-backports of this machine's own" \
        "mirror, for QEMU 9 or later and what that needs (to undo it: remove the file)"
}

# Adds bookworm-backports from bookworm's own mirror. Status 1: the mirror does not have it.
add_backports() {
    local uri key list=$BACKPORTS
    apt_sources | grep -q '|[^|]*bookworm-backports' && return 0
    IFS='|' read -r uri key < <(backports_mirror) && [ -n "$uri" ] || return 1
    echo "perch: adding the suite bookworm-backports of this machine's own mirror to $list"
    {
        printf 'Types: deb\nURIs: %s\nSuites: bookworm-backports\nComponents: main\n' "$uri"
        [ -n "$key" ] && printf 'Signed-By: %s\n' "$key"
    } | as_root tee "$list" >/dev/null
    apt update -o Dir::Etc::sourcelist="$list" -o Dir::Etc::sourceparts=- \
        -o APT::Get::List-Cleanup=0 >/dev/null 2>&1 && return 0
    as_root rm -f "$list"
    return 1
}

# QEMU from backports where it is needed and available; otherwise the distribution's.
install_qemu() {
    if os_is debian 12 && add_backports &&
        install_group "QEMU from bookworm-backports" -t bookworm-backports -- qemu-system-x86; then
        return 0
    fi
    if os_is debian 12; then
        echo "perch: no QEMU from backports; Debian's own serves (what it cannot do is skipped)"
        mkdir -p "${BUILD:-build}" && : >"${BUILD:-build}/.qemu-stock"
    fi
    have qemu-system-x86_64 || install_group QEMU -- qemu-system-x86
}

# The packages of $1 (a list, * for all that are left) that are in `wanted`, which loses them.
take() {
    local package left=() taken=()
    for package in "${wanted[@]+"${wanted[@]}"}"; do
        case " $1 " in *" $package "* | " * ") taken+=("$package") ;; *) left+=("$package") ;; esac
    done
    wanted=("${left[@]+"${left[@]}"}")
    group=("${taken[@]+"${taken[@]}"}")
}

install_packages() {
    local wanted=("$@") group=() what names runtime
    apt_quietly "reading the lists of packages" update ||
        echo "perch: going on with the lists that are there"
    case " $* " in *" clang "*) runtime=$(clang_runtime) && wanted+=("$runtime") ;; esac
    while IFS=: read -r what names; do
        take "$names"
        [ ${#group[@]} -gt 0 ] || continue
        if [ "$what" = QEMU ]; then
            install_qemu || return 1
        else
            install_group "$what" -- "${group[@]}" || return 1
        fi
    done <<<"$GROUPS_OF_PACKAGES"
}

install_for() {
    local verb=$1 no_install=$2 list
    missing_for "$verb"
    list=$(printf '%s\n' "${missing[@]+"${missing[@]}"}" | sort -u | tr '\n' ' ')
    list=${list% }
    if [ -n "$no_install" ]; then
        [ -z "$list" ] && return 0
        echo "perch: missing packages: $list"
        case " $list " in
        *" qemu-system-x86 "*) [ -n "${PERCH_QEMU-}" ] || say_backports "would be added" ;;
        esac
        exit 3
    fi
    [ "$verb" != build ] && [ -z "${PERCH_QEMU-}" ] && wants_backports && case " $list " in
        *" qemu-system-x86 "*) ;;
        *) list="$list qemu-system-x86" ;;
    esac
    [ -z "$list" ] && return 0
    echo "perch: missing packages: $list"
    if ! have apt-get; then
        echo "perch: no apt-get here: please install them yourself" >&2
        exit 3
    elif [ "$(id -u)" != 0 ] && ! have sudo; then
        echo "perch: neither root nor sudo: please install them with apt-get" >&2
        exit 3
    fi
    case " $list " in *" qemu-system-x86 "*) [ -n "${PERCH_QEMU-}" ] || say_backports ;; esac
    echo "perch: installing them with apt-get; its own words go into $(apt_log)"
    # shellcheck disable=SC2086
    install_packages $list || {
        echo "perch: the installation failed" >&2
        exit 3
    }
    missing_for "$verb"
    [ ${#missing[@]} -eq 0 ] || {
        echo "perch: still missing after the installation: ${missing[*]}" >&2
        exit 3
    }
}
