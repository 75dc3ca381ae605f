/*
 * The end of the story: tests, benchmarks, verdict, and the end of the run as the command line
 * wants it.
 * Boot CPU.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_APP_FINISH_H
#define PERCH_APP_FINISH_H

#include "kernel/app/boot_state.h"

/* Tells the end of the run what is known so far; again whenever more is. */
void finish_arm(struct boot_state *s);

/* The boot tables are gone: registers in memory that the end may need get their own addresses. */
void finish_map(struct boot_state *s);

/* Does what run= asks for, and ends. */
void finish(struct boot_state *s) NORETURN;

#endif
