/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-data-path-private.h"

#include "tn-boot-timer.h"
#include "tn-cancel-source.h"
#include "tn-error.h"

/* What is asked of one peer: whether it answers, by which way, and to be ready for it. */

/* --- Pings --- */

/* The first one finds a peer that has not joined its relay yet, or does not know us yet: it is lost, and so it is not the only one. */
#define PING_AGAIN_MS 1000

typedef struct
{
  guint64     token;
  TnDataPath *path;
  TnPingKind  kind;
  gint64      id;
  TnIpAddress address;
  guint       size;
  GTask      *task;            /* NULL: it has returned */
  GSource    *again;
  GSource    *timeout;
  GSource    *cancelled;       /* nullable */
} Ping;

static void
ping_destroy_source (GSource **source)
{
  if (*source != NULL)
    g_source_destroy (*source);
  g_clear_pointer (source, g_source_unref);
}

static void
ping_free (gpointer data)
{
  Ping *ping = data;

  ping_destroy_source (&ping->again);
  ping_destroy_source (&ping->timeout);
  ping_destroy_source (&ping->cancelled);
  if (ping->task != NULL)
    g_task_return_new_error (ping->task, G_IO_ERROR, G_IO_ERROR_CLOSED, "device stopped");
  g_clear_object (&ping->task);
  g_free (ping);
}

/* Ends it with what was returned to its task. */
static void
ping_end (Ping *ping)
{
  if (ping->path->pipeline != NULL)
    tn_pipeline_ping_cancel (ping->path->pipeline, ping->token);
  g_clear_object (&ping->task);
  g_hash_table_remove (ping->path->pings, &ping->token);
}

void
tn_data_path_pong (gpointer              user_data,
                   const TnPipelinePong *pong)
{
  TnDataPath *path = user_data;
  Ping *ping = g_hash_table_lookup (path->pings, &pong->token);

  if (ping == NULL)
    return;

  g_task_return_pointer (ping->task, g_memdup2 (pong, sizeof *pong), g_free);
  ping_end (ping);
}

static guint
ping_timeout_s (const Ping *ping)
{
  return ping->kind == TN_PING_KIND_TSMP ? TN_DATA_PATH_PING_TSMP_TIMEOUT_S : TN_DATA_PATH_PING_TIMEOUT_S;
}

static gboolean
ping_timeout_cb (gpointer data)
{
  Ping *ping = data;

  g_task_return_new_error (ping->task, G_IO_ERROR, G_IO_ERROR_TIMED_OUT, "no answer within %u s", ping_timeout_s (ping));
  ping_end (ping);
  return G_SOURCE_REMOVE;
}

static gboolean
ping_cancelled_cb (GCancellable *cancellable,
                   gpointer      data)
{
  Ping *ping = data;

  g_task_return_error_if_cancelled (ping->task);
  ping_end (ping);
  return G_SOURCE_REMOVE;
}

static gboolean
ping_send (Ping *ping)
{
  TnDataPath *path = ping->path;
  TnPipeline *pipeline = path->pipeline;
  gint64 now_us = tn_boot_time_us ();
  gboolean sent = ping->kind == TN_PING_KIND_TSMP ? tn_pipeline_ping_tsmp (pipeline, ping->id, &ping->address, ping->token, now_us)
                                                  : tn_pipeline_ping_disco (pipeline, ping->id, ping->size, ping->token, now_us);

  tn_data_path_settle (path);
  return sent;
}

/* A peer that is gone may come back while the ping lasts. */
static gboolean
ping_again_cb (gpointer data)
{
  ping_send (data);
  return G_SOURCE_CONTINUE;
}

static void
ping_watch (Ping *ping)
{
  GCancellable *cancellable = g_task_get_cancellable (ping->task);
  GMainContext *context = tn_thread_get_context (ping->path->thread);

  ping->again = g_timeout_source_new (PING_AGAIN_MS);
  g_source_set_callback (ping->again, ping_again_cb, ping, NULL);
  g_source_attach (ping->again, context);
  ping->timeout = g_timeout_source_new (1000 * ping_timeout_s (ping));
  g_source_set_callback (ping->timeout, ping_timeout_cb, ping, NULL);
  g_source_attach (ping->timeout, context);
  if (cancellable != NULL)
    {
      ping->cancelled = tn_cancel_source_new (cancellable);
      g_source_set_callback (ping->cancelled, G_SOURCE_FUNC (ping_cancelled_cb), ping, NULL);
      g_source_attach (ping->cancelled, context);
    }
}

static gboolean
ping_cb (gpointer data)
{
  TnDataPathCall *call = data;
  TnDataPath *path = call->path;
  Ping *ping = call->data;

  if (path->pipeline == NULL)
    return G_SOURCE_REMOVE;

  call->data = NULL;
  call->destroy = NULL;
  ping->token = ++path->last_token;
  g_hash_table_insert (path->pings, &ping->token, ping);
  ping_watch (ping);
  if (!ping_send (ping))
    {
      g_task_return_new_error (ping->task, TN_ERROR, TN_ERROR_UNSUPPORTED, "%s",
                               ping->kind == TN_PING_KIND_DISCO ? "peer has no disco key" : "peer cannot be reached by TSMP");
      ping_end (ping);
    }
  return G_SOURCE_REMOVE;
}

GHashTable *
tn_data_path_new_pings (void)
{
  return g_hash_table_new_full (g_int64_hash, g_int64_equal, NULL, ping_free);
}

void
tn_data_path_ping (TnDataPath        *path,
                   TnPingKind         kind,
                   gint64             id,
                   const TnIpAddress *address,
                   guint              size,
                   GTask             *task)
{
  Ping *ping = g_new0 (Ping, 1);

  ping->path = path;
  ping->kind = kind;
  ping->id = id;
  ping->address = *address;
  ping->size = size;
  ping->task = g_object_ref (task);
  tn_data_path_call (path, ping_cb, ping, ping_free);
}

/* --- Which way --- */

typedef struct
{
  gint64  id;
  GTask  *task;
} PathQuestion;

static void
path_question_free (gpointer data)
{
  PathQuestion *question = data;

  g_object_unref (question->task);
  g_free (question);
}

static gboolean
ask_path_cb (gpointer data)
{
  TnDataPath *path = ((TnDataPathCall *) data)->path;
  PathQuestion *question = ((TnDataPathCall *) data)->data;
  TnPathAddress address = { .kind = TN_PATH_ADDRESS_NONE };

  if (path->pipeline != NULL)
    tn_pipeline_get_path (path->pipeline, question->id, &address);
  g_task_return_pointer (question->task, g_memdup2 (&address, sizeof address), g_free);
  return G_SOURCE_REMOVE;
}

void
tn_data_path_ask_path (TnDataPath *path,
                       gint64      id,
                       GTask      *task)
{
  PathQuestion *question = g_new (PathQuestion, 1);

  *question = (PathQuestion) { id, g_object_ref (task) };
  tn_data_path_call (path, ask_path_cb, question, path_question_free);
}

static gboolean
connect_peer_cb (gpointer data)
{
  TnDataPath *path = ((TnDataPathCall *) data)->path;

  if (path->pipeline != NULL)
    {
      tn_pipeline_connect (path->pipeline, *(gint64 *) ((TnDataPathCall *) data)->data, tn_boot_time_us ());
      tn_data_path_settle (path);
    }
  return G_SOURCE_REMOVE;
}

void
tn_data_path_connect_peer (TnDataPath *path,
                           gint64      id)
{
  tn_data_path_call (path, connect_peer_cb, g_memdup2 (&id, sizeof id), g_free);
}
