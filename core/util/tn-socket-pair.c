/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-socket-pair.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#define BACKLOG 16
#define WAIT_MS 10      /* the other end is there at once, unless the machine is very busy or somebody is in the way */

/* The connection that comes from @own. Anybody on this host may have been faster, or take all the room there is: then it does not come
 * in time. -1: it does not. */
static int
accept_own (int                       listener,
            const struct sockaddr_in *own)
{
  struct pollfd poll_fd = { .fd = listener, .events = POLLIN };

  for (guint i = 0; i <= BACKLOG && poll (&poll_fd, 1, WAIT_MS) == 1; i++)
    {
      struct sockaddr_in other;
      socklen_t len = sizeof other;
      int fd = accept4 (listener, (struct sockaddr *) &other, &len, SOCK_CLOEXEC | SOCK_NONBLOCK);

      if (fd >= 0 && other.sin_port == own->sin_port && other.sin_addr.s_addr == own->sin_addr.s_addr)
        return fd;
      if (fd >= 0)
        close (fd);
    }
  return -1;
}

static gboolean
make_loopback_pair (int fds[2])
{
  struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr = { htonl (INADDR_LOOPBACK) } };
  struct sockaddr_in own;
  socklen_t len = sizeof address, own_len = sizeof own;
  int listener = socket (AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  int on = 1;

  fds[0] = -1;
  fds[1] = socket (AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (listener >= 0 && fds[1] >= 0 && bind (listener, (struct sockaddr *) &address, sizeof address) == 0 &&
      listen (listener, BACKLOG) == 0 && getsockname (listener, (struct sockaddr *) &address, &len) == 0 &&
      (connect (fds[1], (struct sockaddr *) &address, sizeof address) == 0 || errno == EINPROGRESS) &&
      getsockname (fds[1], (struct sockaddr *) &own, &own_len) == 0)
    fds[0] = accept_own (listener, &own);
  if (listener >= 0)
    close (listener);
  if (fds[0] < 0)
    {
      if (fds[1] >= 0)
        close (fds[1]);
      return FALSE;
    }
  setsockopt (fds[0], IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  setsockopt (fds[1], IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  return TRUE;
}

gboolean
tn_socket_pair_new (int      fds[2],
                    GError **error)
{
  int saved_errno;

  if (make_loopback_pair (fds) || socketpair (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds) == 0)
    return TRUE;
  saved_errno = errno;
  g_set_error (error, G_IO_ERROR, (int) g_io_error_from_errno (saved_errno), "cannot make a pair of sockets: %s",
               g_strerror (saved_errno));
  return FALSE;
}
