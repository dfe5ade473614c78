/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-embedded-device-private.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "tn-cancel-source.h"
#include "tn-error.h"
#include "tn-plugin-loader.h"

/* Ties a runtime to its device, which it must not keep alive: a program that drops a device wants it gone. */
typedef struct
{
  GWeakRef      device;
  TnStateStore *store;       /* acquired; released when the runtime has closed */
} Link;

static void
link_free (Link *link)
{
  tn_state_store_release (link->store);
  g_object_unref (link->store);
  g_weak_ref_clear (&link->device);
  g_free (link);
}

/* A start until there is a runtime, of which every question to the store has one reference, and only one is under way: the answer may
 * come when nobody waits for it any more. */
struct _TnOpening
{
  TnEmbeddedDevice *device;        /* NULL: given up */
  GCancellable     *cancellable;
  GSource          *limit;         /* nullable: while stopping */
  gboolean          acquired;
};

static void
opening_free (TnOpening *opening)
{
  if (opening->limit != NULL)
    g_source_destroy (opening->limit);
  g_clear_pointer (&opening->limit, g_source_unref);
  g_clear_object (&opening->device);
  g_object_unref (opening->cancellable);
  g_free (opening);
}

static void end_opening (TnEmbeddedDevice *self, GError *error);

static void
publish_stopped (TnEmbeddedDevice *self,
                 const GError     *error)      /* nullable: nobody asked for it */
{
  TnDeviceFacts facts = { .state = TN_DEVICE_STATE_STOPPED, .error = error };

  self->state = TN_DEVICE_STATE_STOPPED;
  tn_embedded_device_publish_preferences (self, FALSE);
  tn_device_model_publish_facts (self->model, &facts);
  tn_device_model_flush (self->model);
}

/* --- What the runtime says --- */

static gboolean
opening_late_cb (gpointer data)
{
  TnOpening *opening = data;
  g_autoptr (TnEmbeddedDevice) self = g_steal_pointer (&opening->device);

  g_message ("device %s stops, and its state store does not answer", self->hostname);
  if (opening->acquired)
    tn_state_store_release (self->state_store);
  end_opening (self, NULL);
  return G_SOURCE_REMOVE;
}

static void
close_opening (TnOpening    *opening,
               GMainContext *context)
{
  g_autoptr (GCancellable) cancellable = g_object_ref (opening->cancellable);

  opening->limit = g_timeout_source_new_seconds (TN_RUNTIME_STORE_PATIENCE_S);
  g_source_set_callback (opening->limit, opening_late_cb, opening, NULL);
  g_source_attach (opening->limit, context);
  g_cancellable_cancel (cancellable);      /* it may have ended now */
}

/* end_stopped() follows. */
void
tn_embedded_device_close_down (TnEmbeddedDevice *self)
{
  if (self->closing)
    return;
  self->closing = TRUE;
  if (self->runtime != NULL)
    tn_runtime_close (self->runtime);
  else
    close_opening (self->opening, self->main_context);
}

/* NULL: nobody waits for a start. */
static GTask *
take_start_task (TnEmbeddedDevice *self)
{
  if (self->start_cancelled != NULL)
    g_source_destroy (self->start_cancelled);
  g_clear_pointer (&self->start_cancelled, g_source_unref);
  return g_steal_pointer (&self->start_task);
}

static void
runtime_state (gpointer      user_data,
               TnDeviceState state)
{
  g_autoptr (TnEmbeddedDevice) self = g_weak_ref_get (&((Link *) user_data)->device);
  g_autoptr (GTask) task = NULL;

  if (self == NULL || self->closing)
    return;

  self->state = state;
  tn_device_model_flush (self->model);
  if (state == TN_DEVICE_STATE_RUNNING && !self->closing)
    task = take_start_task (self);
  if (task != NULL)
    g_task_return_boolean (task, TRUE);
}

static void
runtime_interface (gpointer    user_data,
                   const char *name)
{
  g_autoptr (TnEmbeddedDevice) self = g_weak_ref_get (&((Link *) user_data)->device);

  if (self != NULL && !self->closing)
    tn_embedded_device_set_interface (self, name);
}

