"""The first instructions, on CPUs that QEMU does not have: gdb changes what CPUID and MSRs answer.

And a refusal before there is a console. The code must run wherever a loader puts it, so each is tried
where the image is linked and at 64 MiB, where GRUB puts it (docs/adr/0023).
SPDX-License-Identifier: MIT
"""
import re
import shutil
import subprocess
import time

import pytest

import machine as machines
import qemu
from image_place import HIGH, LINKED, changed_iso, set_least
from screen import Screen

needs_gdb = pytest.mark.skipif(not shutil.which("gdb"), reason="no gdb here")
places = pytest.mark.parametrize("place", [LINKED, HIGH], ids=["linked", "high"])
SECONDS = 300
INTEL = "Skylake-Client,-hypervisor"  # under a hypervisor Perch leaves Intel's MSR alone
NX, XD_DISABLE, SEV = 1 << 20, 1 << (34 - 32), 1 << 1
NO_NX = "perch: this CPU has no NX bit, or the firmware disabled it"


def start(tmp_path, place, more, **what):
    """A QEMU, its log in tmp_path/log."""
    what.setdefault("firmware", "pvh-seabios" if place == LINKED else "bios")  # qboot sets no MTRRs
    the_machine = machines.Machine(name="entry", reason="entry code", mem="256M", **what)
    qemu.check_needs(the_machine)
    args = [*qemu.argv(the_machine, tmp_path), *more]
    if place != LINKED:
        args[args.index("-cdrom") + 1] = str(changed_iso(
            the_machine, tmp_path, set_least, f"exit=isa-debug {the_machine.append}"))
    with (tmp_path / "log").open("wb") as log:
        return subprocess.Popen(args, stdin=subprocess.DEVNULL, stdout=log)


def at(place, label):
    """gdb's word for a label of the 32-bit code."""
    return f"*((char *)&{label} + {place - LINKED})"


def debug(tmp_path, commands, place=LINKED, cpu=INTEL, cpus=2, stands=""):
    """(what gdb printed, the serial log, QEMU's status). stands: the label at which the run is ended."""
    # A busy host's QEMU may answer later than gdb's 2 s; gdb would go on without it.
    script = ["set pagination off", "set confirm off", "set tcp auto-retry on", f"set remotetimeout {SECONDS}",
              f"target remote {tmp_path}/gdb", *commands, "delete",
              *([f"hbreak {at(place, stands)}", "continue", "printf \"@stands %x %x %x\\n\", $rcx, $rax, $rdx",
                 "kill"] if stands else ["continue"])]
    vm = start(tmp_path, place, ["-S", "-chardev", f"socket,path={tmp_path}/gdb,server=on,wait=off,id=gdb",
                                 "-gdb", "chardev:gdb"], cpu=cpu, cpus=cpus, append="run=report end=halt")
    try:
        gdb = subprocess.run(["gdb", "-nx", "-batch", qemu.BUILD / "perch.elf",
                              *(word for line in script for word in ("-ex", line))],
                             stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=SECONDS)
        try:
            status = vm.wait(SECONDS)
        except subprocess.TimeoutExpired:
            pytest.fail(f"QEMU did not end; gdb said:\n{gdb.stdout}{gdb.stderr}")
    finally:
        vm.kill()
        vm.wait()
    text = (tmp_path / "log").read_text("utf-8", "replace").replace("\r", "")
    return gdb.stdout + gdb.stderr, text, status


def last_line(text):
    """GRUB writes to COM1 before Perch."""
    return text.rstrip("\n").rpartition("\n")[2]


