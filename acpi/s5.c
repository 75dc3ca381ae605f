/*
 * Searches AML bytes for the _S5_ package; see s5.h.
 * SPDX-License-Identifier: MIT
 */
#include "acpi/s5.h"

#include "acpi/reader.h"
#include "acpi/tables.h"
#include "kernel/base/errno.h"
#include "kernel/base/string.h"

/* AML byte codes, ACPI 6.5, 20.2.2 to 20.2.5. */
enum {
    AML_ZERO = 0x00,
    AML_ONE = 0x01,
    AML_NAME = 0x08,
    AML_BYTE = 0x0a,
    AML_WORD = 0x0b,
    AML_DWORD = 0x0c,
    AML_QWORD = 0x0e,
    AML_PACKAGE = 0x12,
    AML_ONES = 0xff,
};

struct cursor {
    struct acpi_bytes b;
    size_t pos;
};

static bool take(struct cursor *c, u8 *out)
{
    return acpi_read(c->b, c->pos, out, 1) && ++c->pos;
}

/* PkgLength (20.2.4): 1 to 4 bytes; it counts itself. Cuts the cursor's bytes to the package. */
static bool enter_package(struct cursor *c)
{
    size_t start = c->pos, length;
    u8 lead, next;

    if (!take(c, &lead))
        return false;
    length = lead >> 6 ? lead & 0x0f : lead & 0x3f;
    for (u32 i = 0; i < lead >> 6; i++) {
        if (!take(c, &next))
            return false;
        length |= (size_t)next << (4 + 8 * i);
    }
    if (length < c->pos - start || length > c->b.len - start)
        return false;
    c->b.len = start + length;
    return true;
}

/* An integer constant (20.2.3), of which a sleep type is the low 3 bits. */
static bool take_sleep_type(struct cursor *c, u8 *out)
{
    u8 op, size;

    if (!take(c, &op))
        return false;
    switch (op) {
    case AML_ZERO:
    case AML_ONE:
        *out = op;
        return true;
    case AML_ONES:
        *out = 7;
        return true;
    case AML_BYTE:
        size = 1;
        break;
    case AML_WORD:
        size = 2;
        break;
    case AML_DWORD:
        size = 4;
        break;
    case AML_QWORD:
        size = 8;
        break;
    default:
        return false;
    }
    if (!take(c, out) || size - 1u > c->b.len - c->pos)
        return false;
    *out &= 7;
    c->pos += size - 1u;
    return true;
}

/* c is behind the name; a package of at least one integer must follow. */
static bool parse_package(struct cursor c, u8 *a, u8 *b)
{
    u8 op, elements;

    if (!take(&c, &op) || op != AML_PACKAGE || !enter_package(&c) || !take(&c, &elements))
        return false;
    if (elements == 0 || !take_sleep_type(&c, a))
        return false;
    if (elements == 1) {
        *b = *a;
        return true;
    }
    return take_sleep_type(&c, b);
}

/* True: NameOp, or NameOp and the root prefix, is in front of offset at. */
static bool named_here(struct acpi_bytes b, size_t at)
{
    if (b.data[at - 1] == AML_NAME)
        return true;
    return b.data[at - 1] == '\\' && b.data[at - 2] == AML_NAME;
}

int acpi_find_s5(const u8 *dsdt, size_t len, u8 *slp_typa, u8 *slp_typb)
{
    struct acpi_bytes b = {dsdt, len};
    u8 a, c;

    for (size_t at = sizeof(struct acpi_header) + 1; at + 4 <= len; at++) {
        if (memcmp(dsdt + at, "_S5_", 4) != 0 || !named_here(b, at))
            continue;
        if (!parse_package((struct cursor){b, at + 4}, &a, &c))
            continue;
        *slp_typa = a;
        *slp_typb = c;
        return 0;
    }
    return -ENOENT;
}