static void
runtime_failed (gpointer      user_data,
                const GError *error)
{
  g_autoptr (TnEmbeddedDevice) self = g_weak_ref_get (&((Link *) user_data)->device);

  if (self == NULL || self->runtime == NULL || self->closing)
    return;

  self->stop_error = g_error_copy (error);
  if (self->start_task == NULL)
    g_message ("device %s stops: %s", self->hostname, error->message);
  tn_embedded_device_close_down (self);
}

/* However it came to that. Who hears of it may start the device again at once: all that belongs to the end is taken out before. Who
 * asks for a stop meanwhile hears after all others that it has ended. */
static void
end_stopped (TnEmbeddedDevice *self,
             GError           *error)      /* nullable, taken: why it did not start */
{
  g_autoptr (GPtrArray) stop_tasks = g_steal_pointer (&self->stop_tasks);
  g_autoptr (GTask) start_task = take_start_task (self);
  GPtrArray *outer = self->ending;

  self->ending = stop_tasks;
  self->stop_tasks = g_ptr_array_new_with_free_func (g_object_unref);
  if (self->stop_error != NULL)
    {
      g_clear_error (&error);
      error = g_steal_pointer (&self->stop_error);
    }
  self->closing = FALSE;
  publish_stopped (self, g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED) ? NULL : error);

  if (start_task == NULL)
    g_clear_error (&error);
  else if (error != NULL)
    g_task_return_error (start_task, error);
  else
    g_task_return_new_error (start_task, G_IO_ERROR, G_IO_ERROR_CANCELLED, "device was stopped");
  for (guint i = 0; i < stop_tasks->len; i++)
    g_task_return_boolean (g_ptr_array_index (stop_tasks, i), TRUE);
  self->ending = outer;
}

static void
runtime_closed (gpointer user_data)
{
  Link *link = user_data;
  g_autoptr (TnEmbeddedDevice) self = g_weak_ref_get (&link->device);

  link_free (link);
  if (self == NULL)
    return;

  g_clear_pointer (&self->runtime, tn_runtime_unref);
  g_clear_object (&self->netstack);
  tn_embedded_device_set_interface (self, NULL);
  end_stopped (self, NULL);
}

/* --- Start --- */

static GPtrArray *
make_underlays (TnEmbeddedDevice  *self,
                GError           **error)
{
  g_autoptr (GPtrArray) underlays = g_ptr_array_new_with_free_func (g_object_unref);
  guint n = self->transport_names != NULL ? g_strv_length (self->transport_names) : 0;

  for (guint i = 0; i < MAX (n, 1); i++)      /* without names: the one of the highest priority */
    {
      const char *name = n > 0 ? self->transport_names[i] : NULL;
      GType type = tn_plugin_loader_find (TN_UNDERLAY_TRANSPORT_EXTENSION_POINT_NAME, name, error);

      if (type == G_TYPE_INVALID)
        return NULL;
      g_ptr_array_add (underlays, g_object_new (type, NULL));
    }
  return g_steal_pointer (&underlays);
}

static TnNetstack *
make_netstack (TnEmbeddedDevice  *self,
               GError           **error)
{
  GType type = tn_plugin_loader_find (TN_NETSTACK_EXTENSION_POINT_NAME, self->netstack_name, error);
  g_autoptr (TnNetstack) netstack = type != G_TYPE_INVALID ? g_object_new (type, NULL) : NULL;
  gboolean wants_interface = self->wanted_interface != NULL || self->tun_fd >= 0;

  if (netstack != NULL && wants_interface && TN_OVERLAY_TRANSPORT_GET_IFACE (netstack)->get_interface == NULL)
    {
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT, "network stack \"%s\" has no interface of the kernel, and one was asked for",
                   self->netstack_name);
      return NULL;
    }
  return g_steal_pointer (&netstack);
}

