/*
 * Which Perch this is. The Makefile defines PERCH_VERSION for this file alone.
 * SPDX-License-Identifier: MIT
 */
#include "kernel/base/version.h"

#ifdef __clang__
#define COMPILER "" /* its version begins with its name */
#else
#define COMPILER "gcc "
#endif

const char perch_version[] = PERCH_VERSION;
const char perch_compiler[] = COMPILER __VERSION__;
