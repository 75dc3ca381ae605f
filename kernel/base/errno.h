/*
 * The error numbers Perch returns (negated), with the values they have on Linux.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_BASE_ERRNO_H
#define PERCH_BASE_ERRNO_H

/* A hosted test may have included <errno.h>, which has the same values. */
#ifndef ENOENT
#define ENOENT    2   /* not found */
#define EIO       5   /* the device answered nonsense */
#define ENOMEM    12  /* no memory */
#define EFAULT    14  /* bad address */
#define EBUSY     16  /* in use */
#define EEXIST    17  /* exists already */
#define ENODEV    19  /* no such device */
#define EINVAL    22  /* bad argument */
#define ENOSPC    28  /* no room in a table */
#define ERANGE    34  /* out of range */
#define EOVERFLOW 75  /* arithmetic would wrap */
#define ETIMEDOUT 110 /* deadline passed */
#endif

#endif