/* One for what is not a router itself, and has an interface of the kernel. */
static gboolean
make_router (TnNetstack  *netstack,
             TnRouter   **router,
             GError     **error)
{
  GType type;

  if (TN_IS_ROUTER (netstack) || TN_OVERLAY_TRANSPORT_GET_IFACE (netstack)->get_interface == NULL)
    return TRUE;
  type = tn_plugin_loader_find (TN_ROUTER_EXTENSION_POINT_NAME, NULL, error);
  if (type == G_TYPE_INVALID)
    return FALSE;
  *router = g_object_new (type, NULL);
  return TRUE;
}

/* A descriptor for one run: the device keeps its own for the next. */
static gboolean
dup_tun_fd (TnEmbeddedDevice  *self,
            int               *fd,
            GError           **error)
{
  if (self->tun_fd < 0)
    return TRUE;
  *fd = fcntl (self->tun_fd, F_DUPFD_CLOEXEC, 3);
  if (*fd >= 0)
    return TRUE;
  g_set_error (error, G_IO_ERROR, g_io_error_from_errno (errno), "cannot use descriptor %d as an interface: %s", self->tun_fd,
               g_strerror (errno));
  return FALSE;
}

static const TnRuntimeCallbacks runtime_callbacks = {
  .state = runtime_state,
  .interface = runtime_interface,
  .failed = runtime_failed,
  .closed = runtime_closed,
};

/* With the store acquired. */
static gboolean
start_runtime (TnEmbeddedDevice  *self,
               TnIdentity        *identity,
               GError           **error)
{
  g_autoptr (GPtrArray) underlays = make_underlays (self, error);
  g_autoptr (TnNetstack) netstack = underlays != NULL ? make_netstack (self, error) : NULL;
  g_autoptr (TnRouter) router = NULL;
  TnCapture *capture = NULL;
  TnRuntimeConfig config = {
    .hostname = self->hostname,
    .control_url = self->control_url,
    .auth_key = self->auth_key,
    .tags = (const char *const *) self->tags,
    .app_name = self->app_name,
    .ephemeral = self->ephemeral,
    .allow_plain_http = self->allow_plain_http,
    .tls_database = self->tls_database,
    .identity = identity,
    .underlays = underlays,
    .port = self->port,
    .netstack = netstack,
    .interface = self->wanted_interface,
    .store = self->state_store,
    .model = self->model,
    .context = self->main_context,
  };
  Link *link;

  if (netstack == NULL || !make_router (netstack, &router, error))
    return FALSE;
  if (self->capture_file != NULL && (capture = tn_capture_new (self->capture_file, error)) == NULL)
    return FALSE;

  if (!dup_tun_fd (self, &config.tun_fd, error))
    {
      g_clear_pointer (&capture, tn_capture_close);
      return FALSE;
    }
  config.capture = capture;
  config.router = router;
  link = g_new0 (Link, 1);
  g_weak_ref_init (&link->device, self);
  link->store = g_object_ref (self->state_store);
  self->netstack = g_object_ref (netstack);
  self->runtime = tn_runtime_new (&config, &runtime_callbacks, link);
  return TRUE;
}

static void
end_early_calls (GPtrArray *calls,
                 TnRuntime *runtime)      /* nullable: there will be none */
{
  for (guint i = 0; i < calls->len; i++)
    {
      GTask *task = g_ptr_array_index (calls, i);

      if (runtime == NULL)
        g_task_return_new_error (task, G_IO_ERROR, G_IO_ERROR_CLOSED, "device stopped");
      else if (g_task_get_source_tag (task) == tn_device_login_async)
        tn_runtime_login (runtime, task, TN_EMBEDDED_DEVICE (g_task_get_source_object (task))->auth_key);
      else
        tn_runtime_logout (runtime, task);
    }
}

/* The calls that waited for a runtime end last: whoever hears of them finds that the start has ended, and may stop or start again. */
static void
end_opening (TnEmbeddedDevice *self,
             GError           *error)      /* nullable, taken */
{
  g_autoptr (GPtrArray) early_calls = g_steal_pointer (&self->early_calls);
  TnRuntime *runtime = self->runtime;

  self->early_calls = g_ptr_array_new_with_free_func (g_object_unref);
  if (self->opening->limit != NULL)
    g_source_destroy (self->opening->limit);
  self->opening = NULL;      /* its answer frees it */
  if (runtime == NULL)
    end_stopped (self, error);
  end_early_calls (early_calls, runtime);
}

