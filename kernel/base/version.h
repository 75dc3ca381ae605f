/*
 * Which Perch this is: constant texts, printable ASCII without quotes and backslashes.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_BASE_VERSION_H
#define PERCH_BASE_VERSION_H

/* The tree it was built from, as `git describe --always --dirty` names it; else "unknown". */
extern const char perch_version[];

/* The compiler and its version. */
extern const char perch_compiler[];

#endif
