/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

/* What two “perf” say to each other. A connection is for one thing, which its first bytes name, at a fixed length: a line
 * "tailnet-perf/1 VERB BYTES MILLISECONDS\n", filled up with zeros.
 *
 *   send      the caller sends until it shuts its half; the answer is a line of JSON: what came, and in which time
 *   receive   the other end sends BYTES, or if that is 0 for so many MILLISECONDS; with BYTES the line of JSON follows them
 *   echo      each byte comes back
 *   usage     the answer is a line of JSON: what the other end has used of its processors so far
 */
#define TN_PERF_REQUEST_LEN 64
#define TN_PERF_DEFAULT_PORT 5209
#define TN_PERF_BUFFER_LEN (256 * 1024)
#define TN_PERF_MAX_MS (3600 * 1000)
#define TN_PERF_MAX_BYTES (G_GUINT64_CONSTANT (1) << 40)
#define TN_PERF_ANSWER_MAX 512

typedef enum { TN_PERF_SEND, TN_PERF_RECEIVE, TN_PERF_ECHO, TN_PERF_USAGE, TN_PERF_N_VERBS } TnPerfVerb;

typedef struct
{
  TnPerfVerb verb;
  guint64    bytes;
  guint64    duration_ms;
} TnPerfRequest;

/* What one end saw of a stream. */
typedef struct
{
  guint64 bytes;
  double  seconds;        /* from the first byte to the end */
  char    sha256[65];     /* empty: not asked for */
} TnPerfCount;

gboolean tn_perf_request_parse (const char request[TN_PERF_REQUEST_LEN], TnPerfRequest *parsed, GError **error);
void     tn_perf_request_write (const TnPerfRequest *request, char text[TN_PERF_REQUEST_LEN]);

/* These block; each runs in a thread of its own. @bytes 0: for @duration_ms. A sum is made only where @bytes says how much. */
gboolean tn_perf_send    (GOutputStream *to, guint64 bytes, guint64 duration_ms, TnPerfCount *count, GCancellable *cancellable,
                          GError **error);
gboolean tn_perf_receive (GInputStream *from, guint64 bytes, gboolean sum, TnPerfCount *count, GCancellable *cancellable, GError **error);

/* Runs @func for @task in a thread of its own: all streams at once, where GTask's threads are few. */
void     tn_perf_run_in_thread (GTask *task, GTaskThreadFunc func);

/* One line of JSON, to the end of the stream. */
gboolean tn_perf_count_write (const TnPerfCount *count, GOutputStream *to, GCancellable *cancellable, GError **error);
gboolean tn_perf_count_read  (TnPerfCount *count, GInputStream *from, GCancellable *cancellable, GError **error);
gboolean tn_perf_usage_write (GOutputStream *to, GCancellable *cancellable, GError **error);
gboolean tn_perf_usage_read  (double *seconds, GInputStream *from, GCancellable *cancellable, GError **error);

/* Processor time of this process so far, in user and system mode. */
double   tn_perf_own_usage   (void);

G_END_DECLS
