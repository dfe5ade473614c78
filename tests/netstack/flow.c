/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "flow.h"

guint8
test_flow_next (guint32 *state)
{
  *state = *state * 1664525 + 1013904223;
  return (guint8) (*state >> 24);
}

gpointer
test_flow_write (gpointer data)
{
  TestFlow *flow = data;
  GOutputStream *output = g_io_stream_get_output_stream (flow->stream);
  g_autofree guint8 *buffer = g_malloc (flow->piece);
  guint32 state = flow->seed;

  for (guint64 done = 0; done < flow->len && flow->error == NULL;)
    {
      gsize n = MIN (flow->piece, flow->len - done);

      for (gsize i = 0; i < n; i++)
        buffer[i] = test_flow_next (&state);
      g_output_stream_write_all (output, buffer, n, NULL, NULL, &flow->error);
      done += n;
    }
  return NULL;
}

void
test_flow_check (TestFlow *flow)
{
  GInputStream *input = g_io_stream_get_input_stream (flow->stream);
  g_autofree guint8 *buffer = g_malloc (flow->piece);
  guint32 state = flow->seed;

  for (guint64 done = 0; done < flow->len;)
    {
      gssize n = g_input_stream_read (input, buffer, MIN (flow->piece, flow->len - done), NULL, &flow->error);

      g_assert_no_error (flow->error);
      g_assert_cmpint (n, >, 0);
      for (gssize i = 0; i < n; i++)
        if (buffer[i] != test_flow_next (&state))
          g_error ("byte %" G_GUINT64_FORMAT " differs", done + (guint64) i);
      done += (guint64) n;
    }
}

void
test_assert_end (GIOStream *stream)
{
  g_autoptr (GError) error = NULL;
  guint8 byte;

  g_assert_cmpint (g_input_stream_read (g_io_stream_get_input_stream (stream), &byte, 1, NULL, &error), ==, 0);
  g_assert_no_error (error);
}

void
test_flow_run (GIOStream *from,
               GIOStream *to,
               guint64    len)
{
  TestFlow out = { from, len, 42, 60000, NULL }, in = { to, len, 42, 40000, NULL };
  GThread *thread = g_thread_new ("writer", test_flow_write, &out);

  test_flow_check (&in);
  g_thread_join (thread);
  g_assert_no_error (out.error);
}
