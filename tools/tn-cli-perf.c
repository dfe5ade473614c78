/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-cli-perf.h"

#include <json-glib/json-glib.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

static const char *const verbs[TN_PERF_N_VERBS] = { "send", "receive", "echo", "usage" };

/* --- Requests --- */

static gboolean
parse_number (const char *text,
              guint64     max,
              guint64    *value)
{
  return text != NULL && g_ascii_string_to_unsigned (text, 10, 0, max, value, NULL);
}

gboolean
tn_perf_request_parse (const char      request[TN_PERF_REQUEST_LEN],
                       TnPerfRequest  *parsed,
                       GError        **error)
{
  g_autofree char *line = g_strndup (request, TN_PERF_REQUEST_LEN);
  g_auto (GStrv) words = NULL;

  if (!g_str_has_suffix (line, "\n"))
    goto bad;
  words = g_strsplit (g_strchomp (line), " ", 5);
  if (g_strv_length (words) != 4 || strcmp (words[0], "tailnet-perf/1") != 0 ||
      !parse_number (words[2], TN_PERF_MAX_BYTES, &parsed->bytes) || !parse_number (words[3], TN_PERF_MAX_MS, &parsed->duration_ms))
    goto bad;
  for (guint i = 0; i < TN_PERF_N_VERBS; i++)
    if (strcmp (words[1], verbs[i]) == 0)
      {
        parsed->verb = (TnPerfVerb) i;
        return TRUE;
      }

bad:
  g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA, "not a question of “tailnet perf”");
  return FALSE;
}

void
tn_perf_request_write (const TnPerfRequest *request,
                       char                 text[TN_PERF_REQUEST_LEN])
{
  memset (text, 0, TN_PERF_REQUEST_LEN);
  g_snprintf (text, TN_PERF_REQUEST_LEN, "tailnet-perf/1 %s %" G_GUINT64_FORMAT " %" G_GUINT64_FORMAT "\n", verbs[request->verb],
              request->bytes, request->duration_ms);
}

/* --- Threads --- */

typedef struct
{
  GTask          *task;
  GTaskThreadFunc func;
} Run;

static gpointer
run_main (gpointer data)
{
  Run *run = data;

  run->func (run->task, g_task_get_source_object (run->task), g_task_get_task_data (run->task), g_task_get_cancellable (run->task));
  g_object_unref (run->task);
  g_free (run);
  return NULL;
}

void
tn_perf_run_in_thread (GTask          *task,
                       GTaskThreadFunc func)
{
  Run *run = g_new (Run, 1);

  *run = (Run) { g_object_ref (task), func };
  g_thread_unref (g_thread_new ("perf", run_main, run));
}

/* --- Streams --- */

/* Not all the same, so that nothing on the way can make it shorter; cheap, so that it is not what is measured. */
static guint8 *
make_noise (void)
{
  guint64 *words = g_new (guint64, TN_PERF_BUFFER_LEN / sizeof (guint64));
  guint64 state = G_GUINT64_CONSTANT (0x9e3779b97f4a7c15);

  for (gsize i = 0; i < TN_PERF_BUFFER_LEN / sizeof (guint64); i++)
    {
      state ^= state << 13;      /* xorshift64 */
      state ^= state >> 7;
      state ^= state << 17;
      words[i] = state;
    }
  return (guint8 *) words;
}

static void
finish_count (TnPerfCount *count,
              gint64       start_us,
              GChecksum   *checksum)
{
  count->seconds = (double) (g_get_monotonic_time () - start_us) / 1e6;
  if (checksum != NULL)
    g_strlcpy (count->sha256, g_checksum_get_string (checksum), sizeof count->sha256);
}

gboolean
tn_perf_send (GOutputStream *to,
              guint64        bytes,
              guint64        duration_ms,
              TnPerfCount   *count,
              GCancellable  *cancellable,
              GError       **error)
{
  g_autofree guint8 *noise = make_noise ();
  g_autoptr (GChecksum) checksum = bytes > 0 ? g_checksum_new (G_CHECKSUM_SHA256) : NULL;
  gint64 start_us = g_get_monotonic_time ();
  gint64 end_us = start_us + (gint64) duration_ms * 1000;

  *count = (TnPerfCount) { 0 };
  while (bytes > 0 ? count->bytes < bytes : g_get_monotonic_time () < end_us)
    {
      gsize len = bytes > 0 ? (gsize) MIN (bytes - count->bytes, TN_PERF_BUFFER_LEN) : TN_PERF_BUFFER_LEN;

      if (!g_output_stream_write_all (to, noise, len, NULL, cancellable, error))
        return FALSE;
      if (checksum != NULL)
        g_checksum_update (checksum, noise, (gssize) len);
      count->bytes += len;
    }
  finish_count (count, start_us, checksum);
  return TRUE;
}

