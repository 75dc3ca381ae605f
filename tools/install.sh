# shellcheck shell=bash
# What Perch needs on the host, and how apt installs it. Sourced by ./perch.
# SPDX-License-Identifier: MIT
#
# install_for VERB NO_INSTALL: returns when everything that VERB (build, run, iso, test) needs is
# installed. Otherwise it lists what is missing, installs it, or stops with status 3.

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

apt() { as_root env DEBIAN_FRONTEND=noninteractive apt-get -q "$@"; }

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

# Adds bookworm-backports from bookworm's own mirror. Status 1: the mirror does not have it.
add_backports() {
    local uri suites key list=$APT_ETC/sources.list.d/perch-backports.sources
    apt_sources | grep -q '|[^|]*bookworm-backports' && return 0
    while IFS='|' read -r uri suites key; do
        case " $suites " in *" bookworm "*) break ;; esac
        uri=
    done < <(apt_sources)
    [ -n "$uri" ] || return 1
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
        apt install -y --no-install-recommends -t bookworm-backports qemu-system-x86; then
        return 0
    fi
    if os_is debian 12; then
        echo "perch: no QEMU from backports; Debian's own serves (what it cannot do is skipped)"
        mkdir -p "${BUILD:-build}" && : >"${BUILD:-build}/.qemu-stock"
    fi
    have qemu-system-x86_64 || apt install -y --no-install-recommends qemu-system-x86
}

install_packages() {
    local packages=() package qemu='' runtime
    for package in "$@"; do
        if [ "$package" = qemu-system-x86 ]; then qemu=1; else packages+=("$package"); fi
    done
    apt update || echo "perch: apt-get update failed; trying with the lists there are"
    for package in "${packages[@]+"${packages[@]}"}"; do
        [ "$package" = clang ] && runtime=$(clang_runtime) && packages+=("$runtime")
    done
    if [ ${#packages[@]} -gt 0 ]; then
        apt install -y --no-install-recommends "${packages[@]}" || return 1
    fi
    [ -z "$qemu" ] || install_qemu
}

install_for() {
    local verb=$1 no_install=$2 list
    missing_for "$verb"
    list=$(printf '%s\n' "${missing[@]+"${missing[@]}"}" | sort -u | tr '\n' ' ')
    list=${list% }
    if [ -n "$no_install" ]; then
        [ -z "$list" ] && return 0
        echo "perch: missing packages: $list"
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
    echo "perch: installing them with apt-get"
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
