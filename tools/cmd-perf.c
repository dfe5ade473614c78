/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <json-glib/json-glib.h>
#include <stdio.h>
#include <string.h>

#include "tn-cli-perf-server.h"
#include "tn-cli-perf.h"
#include "tn-cli.h"

#define STREAMS_MAX 32
#define PINGPONG_MAX 1000000

typedef struct
{
  TnCli       *cli;
  const char  *host;
  guint16      port;
  int          n_streams;
  guint64      duration_ms;
  guint64      bytes;           /* of all streams together; 0: as many as there is time for */
} Plan;

/* One stream of a direction, or the one byte that goes there and back. */
typedef struct
{
  TnConnection *connection;
  TnPerfRequest request;
  TnPerfCount   sent;
  TnPerfCount   received;
  GArray       *rounds_us;      /* of gint64 */
} Job;

typedef struct
{
  guint64  bytes;
  double   seconds;             /* from the begin of the first stream to the end of the last */
  double   own_cpu;
  double   other_cpu;
  gboolean verified;            /* the sums of all streams agree */
} Outcome;

static void
job_free (gpointer data)
{
  Job *job = data;

  g_clear_object (&job->connection);
  g_clear_pointer (&job->rounds_us, g_array_unref);
  g_free (job);
}

/* --- In a thread: blocking calls --- */

static gboolean
measure_rounds (Job           *job,
                GCancellable  *cancellable,
                GError       **error)
{
  GInputStream *in = g_io_stream_get_input_stream (G_IO_STREAM (job->connection));
  GOutputStream *out = g_io_stream_get_output_stream (G_IO_STREAM (job->connection));
  gint64 end_us = g_get_monotonic_time () + (gint64) job->request.duration_ms * 1000;
  gint64 start_us;
  guint8 byte = 0;
  gsize len;

  while ((start_us = g_get_monotonic_time ()) < end_us && job->rounds_us->len < PINGPONG_MAX)
    {
      gint64 round_us;

      if (!g_output_stream_write_all (out, &byte, 1, NULL, cancellable, error) ||
          !g_input_stream_read_all (in, &byte, 1, &len, cancellable, error))
        return FALSE;
      if (len == 0)
        {
          g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_CONNECTION_CLOSED, "the other end hung up");
          return FALSE;
        }
      round_us = g_get_monotonic_time () - start_us;
      g_array_append_val (job->rounds_us, round_us);
    }
  return tn_connection_shutdown (job->connection, FALSE, TRUE, error);
}

static gboolean
run_job (Job           *job,
         GCancellable  *cancellable,
         GError       **error)
{
  GInputStream *in = g_io_stream_get_input_stream (G_IO_STREAM (job->connection));
  GOutputStream *out = g_io_stream_get_output_stream (G_IO_STREAM (job->connection));
  const TnPerfRequest *request = &job->request;
  char text[TN_PERF_REQUEST_LEN];

  tn_perf_request_write (request, text);
  if (!g_output_stream_write_all (out, text, sizeof text, NULL, cancellable, error))
    return FALSE;
  switch (request->verb)
    {
    case TN_PERF_SEND:
      return tn_perf_send (out, request->bytes, request->duration_ms, &job->sent, cancellable, error) &&
             tn_connection_shutdown (job->connection, FALSE, TRUE, error) &&
             tn_perf_count_read (&job->received, in, cancellable, error);
    case TN_PERF_RECEIVE:
      return tn_perf_receive (in, request->bytes, request->bytes > 0, &job->received, cancellable, error) &&
             (request->bytes == 0 || tn_perf_count_read (&job->sent, in, cancellable, error));
    case TN_PERF_ECHO:
      return measure_rounds (job, cancellable, error);
    case TN_PERF_USAGE:
      return tn_perf_usage_read (&job->received.seconds, in, cancellable, error);
    case TN_PERF_N_VERBS:
    default:
      g_assert_not_reached ();
    }
}

static void
job_thread (GTask        *task,
            gpointer      source,
            gpointer      task_data,
            GCancellable *cancellable)
{
  Job *job = task_data;
  GError *error = NULL;
  gboolean ok = run_job (job, cancellable, &error);

  g_io_stream_close (G_IO_STREAM (job->connection), NULL, NULL);
  if (ok)
    g_task_return_boolean (task, TRUE);
  else
    g_task_return_error (task, error);
}

/* --- In the main context --- */