gboolean
tn_perf_receive (GInputStream  *from,
                 guint64        bytes,
                 gboolean       sum,
                 TnPerfCount   *count,
                 GCancellable  *cancellable,
                 GError       **error)
{
  g_autofree guint8 *buffer = g_malloc (TN_PERF_BUFFER_LEN);
  g_autoptr (GChecksum) checksum = sum ? g_checksum_new (G_CHECKSUM_SHA256) : NULL;
  gint64 start_us = 0;

  *count = (TnPerfCount) { 0 };
  for (;;)
    {
      gsize wanted = bytes > 0 ? (gsize) MIN (bytes - count->bytes, TN_PERF_BUFFER_LEN) : TN_PERF_BUFFER_LEN;
      gssize len = wanted > 0 ? g_input_stream_read (from, buffer, wanted, cancellable, error) : 0;

      if (len < 0)
        return FALSE;
      if (len == 0)
        break;
      if (start_us == 0)
        start_us = g_get_monotonic_time ();
      if (checksum != NULL)
        g_checksum_update (checksum, buffer, len);
      count->bytes += (guint64) len;
    }
  if (bytes > 0 && count->bytes < bytes)
    {
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_PARTIAL_INPUT, "stream ended after %" G_GUINT64_FORMAT " of %" G_GUINT64_FORMAT " bytes",
                   count->bytes, bytes);
      return FALSE;
    }
  finish_count (count, start_us != 0 ? start_us : g_get_monotonic_time (), checksum);
  return TRUE;
}

/* --- Answers --- */

static gboolean
write_object (JsonObject     *object,      /* taken */
              GOutputStream  *to,
              GCancellable   *cancellable,
              GError        **error)
{
  g_autoptr (JsonNode) root = json_node_new (JSON_NODE_OBJECT);
  g_autofree char *text = NULL;
  g_autofree char *line = NULL;

  json_node_take_object (root, object);
  text = json_to_string (root, FALSE);
  line = g_strconcat (text, "\n", NULL);
  return g_output_stream_write_all (to, line, strlen (line), NULL, cancellable, error);
}

/* From outside: bounded, and each member looked at before it is used. */
static JsonObject *
read_object (GInputStream *from,
             GCancellable *cancellable,
             GError      **error)
{
  char text[TN_PERF_ANSWER_MAX + 1];
  g_autoptr (JsonNode) root = NULL;
  gsize len;

  if (!g_input_stream_read_all (from, text, TN_PERF_ANSWER_MAX, &len, cancellable, error))
    return NULL;
  text[len] = '\0';
  root = json_from_string (text, NULL);
  if (root == NULL || !JSON_NODE_HOLDS_OBJECT (root))
    {
      g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA, "the other end does not answer as “tailnet perf” does");
      return NULL;
    }
  return json_node_dup_object (root);
}

static double
read_double (JsonObject *object,
             const char *name)
{
  JsonNode *node = json_object_get_member (object, name);

  return node != NULL && JSON_NODE_HOLDS_VALUE (node) ? json_node_get_double (node) : 0;
}

gboolean
tn_perf_count_write (const TnPerfCount *count,
                     GOutputStream     *to,
                     GCancellable      *cancellable,
                     GError           **error)
{
  JsonObject *object = json_object_new ();

  json_object_set_int_member (object, "bytes", (gint64) count->bytes);
  json_object_set_double_member (object, "seconds", count->seconds);
  if (*count->sha256 != '\0')
    json_object_set_string_member (object, "sha256", count->sha256);
  return write_object (object, to, cancellable, error);
}

gboolean
tn_perf_count_read (TnPerfCount   *count,
                    GInputStream  *from,
                    GCancellable  *cancellable,
                    GError       **error)
{
  g_autoptr (JsonObject) object = read_object (from, cancellable, error);
  JsonNode *node;

  *count = (TnPerfCount) { 0 };
  if (object == NULL)
    return FALSE;

  node = json_object_get_member (object, "bytes");
  if (node != NULL && JSON_NODE_HOLDS_VALUE (node))
    count->bytes = (guint64) MAX (json_node_get_int (node), 0);
  count->seconds = MAX (read_double (object, "seconds"), 0);
  node = json_object_get_member (object, "sha256");
  if (node != NULL && JSON_NODE_HOLDS_VALUE (node) && json_node_get_value_type (node) == G_TYPE_STRING)
    g_strlcpy (count->sha256, json_node_get_string (node), sizeof count->sha256);
  return TRUE;
}

double
tn_perf_own_usage (void)
{
  struct rusage usage;

  getrusage (RUSAGE_SELF, &usage);
  return (double) (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) + (double) (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

gboolean
tn_perf_usage_write (GOutputStream  *to,
                     GCancellable   *cancellable,
                     GError        **error)
{
  JsonObject *object = json_object_new ();

  json_object_set_double_member (object, "cpu_seconds", tn_perf_own_usage ());
  return write_object (object, to, cancellable, error);
}

gboolean
tn_perf_usage_read (double        *seconds,
                    GInputStream  *from,
                    GCancellable  *cancellable,
                    GError       **error)
{
  g_autoptr (JsonObject) object = read_object (from, cancellable, error);

  if (object == NULL)
    return FALSE;
  *seconds = read_double (object, "cpu_seconds");
  return TRUE;
}
