"""tools/install.sh: what it reads from apt's sources, and what ./perch says without installing.

SPDX-License-Identifier: MIT
"""
import os
import subprocess

import pytest

from conftest import ROOT

DEB822 = """\
# a comment
Types: deb
URIs: http://mirror.invalid/debian
Suites: bookworm bookworm-updates
Components: main
Signed-By: /usr/share/keyrings/key.gpg

Types: deb
URIs: http://mirror.invalid/security
Suites: bookworm-security
Components: main

Types: deb
URIs: http://off.invalid/debian
Suites: bookworm
Enabled: no
"""
ONE_LINE = """\
# deb http://comment.invalid/debian bookworm main
deb-src http://source.invalid/debian bookworm main
deb http://mirror.invalid/debian bookworm main contrib
deb [arch=amd64 signed-by=/k.gpg] http://keyed.invalid/debian/ bookworm-updates main
deb [arch=amd64] http://plain.invalid/debian/ trixie main
"""


@pytest.fixture
def shell(tmp_path):
    """shell(script): bash with install.sh read, apt's directory being tmp_path."""
    (tmp_path / "sources.list.d").mkdir()

    def run(script, **more):
        env = dict(os.environ, APT_ETC=str(tmp_path), **more)
        return subprocess.run(["bash", "-c", f". tools/install.sh; {script}"], cwd=ROOT, env=env,
                              capture_output=True, text=True)

    return run


def test_deb822_sources(shell, tmp_path):
    (tmp_path / "sources.list.d/debian.sources").write_text(DEB822)
    assert shell("apt_sources").stdout.splitlines() == [
        "http://mirror.invalid/debian|bookworm bookworm-updates|/usr/share/keyrings/key.gpg",
        "http://mirror.invalid/security|bookworm-security|"]


def test_one_line_sources(shell, tmp_path):
    (tmp_path / "sources.list").write_text(ONE_LINE)
    assert shell("apt_sources").stdout.splitlines() == [
        "http://mirror.invalid/debian|bookworm|",
        "http://keyed.invalid/debian/|bookworm-updates|/k.gpg",
        "http://plain.invalid/debian/|trixie|"]


@pytest.mark.parametrize("text, name, key", [(DEB822, "debian.sources", True),
                                             (ONE_LINE, "main.list", False)])
def test_backports_come_from_the_same_mirror(shell, tmp_path, text, name, key):
    (tmp_path / f"sources.list.d/{name}").write_text(text)
    done = shell("as_root() { \"$@\"; }; apt() { return 0; }; add_backports && add_backports")
    assert done.returncode == 0
    added = (tmp_path / "sources.list.d/perch-backports.sources").read_text()
    assert "URIs: http://mirror.invalid/debian\nSuites: bookworm-backports\n" in added
    assert ("Signed-By: /usr/share/keyrings/key.gpg" in added) == key
    assert done.stdout.count("adding the suite") == 1


def test_backports_that_cannot_be_had_leave_nothing(shell, tmp_path):
    (tmp_path / "sources.list").write_text(ONE_LINE)
    assert shell("as_root() { \"$@\"; }; apt() { return 100; }; add_backports").returncode == 1
    assert not (tmp_path / "sources.list.d/perch-backports.sources").exists()
    (tmp_path / "sources.list").write_text("deb http://plain.invalid/debian trixie main\n")
    assert shell("add_backports").returncode == 1


APT = """have() { false; }
apt() {
    case $* in
    *--assume-no*) echo 'Need to get 1.5 MB/2 MB of archives.'
                   echo 'After this operation, 7 MB of additional disk space will be used.' ;;
    *) echo NOISE; case $* in *"$REFUSED"*) return 100 ;; esac ;;
    esac
}
"""


