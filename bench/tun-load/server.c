/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "load.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#define BURST 64

static void
take_stream (int fd)
{
  g_autofree guint8 *buffer = g_malloc (LOAD_BUFFER_LEN);
  LoadReport report = { 0 };
  guint64 begin_ns = 0;
  gssize n;

  while ((n = read (fd, buffer, LOAD_BUFFER_LEN)) > 0)
    {
      if (report.count == 0)
        begin_ns = load_now ();
      report.count += (guint64) n;
    }
  report.time_ns = load_now () - begin_ns;
  load_write (fd, &report, sizeof report);
}

static void
echo (int fd)
{
  guint8 byte;

  while (load_read (fd, &byte, 1))
    load_write (fd, &byte, 1);
}

/* At the address that the connection came to. Also tells the port. */
static int
bind_beside (int      fd,
             guint64 *port)
{
  struct sockaddr_in address;
  socklen_t len = sizeof address;
  int room = 8 << 20;
  int sink;

  if (getsockname (fd, (struct sockaddr *) &address, &len) < 0)
    load_die ("getsockname");
  address.sin_port = 0;
  sink = socket (AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
  if (sink < 0 || bind (sink, (struct sockaddr *) &address, sizeof address) < 0 ||
      getsockname (sink, (struct sockaddr *) &address, &len) < 0)
    load_die ("socket for datagrams");
  if (setsockopt (sink, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof room) < 0)
    setsockopt (sink, SOL_SOCKET, SO_RCVBUF, &room, sizeof room);
  *port = ntohs (address.sin_port);
  return sink;
}

static void
count_datagrams (int         sink,
                 LoadReport *report,
                 guint64    *begin_ns)
{
  static guint8 bytes[BURST][2048];
  struct mmsghdr messages[BURST] = { 0 };
  struct iovec pieces[BURST];
  int n;

  for (guint i = 0; i < BURST; i++)
    {
      pieces[i] = (struct iovec) { bytes[i], sizeof bytes[i] };
      messages[i].msg_hdr = (struct msghdr) { .msg_iov = &pieces[i], .msg_iovlen = 1 };
    }
  n = recvmmsg (sink, messages, BURST, MSG_DONTWAIT, NULL);
  if (n <= 0)
    return;
  if (report->count == 0)
    *begin_ns = load_now ();
  report->count += (guint) n;
  report->time_ns = load_now () - *begin_ns;
}

static void
take_datagrams (int fd)
{
  LoadReport report = { 0 };
  guint64 begin_ns = 0;
  guint64 port;
  int sink = bind_beside (fd, &port);
  struct pollfd fds[] = { { .fd = sink, .events = POLLIN }, { .fd = fd, .events = POLLIN } };

  load_write (fd, &port, sizeof port);
  while (poll (fds, G_N_ELEMENTS (fds), -1) > 0 && fds[1].revents == 0)
    count_datagrams (sink, &report, &begin_ns);
  load_write (fd, &report, sizeof report);
  close (sink);
}

static gpointer
serve_one (gpointer data)
{
  int fd = GPOINTER_TO_INT (data);
  guint8 verb;

  if (load_read (fd, &verb, 1))
    {
      if (verb == LOAD_STREAM)
        take_stream (fd);
      else if (verb == LOAD_ECHO)
        echo (fd);
      else if (verb == LOAD_DATAGRAMS)
        take_datagrams (fd);
    }
  close (fd);
  return NULL;
}

void
load_serve (const char *address,
            guint16     port)
{
  struct sockaddr_in own = { .sin_family = AF_INET, .sin_port = htons (port) };
  int listener = socket (AF_INET, SOCK_STREAM, 0);
  int one = 1;

  inet_pton (AF_INET, address, &own.sin_addr);
  setsockopt (listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  if (listener < 0 || bind (listener, (struct sockaddr *) &own, sizeof own) < 0 || listen (listener, 16) < 0)
    load_die ("listen");
  g_print ("ready\n");
  while (TRUE)
    {
      int fd = accept (listener, NULL, NULL);

      if (fd < 0)
        load_die ("accept");
      setsockopt (fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
      g_thread_unref (g_thread_new ("load", serve_one, GINT_TO_POINTER (fd)));
    }
}