static Job *
make_job (const Plan  *plan,
          TnPerfVerb   verb,
          guint64      bytes,
          GError     **error)
{
  Job *job = g_new0 (Job, 1);

  job->request = (TnPerfRequest) { .verb = verb, .bytes = bytes, .duration_ms = plan->duration_ms };
  job->rounds_us = g_array_new (FALSE, FALSE, sizeof (gint64));
  job->connection = tn_cli_connect (plan->cli, plan->host, plan->port, error);
  if (job->connection == NULL)
    g_clear_pointer (&job, job_free);
  return job;
}

/* All at once; the error of the first that fails. */
static gboolean
run_jobs (const Plan  *plan,
          GPtrArray   *jobs,
          GError     **error)
{
  g_autofree GAsyncResult **results = g_new0 (GAsyncResult *, jobs->len);
  gboolean ok = TRUE;

  for (guint i = 0; i < jobs->len; i++)
    {
      g_autoptr (GTask) task = g_task_new (NULL, plan->cli->cancellable, tn_cli_done_cb, &results[i]);

      g_task_set_task_data (task, g_ptr_array_index (jobs, i), NULL);
      tn_perf_run_in_thread (task, job_thread);
    }
  for (guint i = 0; i < jobs->len; i++)
    {
      tn_cli_wait (&results[i]);
      if (!g_task_propagate_boolean (G_TASK (results[i]), ok ? error : NULL))
        ok = FALSE;
      g_object_unref (results[i]);
    }
  return ok;
}

static gboolean
run_one (const Plan  *plan,
         TnPerfVerb   verb,
         Job        **job,
         GError     **error)
{
  g_autoptr (GPtrArray) jobs = g_ptr_array_new ();

  *job = make_job (plan, verb, 0, error);
  if (*job == NULL)
    return FALSE;
  g_ptr_array_add (jobs, *job);
  if (run_jobs (plan, jobs, error))
    return TRUE;
  g_clear_pointer (job, job_free);
  return FALSE;
}

static gboolean
ask_usage (const Plan  *plan,
           double      *own,
           double      *other,
           GError     **error)
{
  Job *job;

  if (!run_one (plan, TN_PERF_USAGE, &job, error))
    return FALSE;
  *other = job->received.seconds;
  *own = tn_perf_own_usage ();
  job_free (job);
  return TRUE;
}

/* Numbers are texts here: how wide one is must not be part of what is translated. */
static gboolean
check_arrived (const Job  *job,
               GError    **error)
{
  g_autofree char *sent = NULL;
  g_autofree char *received = NULL;

  if (job->sent.bytes == job->received.bytes && strcmp (job->sent.sha256, job->received.sha256) == 0)
    return TRUE;

  sent = g_strdup_printf ("%" G_GUINT64_FORMAT, job->sent.bytes);
  received = g_strdup_printf ("%" G_GUINT64_FORMAT, job->received.bytes);
  g_set_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA,
               _("what arrived is not what was sent: %s bytes with SHA-256 %s instead of %s with %s"), received,
               job->received.sha256, sent, job->sent.sha256);
  return FALSE;
}

static gboolean
run_direction (const Plan  *plan,
               TnPerfVerb   verb,
               Outcome     *outcome,
               GError     **error)
{
  g_autoptr (GPtrArray) jobs = g_ptr_array_new_with_free_func (job_free);
  guint64 n = (guint64) plan->n_streams;
  double own, other;
  gint64 begin_us;

  for (guint64 i = 0; i < n; i++)
    {
      Job *job = make_job (plan, verb, plan->bytes > 0 ? plan->bytes / n + (i < plan->bytes % n ? 1 : 0) : 0, error);

      if (job == NULL)
        return FALSE;
      g_ptr_array_add (jobs, job);
    }
  if (!ask_usage (plan, &own, &other, error))
    return FALSE;
  begin_us = g_get_monotonic_time ();
  if (!run_jobs (plan, jobs, error))
    return FALSE;
  outcome->seconds = (double) (g_get_monotonic_time () - begin_us) / 1e6;
  if (!ask_usage (plan, &outcome->own_cpu, &outcome->other_cpu, error))
    return FALSE;

  outcome->own_cpu -= own;
  outcome->other_cpu -= other;
  outcome->verified = plan->bytes > 0;
  for (guint i = 0; i < jobs->len; i++)
    {
      Job *job = g_ptr_array_index (jobs, i);

      outcome->bytes += job->received.bytes;
      if (plan->bytes == 0)
        continue;
      if (!check_arrived (job, error))
        return FALSE;
    }
  return TRUE;
}

/* --- What is shown --- */

static double
bits_per_second (const Outcome *outcome)
{
  return outcome->seconds > 0 ? (double) outcome->bytes * 8 / outcome->seconds : 0;
}