@pytest.mark.parametrize("refused, status", [("nothing", 0), ("ovmf", 1), ("update", 0)])
def test_apt_is_quiet_behind_a_line_a_group(shell, tmp_path, refused, status):
    done = shell(f"{APT} os_is() {{ false; }}; install_packages gdb gcc make ovmf qemu-system-x86",
                 BUILD=str(tmp_path), REFUSED=refused)
    lines = done.stdout.splitlines()
    assert done.returncode == status and "NOISE" not in lines and done.stderr == ""
    assert lines[0].startswith("perch: reading the lists of packages: ")
    if refused == "nothing":
        assert [line.rpartition(":")[0] for line in lines[1:]] == [
            f"perch: installing {words} (1.5 MB to fetch, 7 MB on disk)" for words in (
                "the build: gcc make", "QEMU: qemu-system-x86", "the boot image: ovmf",
                "the tests: gdb")]
    else:
        assert any("failed; the end of" in line for line in lines) and "    NOISE" in lines
    assert "NOISE" in (tmp_path / "apt.log").read_text()


def test_what_comes_into_etc_apt_is_said_before(shell, tmp_path):
    """By --no-install too, where nothing comes."""
    (tmp_path / "sources.list").write_text(ONE_LINE)
    needs = "os_is() { true; }; missing_for() { missing=(qemu-system-x86); }; unset PERCH_QEMU; "
    said = f"{tmp_path}/sources.list.d/perch-backports.sources will be added: the suite bookworm-bac"
    done = shell(needs + "install_packages() { echo NOW; ls $APT_ETC/sources.list.d; return 1; }; "
                 "install_for run ''", BUILD=str(tmp_path))
    assert done.returncode == 3 and done.stdout.index(said) < done.stdout.index("NOW\n")
    assert "backports" not in done.stdout.partition("NOW")[2]
    done = shell(needs + "install_for run 1", BUILD=str(tmp_path))
    assert done.returncode == 3 and "perch-backports.sources would be added" in done.stdout
    (tmp_path / "sources.list").write_text(ONE_LINE + "deb http://x.invalid/ bookworm-backports main\n")
    assert "added" not in shell(needs + "install_for run 1", BUILD=str(tmp_path)).stdout


def test_no_install_lists_what_is_missing_and_stops(tmp_path):
    for args in (["run", "--no-install"], ["--no-install", "run"]):
        done = subprocess.run([ROOT / "perch", *args], cwd=tmp_path, capture_output=True, text=True,
                              env=dict(os.environ, PERCH_QEMU="qemu-of-no-such-name"))
        assert done.returncode == 3
        assert done.stdout == "perch: missing packages: qemu-system-x86\n"


@pytest.mark.parametrize("debian, known, package", [
    (True, "", "clang-format\n"), (False, "Package: clang-format-14", "clang-format-14\n"),
    (False, "", "")])
def test_the_formatter_is_version_14_or_none(shell, debian, known, package):
    os_is = "true" if debian else "false"
    done = shell(f"os_is() {{ {os_is}; }}; apt-cache() {{ echo '{known}'; }}; format_package")
    assert done.stdout == package


def test_another_version_of_the_formatter_does_not_count(shell):
    for version, status in (("14.0.6", 0), ("19.1.7", 1)):
        done = shell("have() { false; }; clang-format() { echo 'clang-format version "
                     f"{version}'; }}; have_format")
        assert done.returncode == status


def test_help_fits_on_a_screen_and_unknown_words_are_refused(tmp_path):
    for args in ([], ["help"], ["--help"]):
        done = subprocess.run([ROOT / "perch", *args], cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == 0 and "./perch run" in done.stdout
        assert len(done.stdout.splitlines()) <= 24
    for args in (["fly"], ["run", "--colour", "red"], ["run", "--nodes"],
                 ["test", "nothing", "at all"]):
        assert subprocess.run([ROOT / "perch", *args], capture_output=True).returncode == 2


def test_no_host_name_is_written_in_the_scripts():
    """The mirror is the machine's own; nothing here names another one."""
    for path in [ROOT / "perch", *(ROOT / "tools").glob("*.sh")]:
        text = path.read_text(encoding="utf-8")
        assert "http://" not in text and "https://" not in text, path
