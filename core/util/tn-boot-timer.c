/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-boot-timer.h"

#include <errno.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

typedef struct
{
  GSource  parent;
  int      fd;
  gint64   deadline_us;
} BootTimer;

gint64
tn_boot_time_us (void)
{
  struct timespec now;

  clock_gettime (CLOCK_BOOTTIME, &now);
  return (gint64) now.tv_sec * G_USEC_PER_SEC + now.tv_nsec / 1000;
}

static gboolean
boot_timer_dispatch (GSource     *source,
                     GSourceFunc  callback,
                     gpointer     user_data)
{
  BootTimer *timer = (BootTimer *) source;
  guint64 expirations;

  if (read (timer->fd, &expirations, sizeof expirations) < 0)
    return G_SOURCE_CONTINUE;      /* set again meanwhile */

  timer->deadline_us = G_MAXINT64;
  return callback == NULL || callback (user_data);
}

static void
boot_timer_finalize (GSource *source)
{
  BootTimer *timer = (BootTimer *) source;

  if (timer->fd >= 0)
    close (timer->fd);
}

static GSourceFuncs boot_timer_funcs = {
  .dispatch = boot_timer_dispatch,
  .finalize = boot_timer_finalize,
};

GSource *
tn_boot_timer_source_new (void)
{
  GSource *source = g_source_new (&boot_timer_funcs, sizeof (BootTimer));
  BootTimer *timer = (BootTimer *) source;

  timer->deadline_us = G_MAXINT64;
  timer->fd = timerfd_create (CLOCK_BOOTTIME, TFD_CLOEXEC | TFD_NONBLOCK);
  if (timer->fd < 0)
    g_warning ("cannot make a timer: %s", g_strerror (errno));
  else
    g_source_add_unix_fd (source, timer->fd, G_IO_IN);
  return source;
}

void
tn_boot_timer_set (GSource *source,
                   gint64   deadline_us)
{
  BootTimer *timer = (BootTimer *) source;
  struct itimerspec when = { 0 };

  if (deadline_us == timer->deadline_us || timer->fd < 0)
    return;

  timer->deadline_us = deadline_us;
  if (deadline_us != G_MAXINT64)
    {
      deadline_us = MAX (deadline_us, 1);      /* zero would disarm it; the past fires at once */
      when.it_value.tv_sec = deadline_us / G_USEC_PER_SEC;
      when.it_value.tv_nsec = deadline_us % G_USEC_PER_SEC * 1000;
    }
  timerfd_settime (timer->fd, TFD_TIMER_ABSTIME, &when, NULL);
}
