"""A race that TSan finds ends a program started by tsan_run.py with a status other than 0.

SPDX-License-Identifier: MIT
"""
import subprocess

import pytest

import tsan_run

SOURCE = """
#include <pthread.h>
static int n;
static void *add(void *arg) { (void)arg; for (int i = 0; i < 1000; i++) ADD; return 0; }
int main(void)
{
    pthread_t t[2];
    for (int i = 0; i < 2; i++) pthread_create(&t[i], 0, add, 0);
    for (int i = 0; i < 2; i++) pthread_join(t[i], 0);
    return 0;
}
"""


@pytest.mark.parametrize("add, status", [("n++", 66), ("__atomic_fetch_add(&n, 1, 0)", 0)])
def test_a_race_is_a_failure(tmp_path, add, status):
    source, program = tmp_path / "race.c", tmp_path / "race"
    source.write_text(SOURCE, "utf-8")
    subprocess.run(["gcc", "-O1", "-g", "-fsanitize=thread", f"-DADD={add}", "-o", program, source],
                   check=True)
    assert subprocess.run(tsan_run.command(program), capture_output=True,
                          check=False).returncode == status
