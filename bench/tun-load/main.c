/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "load.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

/* Descriptors here block: what they do not take now, they wait with. */

void
load_die (const char *what)
{
  g_printerr ("tun-load: %s: %s\n", what, g_strerror (errno));
  exit (1);
}

guint64
load_now (void)
{
  struct timespec now;

  clock_gettime (CLOCK_MONOTONIC, &now);
  return (guint64) now.tv_sec * 1000000000u + (guint64) now.tv_nsec;
}

gboolean
load_read (int    fd,
           void  *data,
           gsize  len)
{
  guint8 *at = data;

  while (len > 0)
    {
      gssize n = read (fd, at, len);

      if (n <= 0)
        return FALSE;
      at += n;
      len -= (gsize) n;
    }
  return TRUE;
}

void
load_write (int         fd,
            const void *data,
            gsize       len)
{
  const guint8 *at = data;

  while (len > 0)
    {
      gssize n = write (fd, at, len);

      if (n < 0)
        load_die ("write");
      at += n;
      len -= (gsize) n;
    }
}

static void
usage (void)
{
  g_printerr ("usage: tun-load serve ADDRESS PORT\n"
              "       tun-load streams HOST PORT SECONDS NUMBER\n"
              "       tun-load datagrams HOST PORT SECONDS SIZE\n"
              "       tun-load pingpong HOST PORT SECONDS\n"
              "       tun-load feature INTERFACE NAME=on|off...\n");
  exit (2);
}

static guint
number (const char *text)
{
  return (guint) g_ascii_strtoull (text, NULL, 10);
}

int
main (int    argc,
      char **argv)
{
  const char *verb = argc >= 4 ? argv[1] : "";
  double seconds = argc >= 5 ? g_ascii_strtod (argv[4], NULL) : 0;

  signal (SIGPIPE, SIG_IGN);
  if (g_str_equal (verb, "serve"))
    load_serve (argv[2], (guint16) number (argv[3]));
  else if (g_str_equal (verb, "streams") && argc == 6)
    load_streams (argv[2], (guint16) number (argv[3]), number (argv[5]), seconds);
  else if (g_str_equal (verb, "datagrams") && argc == 6)
    load_datagrams (argv[2], (guint16) number (argv[3]), number (argv[5]), seconds);
  else if (g_str_equal (verb, "pingpong") && argc == 5)
    load_pingpong (argv[2], (guint16) number (argv[3]), seconds);
  else if (g_str_equal (verb, "feature"))
    for (int i = 3; i < argc; i++)
      load_set_feature (argv[2], argv[i]);
  else
    usage ();
  return 0;
}