@needs_gdb
@places
def test_nx_switched_off_in_setup(tmp_path, place):
    """On the boot CPU and on another one: CPUID hides NX until the MSR's bit is cleared."""
    said, log, status = debug(tmp_path, [
        f"hbreak {at(place, 'check_nx_cpuid')}", "continue", f"set $rax = $rax & ~{NX}",
        f"hbreak {at(place, 'check_nx_read')}", "continue", "printf \"@msr %x\\n\", $rcx",
        f"set $rdx = $rdx | {XD_DISABLE}",
        f"hbreak {at(place, 'check_nx_written')}", "continue", "printf \"@boot %x\\n\", $rdx",
        "hbreak smp_bring_up", "continue", "set $pa = ((struct smp_config *)$rdi)->trampoline_pa",
        "delete", "hbreak *($pa + ((char *)&trampoline_nx_cpuid - (char *)&trampoline_code))",
        "continue", f"set $rdx = $rdx & ~{NX}",
        "hbreak *($pa + ((char *)&trampoline_nx_read - (char *)&trampoline_code))", "continue",
        "printf \"@msr %x\\n\", $rcx", f"set $rdx = $rdx | {XD_DISABLE}", "stepi", "stepi",
        "printf \"@ap %x\\n\", $rdx"], place)
    assert re.findall("@msr (.*)", said) == ["1a0", "1a0"], said
    for cpu in ("boot", "ap"):
        values = re.findall(f"@{cpu} (.*)", said)
        assert values and not int(values[0], 16) & XD_DISABLE, said
    assert f"Perch is at [mem {place:#010x}-" in log
    assert "NX was switched off (IA32_MISC_ENABLE bit 34), and is on now" in log
    assert "smp: Brought up 1 node, 2 CPUs" in log and status == 33, log[-2000:]


@needs_gdb
@places
def test_no_nx_and_no_switch(tmp_path, place):
    """The bit is clear, and there is still no NX: refused."""
    said, log, status = debug(tmp_path, [
        f"hbreak {at(place, 'check_nx_cpuid')}", "continue", f"set $rax = $rax & ~{NX}",
        f"hbreak {at(place, 'check_nx_read')}", "continue", "printf \"@msr %x\\n\", $rcx"],
        place, cpu=INTEL + ",-nx", stands="boot_halt")
    assert "@msr 1a0" in said
    assert last_line(log) == NO_NX


@needs_gdb
@places
def test_an_exception_is_a_line(tmp_path, place):
    """UD2 in place of the first check; without a table of interrupts, QEMU would end with 0 and no line."""
    _, log, status = debug(tmp_path, [f"hbreak {at(place, 'check_cpu')}", "continue",
                                      "set *(unsigned short *)$pc = 0x0b0f"], place, cpu="max")
    assert last_line(log) == "perch: exception 06 in the first instructions" and status == 37, log[-1000:]


@needs_gdb
@places
def test_encrypted_registers(tmp_path, place):
    """SEV-ES: the first CPUID is vector 29 (here INT 29). Only a termination request by the GHCB's MSR is possible."""
    said, log, _ = debug(tmp_path, [f"hbreak {at(place, 'check_cpu')}", "continue",
                                    "set *(unsigned short *)$pc = 0x1dcd"], place, cpu="EPYC",
                         stands="fault_vmgexit")
    assert re.findall("@stands (.*)", said) == ["c0010130 100 0"], said
    assert "exception" not in log


@needs_gdb
def test_encrypted_guest(tmp_path):
    """SEV: CPUID and the MSR say so, and one line comes instead of a triple fault."""
    said, log, status = debug(tmp_path, [
        "hbreak check_sev_read", "continue", f"set $rax = $rax | {SEV}",
        "hbreak check_sev_status", "continue", "printf \"@msr %x\\n\", $rcx", "set $rax = $rax | 1"],
        cpu="EPYC,xlevel=0x8000001f")
    assert "@msr c0010131" in said
    assert log == "perch: encrypted guest (SEV): not supported, page tables have no C-bit\n"
    assert status == 37


@needs_gdb
def test_efer_is_written_whole(tmp_path):
    """SCE (bit 0), left on by a loader, is gone on all CPUs: 0xd00 is LMA, LME, NXE."""
    left = ("python gdb.set_convenience_variable('left', gdb.Value((0x1).to_bytes(8, 'little'), "
            "gdb.parse_and_eval('$efer').type))")
    said, _, status = debug(tmp_path, [
        "hbreak pvh_start32", "continue", left, "set $efer = $left",
        "printf \"@left %x\\n\", $efer", "delete",
        "hbreak stage_tsc", "continue", "thread 1", "printf \"@efer %x\\n\", $efer",
        "thread 2", "printf \"@efer %x\\n\", $efer", "thread 1"], cpu="max")
    assert re.findall("@left (.*)", said) == ["1"], said
    assert re.findall("@efer (.*)", said) == ["d00", "d00"], said
    assert status == 33


