/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "wrapped.h"

#include <errno.h>
#include <sys/socket.h>

Wrapped wrapped;

gssize __real_sendmsg (int fd, const struct msghdr *message, int flags);
gssize __wrap_sendmsg (int fd, const struct msghdr *message, int flags);
gssize __real_recvmsg (int fd, struct msghdr *message, int flags);
gssize __wrap_recvmsg (int fd, struct msghdr *message, int flags);
int    __real_setsockopt (int fd, int level, int option, const void *value, socklen_t len);
int    __wrap_setsockopt (int fd, int level, int option, const void *value, socklen_t len);

gssize
__wrap_sendmsg (int                  fd,
                const struct msghdr *message,
                int                  flags)
{
  gboolean is_train = message->msg_controllen > 0;
  int number = wrapped.refuse_all != 0 ? wrapped.refuse_all : is_train ? wrapped.refuse_trains : 0;

  if (number != 0 && wrapped.n_free > 0)
    wrapped.n_free--;
  else if (number != 0)
    {
      wrapped.n_refused++;
      errno = number;
      return -1;
    }
  wrapped.n_sends++;
  wrapped.n_trains += is_train ? 1 : 0;
  return __real_sendmsg (fd, message, flags);
}

gssize
__wrap_recvmsg (int            fd,
                struct msghdr *message,
                int            flags)
{
  if (wrapped.fail_receive != 0)
    {
      errno = wrapped.fail_receive;
      wrapped.fail_receive = 0;
      return -1;
    }
  return __real_recvmsg (fd, message, flags);
}

int
__wrap_setsockopt (int         fd,
                   int         level,
                   int         option,
                   const void *value,
                   socklen_t   len)
{
  if (level == SOL_SOCKET && option == wrapped.refuse_option && len == sizeof wrapped.set_option)
    {
      wrapped.set_option = *(const int *) value;
      errno = EPERM;
      return -1;
    }
  return __real_setsockopt (fd, level, option, value, len);
}