static void
identity_loaded_cb (GObject      *object,
                    GAsyncResult *result,
                    gpointer      user_data)
{
  TnOpening *opening = user_data;
  TnEmbeddedDevice *self = opening->device;
  GError *error = NULL;
  g_autoptr (TnIdentity) identity = tn_identity_load_finish (TN_STATE_STORE (object), result, &error);

  if (self == NULL || self->closing)
    g_clear_error (&error);
  if (self != NULL)
    {
      if (self->closing || identity == NULL || !start_runtime (self, identity, &error))
        tn_state_store_release (self->state_store);
      end_opening (self, error);
    }
  opening_free (opening);
}

static void
store_acquired_cb (GObject      *object,
                   GAsyncResult *result,
                   gpointer      user_data)
{
  TnOpening *opening = user_data;
  TnEmbeddedDevice *self = opening->device;
  TnDeviceFacts facts = { .state = TN_DEVICE_STATE_STARTING };
  GError *error = NULL;

  opening->acquired = tn_state_store_acquire_finish (TN_STATE_STORE (object), result, &error);
  if (self == NULL || self->closing)
    {
      g_clear_error (&error);
      if (opening->acquired)
        tn_state_store_release (TN_STATE_STORE (object));
      opening->acquired = FALSE;
    }
  if (!opening->acquired)
    {
      if (self != NULL)
        end_opening (self, error);
      opening_free (opening);
      return;
    }

  /* Not sooner: who sees a device that starts may take it that the state is this device's. */
  self->state = TN_DEVICE_STATE_STARTING;
  tn_device_model_publish_facts (self->model, &facts);
  tn_device_model_flush (self->model);
  g_main_context_push_thread_default (self->main_context);
  tn_identity_load_async (self->state_store, opening->cancellable, identity_loaded_cb, opening);
  g_main_context_pop_thread_default (self->main_context);
}

static gboolean
start_cancelled_cb (GCancellable *cancellable,
                    gpointer      data)
{
  TnEmbeddedDevice *self = data;

  if (self->closing)
    return G_SOURCE_REMOVE;
  g_cancellable_set_error_if_cancelled (cancellable, &self->stop_error);
  tn_embedded_device_close_down (self);
  return G_SOURCE_REMOVE;
}

static void
watch_cancellable (TnEmbeddedDevice *self,
                   GCancellable     *cancellable)
{
  if (cancellable == NULL)
    return;

  self->start_cancelled = tn_cancel_source_new (cancellable);
  g_source_set_callback (self->start_cancelled, G_SOURCE_FUNC (start_cancelled_cb), self, NULL);
  g_source_attach (self->start_cancelled, self->main_context);
}

void
tn_embedded_device_start_async (TnDevice            *device,
                                GCancellable        *cancellable,
                                GAsyncReadyCallback  callback,
                                gpointer             user_data)
{
  TnEmbeddedDevice *self = TN_EMBEDDED_DEVICE (device);
  g_autoptr (GTask) task = g_task_new (self, cancellable, callback, user_data);

  g_task_set_source_tag (task, tn_device_start_async);
  if (g_task_return_error_if_cancelled (task))
    return;
  /* Cancelling stops the device, after which the task ends. What has been decided is not turned over: running is no error. */
  g_task_set_check_cancellable (task, FALSE);
  if (self->start_task != NULL || self->closing)
    {
      g_task_return_new_error (task, G_IO_ERROR, G_IO_ERROR_PENDING, self->closing ? "device is still stopping"
                                                                                   : "device is starting already");
      return;
    }
  if (self->runtime != NULL && self->state == TN_DEVICE_STATE_RUNNING)
    {
      g_task_return_boolean (task, TRUE);
      return;
    }

  self->start_task = g_steal_pointer (&task);
  tn_embedded_device_publish_preferences (self, TRUE);
  watch_cancellable (self, cancellable);
  if (self->runtime != NULL)
    return;
  self->opening = g_new0 (TnOpening, 1);
  self->opening->device = g_object_ref (self);
  self->opening->cancellable = g_cancellable_new ();
  g_main_context_push_thread_default (self->main_context);
  tn_state_store_acquire_async (self->state_store, self->opening->cancellable, store_acquired_cb, self->opening);
  g_main_context_pop_thread_default (self->main_context);
}

