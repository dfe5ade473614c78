/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-stream-pump.h"

#include <sys/socket.h>
#include <unistd.h>

#include "tn-socket-pair.h"
#include "tn-thread.h"

#define BUFFER_LEN (64 * 1024)

/* One thread for all pumps: the application's loop may not run (it uses a descriptor because it has another one, or none), and the
 * control thread has better things to do than to copy. It lives as long as there is a pump. */
G_LOCK_DEFINE_STATIC (pump_thread);
static TnThread *pump_thread;     /* under the lock; holds no reference when no pump runs */
static guint n_pumps;             /* under the lock */

typedef struct _Pump Pump;

typedef struct
{
  Pump          *pump;
  GInputStream  *input;
  GOutputStream *output;
  gboolean       outwards;     /* from the application to the network */
  guint8        *buffer;
} Direction;

struct _Pump
{
  TnNetstackStream  *stream;
  GSocketConnection *local;
  GCancellable      *cancellable;
  Direction          directions[2];
  guint              n_open;
  gboolean           failed;
};

static void read_next (Direction *direction);

static TnThread *
acquire_thread (void)
{
  TnThread *thread;

  G_LOCK (pump_thread);
  if (n_pumps++ == 0)
    pump_thread = tn_thread_new ("tailnet-pump");
  thread = pump_thread;
  G_UNLOCK (pump_thread);
  return thread;
}

static void
release_thread (void)
{
  TnThread *last = NULL;

  G_LOCK (pump_thread);
  if (--n_pumps == 0)
    last = g_steal_pointer (&pump_thread);
  G_UNLOCK (pump_thread);
  if (last != NULL)
    tn_thread_unref (last);
}

static void
pump_free (Pump *pump)
{
  for (guint i = 0; i < G_N_ELEMENTS (pump->directions); i++)
    g_free (pump->directions[i].buffer);
  if (pump->failed)
    {
      const struct linger at_once = { .l_onoff = 1, .l_linger = 0 };

      /* A reset and not an end: the application must not take half a stream for a whole one. */
      setsockopt (g_socket_get_fd (g_socket_connection_get_socket (pump->local)), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    }
  g_io_stream_close (G_IO_STREAM (pump->local), NULL, NULL);
  g_object_unref (pump->local);
  g_object_unref (pump->stream);
  g_object_unref (pump->cancellable);
  g_free (pump);
  release_thread ();
}

static void
closed_cb (GObject      *object,
           GAsyncResult *result,
           gpointer      user_data)
{
  /* It is gone either way. */
  g_io_stream_close_finish (G_IO_STREAM (object), result, NULL);
  pump_free (user_data);
}

static void
direction_done (Direction *direction)
{
  Pump *pump = direction->pump;

  if (--pump->n_open == 0)
    g_io_stream_close_async (G_IO_STREAM (pump->stream), G_PRIORITY_DEFAULT, NULL, closed_cb, pump);
}

/* Nothing goes any further: the other direction ends as well, and both sides get to know. */
static void
direction_failed (Direction *direction)
{
  direction->pump->failed = TRUE;
  g_cancellable_cancel (direction->pump->cancellable);
  direction_done (direction);
}

static void
direction_ended (Direction *direction)
{
  Pump *pump = direction->pump;
  gboolean ok;

  if (direction->outwards)
    ok = TN_NETSTACK_STREAM_GET_CLASS (pump->stream)->shutdown (pump->stream, FALSE, TRUE, NULL);
  else
    ok = g_socket_shutdown (g_socket_connection_get_socket (pump->local), FALSE, TRUE, NULL);

  if (ok)
    direction_done (direction);
  else
    direction_failed (direction);
}

static void
written_cb (GObject      *object,
            GAsyncResult *result,
            gpointer      user_data)
{
  Direction *direction = user_data;

  if (g_output_stream_write_all_finish (G_OUTPUT_STREAM (object), result, NULL, NULL))
    read_next (direction);
  else
    direction_failed (direction);
}

static void
read_cb (GObject      *object,
         GAsyncResult *result,
         gpointer      user_data)
{
  Direction *direction = user_data;
  gssize len = g_input_stream_read_finish (G_INPUT_STREAM (object), result, NULL);

  if (len < 0)
    direction_failed (direction);
  else if (len == 0)
    direction_ended (direction);
  else
    g_output_stream_write_all_async (direction->output, direction->buffer, (gsize) len, G_PRIORITY_DEFAULT,
                                     direction->pump->cancellable, written_cb, direction);
}

static void
read_next (Direction *direction)
{
  g_input_stream_read_async (direction->input, direction->buffer, BUFFER_LEN, G_PRIORITY_DEFAULT, direction->pump->cancellable,
                             read_cb, direction);
}

static gboolean
start_cb (gpointer user_data)
{
  Pump *pump = user_data;
  GIOStream *streams[] = { G_IO_STREAM (pump->local), G_IO_STREAM (pump->stream) };

  pump->n_open = 2;
  for (guint i = 0; i < 2; i++)
    {
      Direction *direction = &pump->directions[i];

      direction->pump = pump;
      direction->outwards = i == 0;
      direction->input = g_io_stream_get_input_stream (streams[i]);
      direction->output = g_io_stream_get_output_stream (streams[1 - i]);
      direction->buffer = g_malloc (BUFFER_LEN);
      read_next (direction);
    }
  return G_SOURCE_REMOVE;
}

int
tn_stream_pump_start (TnNetstackStream *stream,
                      GError          **error)
{
  g_autoptr (GSocket) socket = NULL;
  Pump *pump;
  int fds[2];

  if (!tn_socket_pair_new (fds, error))
    return -1;

  socket = g_socket_new_from_fd (fds[0], error);
  if (socket == NULL)
    {
      close (fds[0]);
      close (fds[1]);
      return -1;
    }

  pump = g_new0 (Pump, 1);
  pump->stream = g_object_ref (stream);
  pump->local = g_socket_connection_factory_create_connection (socket);
  pump->cancellable = g_cancellable_new ();
  tn_thread_call (acquire_thread (), start_cb, pump, NULL);
  return fds[1];
}