def monitor(screen, command):
    """The answer of QEMU's monitor, as a person would type it."""
    answer = screen.command("human-monitor-command", **{"command-line": command})
    return answer["return"]


@places
def test_a_refusal_is_on_the_screen(tmp_path, place):
    """On the frame buffer that GRUB has set up. `linked`: with no UART at all; `high`: on COM1 too, at 115200
    (divisor 1), although GRUB has not set a speed."""
    vm = start(tmp_path, place, Screen.args(tmp_path), cpus=1, cpu="max,-nx,-hypervisor",
               firmware="bios", console="screen" if place == LINKED else "uart", append="exit=off")
    try:
        for _ in range(100):
            if (tmp_path / "screen.sock").exists():
                break
            time.sleep(0.1)
        screen = Screen(tmp_path)
        page = screen.page(vm, SECONDS)
        assert page is not None, "nothing on the screen"
        assert page[0].strip() == "Perch: cannot start here"
        assert page[1] == NO_NX
        if place == HIGH:
            monitor(screen, "o /b 0x3fb 0x83")  # the divisor's registers
            assert [int(monitor(screen, f"i /b {port:#x}").split("=")[1], 16)
                    for port in (0x3f8, 0x3f9)] == [1, 0]
            assert last_line((tmp_path / "log").read_text("utf-8", "replace").replace("\r", "")) == NO_NX
    finally:
        vm.kill()
        vm.wait()


@needs_gdb
def test_no_init_to_oneself(tmp_path):
    """The MADT's CPUs are numbered with another boot CPU than the one that runs, as when the id was read before
    firmware's change of it showed. Then a record has the boot CPU's own id: an INIT there would stop the machine."""
    _, log, status = debug(tmp_path, [
        "hbreak numa_build", "continue", "set ((struct numa_input *)$rdi)->boot_apic_id = 1"], cpu="max",
        cpus=3)
    assert re.search(r"firmware bug: MADT: CPU \d has the boot CPU's id 0x00: left out", log), log[-3000:]
    assert "smp: Brought up 1 node, 2 CPUs" in log
    assert log.rstrip().endswith("perch: FAILED: 1 of 3 CPUs did not start") and status == 35, log[-3000:]


@needs_gdb
@places
def test_the_boot_cpus_id_comes_from_its_apic(tmp_path, place):
    """The register says 7 where CPUID says 0, as after firmware's change of it: 7 is what numbers the CPUs."""
    said, log, _ = debug(tmp_path, [
        "hbreak apic_own_id", "continue", "printf \"@cpuid %x\\n\", $rcx", "set $rsi = 0x07000000",
        "hbreak numa_build", "continue", "printf \"@boot %x\\n\", ((struct numa_input *)$rdi)->boot_apic_id"],
        place, cpu="max", stands="")
    assert re.findall("@cpuid (.*)", said) == ["0"], said
    assert re.findall("@boot (.*)", said) == ["7"], said
    assert "smp: the boot CPU's APIC id is 0x7, CPUID says 0x0" in log, log[-3000:]


@needs_gdb
@pytest.mark.parametrize("base, why", [(1 << 51, "beyond the CPU's physical addresses"),
                                       (LINKED, "that is Perch itself"), (0xfee00000, "that is the local APIC")])
def test_a_screen_where_none_can_be(tmp_path, base, why):
    """What the loader calls a frame buffer is refused at an address where no device is, and nothing is drawn there."""
    colours = ", ".join(f"$fb->{colour}.pos = {at}, $fb->{colour}.size = 8"
                        for colour, at in (("red", 16), ("green", 8), ("blue", 0)))
    _, log, status = debug(tmp_path, [
        "hbreak screen_init", "continue", "set $fb = &((struct boot_info *)$rdi)->fb",
        f"print $fb->kind = 1, $fb->base = {base}, $fb->pitch = 2560, $fb->width = 640, $fb->height = 480, "
        f"$fb->bytes = 4, {colours}"], cpu="max")
    assert f"console: screen: refused: {why}" in log, log[-3000:]
    assert "smp: Brought up 1 node, 2 CPUs" in log and status == 33, log[-3000:]
