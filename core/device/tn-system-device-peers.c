/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-system-device-private.h"

#include "tn-system-device-node.h"

/* The list of peers, a page at a time. */
#define PEERS_PAGE 500

typedef struct
{
  TnSystemDevice *device;
  GTask          *task;            /* nullable */
  GPtrArray      *peers;           /* of TnNodeData */
  GPtrArray      *shown;           /* of GVariant: the same, for what is live */
  guint           n_seen;          /* with those that are none */
} Loading;

static void ask_page (Loading *loading);

static void
loading_end (Loading *loading,
             GError  *error)       /* nullable, taken */
{
  TnSystemDevice *self = loading->device;

  self->reloading = FALSE;
  if (loading->task != NULL && error != NULL)
    tn_system_device_return_error (loading->task, g_steal_pointer (&error));
  else if (loading->task != NULL)
    g_task_return_boolean (loading->task, TRUE);
  g_clear_error (&error);
  if (self->stale && self->proxy != NULL)
    tn_system_device_load_peers (self, NULL);
  g_clear_object (&loading->task);
  g_ptr_array_unref (loading->peers);
  g_ptr_array_unref (loading->shown);
  g_object_unref (loading->device);
  g_free (loading);
}

static void
publish_peers (Loading *loading)
{
  TnDeviceModel *model = loading->device->model;

  tn_device_model_publish_peers (model, loading->peers);
  for (guint i = 0; i < loading->peers->len; i++)
    {
      const TnNodeData *data = g_ptr_array_index (loading->peers, i);
      TnNodeLive live;

      tn_system_device_live_from_variant (g_ptr_array_index (loading->shown, i), &live);
      tn_device_model_publish_live (model, data->stable_id, &live);
    }
  tn_device_model_flush (model);
}

static void
page_cb (GObject      *object,
         GAsyncResult *result,
         gpointer      user_data)
{
  Loading *loading = user_data;
  g_autoptr (GVariant) page = NULL;
  GError *error = NULL;
  GVariantIter iter;
  GVariant *item;
  guint total;
  gsize n;

  if (!tn_bus_tailnet1_call_list_peers_finish (TN_BUS_TAILNET1 (object), &page, &total, result, &error))
    {
      loading_end (loading, error);
      return;
    }
  n = g_variant_iter_init (&iter, page);
  while ((item = g_variant_iter_next_value (&iter)) != NULL)
    {
      TnNodeData *data = tn_system_device_node_from_variant (item);

      if (data != NULL)
        {
          g_ptr_array_add (loading->peers, data);
          g_ptr_array_add (loading->shown, g_variant_ref (item));
        }
      g_variant_unref (item);
    }
  loading->n_seen += (guint) MIN (n, total - loading->n_seen);
  if (n > 0 && loading->n_seen < total)
    {
      ask_page (loading);
      return;
    }
  publish_peers (loading);
  loading_end (loading, NULL);
}

static void
ask_page (Loading *loading)
{
  TnSystemDevice *self = loading->device;

  /* A signal brought us here, maybe: a loop that only turns our context does not make it the thread-default one. */
  g_main_context_push_thread_default (self->main_context);
  tn_bus_tailnet1_call_list_peers (self->proxy, loading->n_seen, PEERS_PAGE, self->loading, page_cb, loading);
  g_main_context_pop_thread_default (self->main_context);
}

void
tn_system_device_load_peers (TnSystemDevice *self,
                             GTask          *task)
{
  Loading *loading = g_new0 (Loading, 1);

  loading->device = g_object_ref (self);
  loading->task = task != NULL ? g_object_ref (task) : NULL;
  loading->peers = g_ptr_array_new_with_free_func ((GDestroyNotify) tn_node_data_unref);
  loading->shown = g_ptr_array_new_with_free_func ((GDestroyNotify) g_variant_unref);
  self->reloading = TRUE;
  self->stale = FALSE;
  ask_page (loading);
}
