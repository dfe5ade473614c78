/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "load.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define STREAMS_MAX 64
#define ROUNDS_MAX  (1 << 20)

typedef struct
{
  int        fd;
  guint64    end_ns;
  LoadReport report;
} Stream;

static int
connect_to (const char *host,
            guint16     port,
            int         type)
{
  struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons (port) };
  int fd = socket (AF_INET, type, 0);

  if (inet_pton (AF_INET, host, &address.sin_addr) != 1 || fd < 0 || connect (fd, (struct sockaddr *) &address, sizeof address) < 0)
    load_die ("connect");
  return fd;
}

static int
call (const char *host,
      guint16     port,
      LoadVerb    verb)
{
  int fd = connect_to (host, port, SOCK_STREAM);
  guint8 letter = (guint8) verb;
  int one = 1;

  setsockopt (fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  load_write (fd, &letter, 1);
  return fd;
}

static void
finish (int         fd,
        LoadReport *report)
{
  shutdown (fd, SHUT_WR);
  if (!load_read (fd, report, sizeof *report))
    load_die ("the server ended");
  close (fd);
}

static guint64
from_now (double seconds)
{
  return load_now () + (guint64) (seconds * 1e9);
}

static gpointer
fill_stream (gpointer data)
{
  g_autofree guint8 *buffer = g_malloc0 (LOAD_BUFFER_LEN);
  Stream *stream = data;

  while (load_now () < stream->end_ns)
    load_write (stream->fd, buffer, LOAD_BUFFER_LEN);
  finish (stream->fd, &stream->report);
  return NULL;
}

void
load_streams (const char *host,
              guint16     port,
              guint       n_streams,
              double      seconds)
{
  GThread *threads[STREAMS_MAX];
  Stream streams[STREAMS_MAX];
  guint64 bytes = 0, time_ns = 1;

  n_streams = MIN (n_streams, STREAMS_MAX);
  for (guint i = 0; i < n_streams; i++)
    streams[i] = (Stream) { .fd = call (host, port, LOAD_STREAM), .end_ns = from_now (seconds) };
  for (guint i = 0; i < n_streams; i++)
    threads[i] = g_thread_new ("stream", fill_stream, &streams[i]);
  for (guint i = 0; i < n_streams; i++)
    {
      g_thread_join (threads[i]);
      bytes += streams[i].report.count;
      time_ns = MAX (time_ns, streams[i].report.time_ns);
    }
  g_print ("{\"bytes\": %" G_GUINT64_FORMAT ", \"bits_per_second\": %.0f}\n", bytes, (double) bytes * 8e9 / (double) time_ns);
}

/* As fast as the kernel takes them, one a call. */
void
load_datagrams (const char *host,
                guint16     port,
                guint       size,
                double      seconds)
{
  guint64 end_ns = from_now (seconds), sink_port = 0, n_sent = 0;
  int fd = call (host, port, LOAD_DATAGRAMS);
  guint8 bytes[2048] = { 0 };
  LoadReport report;
  int sink;

  if (!load_read (fd, &sink_port, sizeof sink_port))
    load_die ("the server ended");
  sink = connect_to (host, (guint16) sink_port, SOCK_DGRAM);
  while (load_now () < end_ns)
    if (send (sink, bytes, MIN (size, sizeof bytes), 0) >= 0)
      n_sent++;
  finish (fd, &report);
  close (sink);
  g_print ("{\"sent\": %" G_GUINT64_FORMAT ", \"received\": %" G_GUINT64_FORMAT ", \"packets_per_second\": %.0f}\n", n_sent, report.count,
           (double) report.count * 1e9 / (double) MAX (report.time_ns, 1));
}

static int
compare (gconstpointer a,
         gconstpointer b)
{
  guint32 left = *(const guint32 *) a, right = *(const guint32 *) b;

  return left < right ? -1 : left > right;
}

void
load_pingpong (const char *host,
               guint16     port,
               double      seconds)
{
  g_autofree guint32 *rounds_ns = g_new (guint32, ROUNDS_MAX);
  int fd = call (host, port, LOAD_ECHO);
  guint64 end_ns = from_now (seconds);
  guint8 byte = 0;
  guint n = 0;

  while (n < ROUNDS_MAX && (n == 0 || load_now () < end_ns))
    {
      guint64 begin_ns = load_now ();

      load_write (fd, &byte, 1);
      if (!load_read (fd, &byte, 1))
        load_die ("the server ended");
      rounds_ns[n++] = (guint32) (load_now () - begin_ns);
    }
  close (fd);
  qsort (rounds_ns, n, sizeof *rounds_ns, compare);
  g_print ("{\"rounds\": %u, \"p50_us\": %.2f, \"p99_us\": %.2f}\n", n, rounds_ns[n / 2] / 1e3, rounds_ns[n * 99ull / 100] / 1e3);
}
