/*
 * The machine's CPUs; see cpus.h.
 * SPDX-License-Identifier: MIT
 */
#include "smp/start/cpus.h"

struct cpumap cpu_map;