static void
show_direction (const Plan    *plan,
                JsonObject    *report,
                const char    *name,
                const char    *label,
                const Outcome *outcome)
{
  JsonObject *object;
  JsonObject *cpu;

  if (!plan->cli->json)
    {
      g_print (_("%s %.1f Mbit/s (%.1f MB in %.2f s; processor time here %.2f s, there %.2f s)%s\n"), label,
               bits_per_second (outcome) / 1e6, (double) outcome->bytes / 1e6, outcome->seconds, outcome->own_cpu, outcome->other_cpu,
               outcome->verified ? _(", checksum right") : "");
      fflush (stdout);
      return;
    }

  object = json_object_new ();
  cpu = json_object_new ();
  json_object_set_int_member (object, "streams", plan->n_streams);
  json_object_set_int_member (object, "bytes", (gint64) outcome->bytes);
  json_object_set_double_member (object, "seconds", outcome->seconds);
  json_object_set_double_member (object, "bits_per_second", bits_per_second (outcome));
  json_object_set_boolean_member (object, "verified", outcome->verified);
  json_object_set_double_member (cpu, "local", outcome->own_cpu);
  json_object_set_double_member (cpu, "remote", outcome->other_cpu);
  json_object_set_object_member (object, "cpu_seconds", cpu);
  json_object_set_object_member (report, name, object);
}

static int
compare_rounds (gconstpointer a,
                gconstpointer b)
{
  gint64 x = *(const gint64 *) a, y = *(const gint64 *) b;

  return (x > y) - (x < y);
}

static gint64
percentile (GArray *sorted,
            guint   percent)
{
  return g_array_index (sorted, gint64, (gsize) (sorted->len - 1) * percent / 100);
}

static void
show_rounds (const Plan *plan,
             JsonObject *report,
             GArray     *rounds_us)
{
  JsonObject *object;

  g_array_sort (rounds_us, compare_rounds);
  if (!plan->cli->json)
    {
      g_print (_("One byte there and back: half of %u within %.0f µs, 99 %% within %.0f µs\n"), rounds_us->len,
               (double) percentile (rounds_us, 50), (double) percentile (rounds_us, 99));
      return;
    }

  object = json_object_new ();
  json_object_set_int_member (object, "count", rounds_us->len);
  json_object_set_int_member (object, "min_us", percentile (rounds_us, 0));
  json_object_set_int_member (object, "p50_us", percentile (rounds_us, 50));
  json_object_set_int_member (object, "p99_us", percentile (rounds_us, 99));
  json_object_set_int_member (object, "max_us", percentile (rounds_us, 100));
  json_object_set_object_member (report, "pingpong", object);
}

static gboolean
run_pingpong (const Plan  *plan,
              JsonObject  *report,
              GError     **error)
{
  Job *job;

  if (!run_one (plan, TN_PERF_ECHO, &job, error))
    return FALSE;
  if (job->rounds_us->len > 0)
    show_rounds (plan, report, job->rounds_us);
  job_free (job);
  return TRUE;
}

static void
show_peer (const Plan *plan,
           JsonObject *report)
{
  g_autoptr (TnNode) peer = tn_device_lookup_peer (plan->cli->device, plan->host);
  g_autofree char *path = NULL;

  json_object_set_string_member (report, "host", plan->host);
  if (peer == NULL)
    return;

  path = tn_path_to_string (tn_node_get_path (peer));
  json_object_set_string_member (report, "node", tn_node_get_fqdn (peer));
  json_object_set_string_member (report, "path", path);
}

static gboolean
measure (const Plan  *plan,
         gboolean     upload,
         gboolean     download,
         gboolean     pingpong,
         GError     **error)
{
  g_autoptr (JsonNode) root = json_node_new (JSON_NODE_OBJECT);
  g_autofree char *text = NULL;
  JsonObject *report = json_object_new ();
  Outcome outcome = { 0 };

  json_node_take_object (root, report);
  if (upload)
    {
      if (!run_direction (plan, TN_PERF_SEND, &outcome, error))
        return FALSE;
      show_direction (plan, report, "upload", _("There:"), &outcome);
    }
  if (download)
    {
      outcome = (Outcome) { 0 };
      if (!run_direction (plan, TN_PERF_RECEIVE, &outcome, error))
        return FALSE;
      show_direction (plan, report, "download", _("Back: "), &outcome);
    }
  if (pingpong && !run_pingpong (plan, report, error))
    return FALSE;
  if (plan->cli->json)
    {
      show_peer (plan, report);
      text = json_to_string (root, TRUE);
      g_print ("%s\n", text);
    }
  return TRUE;
}

