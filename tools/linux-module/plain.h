/*
 * Included by force before each of our sources in the module, after a header of Linux that its
 * build includes too: takes back the words that are macros there and attributes here.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_LINUX_MODULE_PLAIN_H
#define PERCH_LINUX_MODULE_PLAIN_H

#undef noinline
#undef fallthrough

#endif
