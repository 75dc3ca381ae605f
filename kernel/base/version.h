/*
 * Which Perch this is: constant texts, printable ASCII without quotes and backslashes.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_BASE_VERSION_H
#define PERCH_BASE_VERSION_H

/* The source tree, by `git describe --always --dirty`, or "unknown". */
extern const char perch_version[];

/* The compiler and its version. */
extern const char perch_compiler[];

#endif