/* --- Arguments --- */

static gboolean
parse_bytes (const char *text,
             guint64    *bytes)
{
  char *end;

  *bytes = 0;
  if (text == NULL)
    return TRUE;
  if (!g_ascii_isdigit (*text))
    return FALSE;
  *bytes = g_ascii_strtoull (text, &end, 10);
  if (*bytes == 0 || *bytes > TN_PERF_MAX_BYTES)
    return FALSE;
  switch (g_ascii_toupper (*end))
    {
    case 'G':
      *bytes <<= 10;
      G_GNUC_FALLTHROUGH;
    case 'M':
      *bytes <<= 10;
      G_GNUC_FALLTHROUGH;
    case 'K':
      *bytes <<= 10;
      end++;
      break;
    default:
      break;
    }
  return *end == '\0' && *bytes <= TN_PERF_MAX_BYTES;
}

static int
run (TnCli  *cli,
     int     argc,
     char  **argv)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *bytes = NULL;
  gboolean listen = FALSE, pingpong = FALSE, upload = FALSE, download = FALSE;
  double seconds = 5;
  int port = TN_PERF_DEFAULT_PORT;
  Plan plan = { .cli = cli, .n_streams = 1 };
  GOptionEntry entries[] = {
    { "listen", 'l', 0, G_OPTION_ARG_NONE, &listen, N_("Answer others, until interrupted"), NULL },
    { "port", 'p', 0, G_OPTION_ARG_INT, &port, N_("Port of the other end (5209)"), N_("PORT") },
    { "upload", 0, 0, G_OPTION_ARG_NONE, &upload, N_("Only there"), NULL },
    { "download", 0, 0, G_OPTION_ARG_NONE, &download, N_("Only back"), NULL },
    { "pingpong", 0, 0, G_OPTION_ARG_NONE, &pingpong, N_("Only how long one byte takes there and back"), NULL },
    { "streams", 'P', 0, G_OPTION_ARG_INT, &plan.n_streams, N_("Connections at once, up to 32 (1)"), "N" },
    { "time", 't', 0, G_OPTION_ARG_DOUBLE, &seconds, N_("Seconds for each direction (5)"), N_("SECONDS") },
    { "bytes", 'n', 0, G_OPTION_ARG_STRING, &bytes, N_("So much instead, with a checksum; K, M and G may follow"), "N" },
    TN_CLI_JSON (cli),
    { NULL },
  };
  int code;

  if (!tn_cli_parse (cli, &tn_cli_perf, entries, &argc, &argv, &code))
    return code;
  if (listen ? argc > 2 : argc != 2)
    return tn_cli_usage (listen ? _("“perf -l” takes one port at most, got %d") : _("“perf” takes one host, got %d"), argc - 1);
  if (port < 1 || port > G_MAXUINT16)
    return tn_cli_usage (_("“%d” is no port number: 1 to 65535"), port);
  plan.port = (guint16) port;
  if (listen && argc == 2 && (plan.port = tn_cli_port (argv[1])) == 0)
    return TN_CLI_USAGE;
  if (plan.n_streams < 1 || plan.n_streams > STREAMS_MAX)
    return tn_cli_usage (_("cannot have %d streams: 1 to %d"), plan.n_streams, STREAMS_MAX);
  if (!(seconds > 0 && seconds * 1000 <= TN_PERF_MAX_MS))
    return tn_cli_usage (_("cannot take %g s: more than 0, at most %d"), seconds, TN_PERF_MAX_MS / 1000);
  if (!parse_bytes (bytes, &plan.bytes))
    return tn_cli_usage (_("“%s” is no number of bytes: 1 to 1024G"), bytes);
  if (plan.bytes > 0 && plan.bytes < (guint64) plan.n_streams)
    return tn_cli_usage (_("“%s” is less than a byte for each stream"), bytes);
  if ((code = tn_cli_start (cli)) != TN_CLI_DONE)
    return code;
  if (listen)
    return tn_cli_perf_serve (cli, plan.port);

  plan.host = argv[1];
  plan.duration_ms = (guint64) (seconds * 1000);
  if (!measure (&plan, upload || !(download || pingpong), download || !(upload || pingpong), pingpong, &error))
    return tn_cli_fail (cli, error);
  return TN_CLI_DONE;
}

const TnCliCommand tn_cli_perf = { "perf", "HOST | -l [PORT]", N_("Measure throughput and latency between two nodes"),
  N_("The other node runs “perf -l”. Without --upload, --download and --pingpong it is there and back."), run };
