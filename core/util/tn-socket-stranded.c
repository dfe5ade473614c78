/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-socket-stranded.h"

#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

gboolean
tn_socket_is_stranded (GSocket *connected)
{
  union { struct sockaddr any; struct sockaddr_in v4; struct sockaddr_in6 v6; } local = { 0 };
  socklen_t len = sizeof local;
  gboolean stranded;
  int trial;

  if (getsockname (g_socket_get_fd (connected), &local.any, &len) < 0)
    return FALSE;
  if (local.any.sa_family == AF_INET)
    local.v4.sin_port = 0;
  else if (local.any.sa_family == AF_INET6)
    local.v6.sin6_port = 0;
  else
    return FALSE;

  /* Whoever may bind to an address has it. */
  trial = socket (local.any.sa_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (trial < 0)
    return FALSE;
  stranded = bind (trial, &local.any, len) < 0 && errno == EADDRNOTAVAIL;
  close (trial);
  return stranded;
}
