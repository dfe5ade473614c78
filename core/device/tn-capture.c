/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-capture.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tn-pcapng.h"

#define BUFFER_MAX (4u << 20)
#define CLOSE_MAX_US (2 * G_USEC_PER_SEC)      /* for a disk, or the reader of a pipe, to take what is left */

struct _TnCapture
{
  gatomicrefcount ref_count;      /* of the owner and the thread */
  char           *path;
  int             fd;
  GMutex          lock;           /* guards what follows */
  GCond           changed;
  GByteArray     *buffer;
  guint64         n_lost;         /* packets there was no room for */
  gboolean        closed;
  gboolean        written;        /* the thread is done */
};

static void
capture_unref (TnCapture *capture)
{
  if (!g_atomic_ref_count_dec (&capture->ref_count))
    return;
  if (capture->n_lost > 0)
    g_message ("capture: %" G_GUINT64_FORMAT " packets are not in %s, which could not be written as fast", capture->n_lost, capture->path);
  g_close (capture->fd, NULL);
  g_byte_array_unref (capture->buffer);
  g_mutex_clear (&capture->lock);
  g_cond_clear (&capture->changed);
  g_free (capture->path);
  g_free (capture);
}

/* Returns 0 or errno. */
static int
write_all (int           fd,
           const guint8 *data,
           gsize         len)
{
  while (len > 0)
    {
      gssize n = write (fd, data, len);

      if (n < 0 && errno == EINTR)
        continue;
      if (n < 0)
        return errno;
      data += n;
      len -= (gsize) n;
    }
  return 0;
}

/* Whether there is more to come; what has been added until now changes places with @spare. */
static gboolean
wait_for_packets (TnCapture   *capture,
                  GByteArray **spare)
{
  GByteArray *taken;
  gboolean more;

  g_mutex_lock (&capture->lock);
  while (capture->buffer->len == 0 && !capture->closed)
    g_cond_wait (&capture->changed, &capture->lock);
  taken = capture->buffer;
  capture->buffer = *spare;
  *spare = taken;
  more = !capture->closed;
  g_mutex_unlock (&capture->lock);
  return more;
}

static gpointer
write_thread (gpointer data)
{
  TnCapture *capture = data;
  g_autoptr (GByteArray) spare = g_byte_array_new ();
  gboolean more = TRUE;
  int problem = 0;
  sigset_t pipe;

  /* A pipe whose reader has left is an error like others. */
  sigemptyset (&pipe);
  sigaddset (&pipe, SIGPIPE);
  pthread_sigmask (SIG_BLOCK, &pipe, NULL);
  while (more)
    {
      more = wait_for_packets (capture, &spare);
      if (problem == 0 && (problem = write_all (capture->fd, spare->data, spare->len)) != 0)
        g_message ("capture: cannot write %s: %s", capture->path, g_strerror (problem));
      g_byte_array_set_size (spare, 0);
    }

  g_mutex_lock (&capture->lock);
  capture->written = TRUE;
  g_cond_signal (&capture->changed);
  g_mutex_unlock (&capture->lock);
  capture_unref (capture);
  return NULL;
}

/* A pipe that nobody reads is refused; one that somebody reads may be slow. Returns 0 or errno. */
static int
open_file (const char *path,
           int        *fd)
{
  guint8 head[TN_PCAPNG_HEAD_LEN];
  struct stat status;
  int flags;

  *fd = g_open (path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0600);
  if (*fd < 0)
    return errno;
  if (fstat (*fd, &status) == 0 && S_ISREG (status.st_mode))      /* it may have been there, and be open to others */
    fchmod (*fd, 0600);
  flags = fcntl (*fd, F_GETFL);
  if (flags < 0 || fcntl (*fd, F_SETFL, flags & ~O_NONBLOCK) < 0)
    return errno;
  tn_pcapng_write_head (head);
  return write_all (*fd, head, sizeof head);
}

TnCapture *
tn_capture_new (const char  *path,
                GError     **error)
{
  int fd, problem = open_file (path, &fd);
  TnCapture *capture;

  if (problem != 0)
    {
      g_set_error (error, G_IO_ERROR, (int) g_io_error_from_errno (problem), "cannot write packets to %s: %s", path, g_strerror (problem));
      if (fd >= 0)
        g_close (fd, NULL);
      return NULL;
    }
  capture = g_new0 (TnCapture, 1);
  g_atomic_ref_count_init (&capture->ref_count);
  g_atomic_ref_count_inc (&capture->ref_count);
  capture->path = g_strdup (path);
  capture->fd = fd;
  capture->buffer = g_byte_array_new ();
  g_mutex_init (&capture->lock);
  g_cond_init (&capture->changed);
  g_thread_unref (g_thread_new ("tailnet-capture", write_thread, capture));
  return capture;
}

void
tn_capture_add (TnCapture    *capture,
                gboolean      inbound,
                const char   *comment,
                const guint8 *packet,
                gsize         len)
{
  guint block_len = (guint) tn_pcapng_block_len (len, comment);
  guint before;

  g_mutex_lock (&capture->lock);
  before = capture->buffer->len;
  if (before + block_len > BUFFER_MAX)
    capture->n_lost++;
  else
    {
      g_byte_array_set_size (capture->buffer, before + block_len);
      tn_pcapng_write_packet (capture->buffer->data + before, g_get_real_time (), inbound, comment, packet, len);
      g_cond_signal (&capture->changed);
    }
  g_mutex_unlock (&capture->lock);
}

void
tn_capture_close (TnCapture *capture)
{
  gint64 until_us = g_get_monotonic_time () + CLOSE_MAX_US;

  g_mutex_lock (&capture->lock);
  capture->closed = TRUE;
  g_cond_signal (&capture->changed);
  while (!capture->written && g_cond_wait_until (&capture->changed, &capture->lock, until_us))
    ;
  g_mutex_unlock (&capture->lock);
  capture_unref (capture);
}
