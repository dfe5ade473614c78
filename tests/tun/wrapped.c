/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "wrapped.h"

#include <errno.h>
#include <unistd.h>

Wrapped wrapped;

gssize __real_read (int fd, void *data, size_t len);
gssize __wrap_read (int fd, void *data, size_t len);
gssize __real_writev (int fd, const struct iovec *pieces, int n);
gssize __wrap_writev (int fd, const struct iovec *pieces, int n);

gssize
__wrap_read (int     fd,
             void   *data,
             size_t  len)
{
  if (wrapped.n_bad_reads == 0)
    return __real_read (fd, data, len);
  wrapped.n_bad_reads--;
  errno = wrapped.read_error;
  return -1;
}

gssize
__wrap_writev (int                 fd,
               const struct iovec *pieces,
               int                 n)
{
  if (n > wrapped.n_pieces_max && wrapped.n_pieces_max > 0)
    {
      wrapped.n_refused++;
      errno = EINVAL;
      return -1;
    }
  wrapped.n_written++;
  return __real_writev (fd, pieces, n);
}
