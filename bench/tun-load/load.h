/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* Traffic through whatever lies between two hosts, and what came of it at the far end: bench/tun has this program at both ends.
 *
 * A client says by one letter what a connection is for. For LOAD_DATAGRAMS the server names a port, and counts what comes there until the
 * client ends its direction. Numbers are of the machine that both run on. */
typedef enum
{
  LOAD_STREAM = 's',
  LOAD_ECHO = 'e',
  LOAD_DATAGRAMS = 'd',
} LoadVerb;

typedef struct
{
  guint64 count;      /* bytes of a stream, or datagrams */
  guint64 time_ns;    /* from the first to the last */
} LoadReport;

#define LOAD_BUFFER_LEN (256 << 10)

/* Each ends the program where the system refuses what it needs. */
void     load_die   (const char *what) G_GNUC_NORETURN;
guint64  load_now   (void);
gboolean load_read  (int fd, void *data, gsize len);     /* all of it; FALSE: the end came first */
void     load_write (int fd, const void *data, gsize len);

void     load_serve     (const char *address, guint16 port) G_GNUC_NORETURN;
void     load_streams   (const char *host, guint16 port, guint n_streams, double seconds);
void     load_datagrams (const char *host, guint16 port, guint size, double seconds);
void     load_pingpong  (const char *host, guint16 port, double seconds);

/* Turns features of a network interface on or off by the names that ethtool has for them: "tx-udp-segmentation=off". */
void     load_set_feature (const char *interface, const char *setting);