/* --- Stop --- */

void
tn_embedded_device_stop_async (TnDevice            *device,
                               GCancellable        *cancellable,
                               GAsyncReadyCallback  callback,
                               gpointer             user_data)
{
  TnEmbeddedDevice *self = TN_EMBEDDED_DEVICE (device);
  GTask *task = g_task_new (self, cancellable, callback, user_data);

  g_task_set_source_tag (task, tn_device_stop_async);
  /* Once begun it is carried through: a device that is half stopped is of no use to anybody. */
  g_task_set_check_cancellable (task, FALSE);
  if (self->runtime != NULL || self->opening != NULL)
    {
      g_ptr_array_add (self->stop_tasks, task);
      tn_embedded_device_close_down (self);
    }
  else if (self->ending != NULL)
    g_ptr_array_add (self->ending, task);
  else
    {
      g_task_return_boolean (task, TRUE);
      g_object_unref (task);
    }
}

/* --- Login and logout --- */

void
tn_embedded_device_login_async (TnDevice            *device,
                                GCancellable        *cancellable,
                                GAsyncReadyCallback  callback,
                                gpointer             user_data)
{
  TnEmbeddedDevice *self = TN_EMBEDDED_DEVICE (device);
  g_autoptr (GTask) task = g_task_new (self, cancellable, callback, user_data);

  g_task_set_source_tag (task, tn_device_login_async);
  if (g_task_return_error_if_cancelled (task))
    return;
  if (self->opening != NULL)
    g_ptr_array_add (self->early_calls, g_steal_pointer (&task));
  else if (self->runtime == NULL)
    g_task_return_new_error (task, G_IO_ERROR, G_IO_ERROR_NOT_CONNECTED, "device %s is stopped", self->hostname);
  else
    tn_runtime_login (self->runtime, task, self->auth_key);
}

static void
logout_cb (GObject      *object,
           GAsyncResult *result,
           gpointer      user_data)
{
  TnEmbeddedDevice *self = TN_EMBEDDED_DEVICE (object);
  g_autoptr (GTask) task = user_data;
  GError *error = NULL;

  /* The keys are forgotten, and nobody is connected any more: without an answer, too, this is the end. */
  if (!g_task_propagate_boolean (G_TASK (result), &error))
    {
      if (self->runtime != NULL)
        tn_embedded_device_close_down (self);
      g_task_return_error (task, error);
      return;
    }
  if (self->runtime == NULL)
    {
      g_task_return_boolean (task, TRUE);
      return;
    }
  g_ptr_array_add (self->stop_tasks, g_steal_pointer (&task));
  tn_embedded_device_close_down (self);
}

void
tn_embedded_device_logout_async (TnDevice            *device,
                                 GCancellable        *cancellable,
                                 GAsyncReadyCallback  callback,
                                 gpointer             user_data)
{
  TnEmbeddedDevice *self = TN_EMBEDDED_DEVICE (device);
  GTask *task = g_task_new (self, cancellable, callback, user_data);
  g_autoptr (GTask) logout = NULL;

  g_task_set_source_tag (task, tn_device_logout_async);
  /* Nobody is logged out who thought better of it. */
  if (g_task_return_error_if_cancelled (task))
    {
      g_object_unref (task);
      return;
    }
  if (self->runtime == NULL && self->opening == NULL)
    {
      g_task_return_new_error (task, G_IO_ERROR, G_IO_ERROR_NOT_CONNECTED, "device %s is stopped", self->hostname);
      g_object_unref (task);
      return;
    }
  logout = g_task_new (self, cancellable, logout_cb, task);
  if (self->opening != NULL)
    g_ptr_array_add (self->early_calls, g_steal_pointer (&logout));
  else
    tn_runtime_logout (self->runtime, logout);
}
