/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-clock-watch.h"

#include <errno.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "tn-boot-timer.h"

#define SLEPT_MIN_US (G_USEC_PER_SEC / 2)
#define NEVER_S      G_GINT64_CONSTANT (9000000000)      /* the year 2255: the kernel's nanoseconds end in 2262 */

typedef struct
{
  GSource parent;
  int     fd;
  gint64  asleep_us;      /* how long the machine has been, since it started */
} ClockWatch;

static gint64
asleep_us (void)
{
  return tn_boot_time_us () - g_get_monotonic_time ();
}

/* timerfd_create(2): a timer of the far future that is cancelled when the clock jumps. Linux cancels it on resume as well. */
static void
arm (ClockWatch *watch)
{
  const struct itimerspec never = { .it_value = { .tv_sec = (time_t) NEVER_S } };

  timerfd_settime (watch->fd, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &never, NULL);
}

static gboolean
clock_watch_dispatch (GSource     *source,
                      GSourceFunc  callback,
                      gpointer     user_data)
{
  ClockWatch *watch = (ClockWatch *) source;
  gint64 before_us = watch->asleep_us;
  guint64 expirations;

  if (read (watch->fd, &expirations, sizeof expirations) < 0 && errno != ECANCELED)
    return G_SOURCE_CONTINUE;

  arm (watch);
  watch->asleep_us = asleep_us ();
  return callback == NULL || ((TnClockWatchFunc) (void (*) (void)) callback) (watch->asleep_us - before_us >= SLEPT_MIN_US, user_data);
}

static void
clock_watch_finalize (GSource *source)
{
  ClockWatch *watch = (ClockWatch *) source;

  if (watch->fd >= 0)
    close (watch->fd);
}

static GSourceFuncs clock_watch_funcs = {
  .dispatch = clock_watch_dispatch,
  .finalize = clock_watch_finalize,
};

GSource *
tn_clock_watch_source_new (void)
{
  GSource *source = g_source_new (&clock_watch_funcs, sizeof (ClockWatch));
  ClockWatch *watch = (ClockWatch *) source;

  watch->asleep_us = asleep_us ();
  watch->fd = timerfd_create (CLOCK_REALTIME, TFD_CLOEXEC | TFD_NONBLOCK);
  if (watch->fd >= 0)
    {
      arm (watch);
      g_source_add_unix_fd (source, watch->fd, G_IO_IN);
    }
  return source;
}
