/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "device-kit.h"

/* --- A store that answers when the test says so, as one that asks somebody for a password would --- */

#define SLOW_TYPE_STORE (slow_store_get_type ())
G_DECLARE_FINAL_TYPE (SlowStore, slow_store, SLOW, STORE, GObject)

typedef enum { OP_NONE, OP_ACQUIRE, OP_LOAD, OP_SAVE } Op;

struct _SlowStore
{
  GObject       parent_instance;
  TnStateStore *inner;
  GMainContext *context;         /* nullable: where calls have to come */
  Op            stuck;           /* waits for slow_go_on() */
  Op            broken;          /* fails */
  gboolean      stubborn;        /* cancelling is of no use */
  GPtrArray    *waiting;         /* of GTask */
  guint         n_saved;
  guint         n_answered;      /* of those that waited */
  gboolean      held;
};

typedef struct
{
  Op       op;
  gboolean waited;
  char    *key;
  GBytes  *value;
} Call;

static void slow_store_iface_init (TnStateStoreInterface *iface);

G_DEFINE_FINAL_TYPE_WITH_CODE (SlowStore, slow_store, G_TYPE_OBJECT,
                               G_IMPLEMENT_INTERFACE (TN_TYPE_STATE_STORE, slow_store_iface_init))

static void
call_free (Call *call)
{
  g_clear_pointer (&call->value, g_bytes_unref);
  g_free (call->key);
  g_free (call);
}

static void
inner_done_cb (GObject *object, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  SlowStore *self = g_task_get_source_object (task);
  Op op = ((Call *) g_task_get_task_data (task))->op;
  TnStateStore *inner = TN_STATE_STORE (object);
  GError *error = NULL;
  GBytes *value = NULL;

  if (op == OP_LOAD)
    value = tn_state_store_load_finish (inner, result, &error);
  else if (op == OP_SAVE)
    self->n_saved += tn_state_store_save_finish (inner, result, &error);
  else
    self->held = tn_state_store_acquire_finish (inner, result, &error);

  if (error != NULL)
    g_task_return_error (task, error);
  else if (op == OP_LOAD)
    g_task_return_pointer (task, value, (GDestroyNotify) g_bytes_unref);
  else
    g_task_return_boolean (task, TRUE);
  self->n_answered += ((Call *) g_task_get_task_data (task))->waited;
}

static void
carry_out (SlowStore *self, GTask *task)
{
  Call *call = g_task_get_task_data (task);

  if (call->op == OP_LOAD)
    tn_state_store_load_async (self->inner, call->key, NULL, inner_done_cb, g_object_ref (task));
  else if (call->op == OP_SAVE)
    tn_state_store_save_async (self->inner, call->key, call->value, NULL, inner_done_cb, g_object_ref (task));
  else
    tn_state_store_acquire_async (self->inner, NULL, inner_done_cb, g_object_ref (task));
}

static void
cancelled_cb (GCancellable *cancellable, gpointer data)
{
  g_autoptr (GTask) task = g_object_ref (data);
  SlowStore *self = g_task_get_source_object (task);

  if (g_ptr_array_remove (self->waiting, task))
    g_task_return_error_if_cancelled (task);
}

static void
begin (gpointer store, Op op, const char *key, GBytes *value, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  SlowStore *self = SLOW_STORE (store);
  g_autoptr (GTask) task = g_task_new (self, cancellable, callback, user_data);
  Call *call = g_new0 (Call, 1);

  if (self->context != NULL)
    g_assert_true (g_main_context_get_thread_default () == self->context);
  call->op = op;
  call->key = g_strdup (key);
  call->value = value != NULL ? g_bytes_ref (value) : NULL;
  g_task_set_task_data (task, call, (GDestroyNotify) call_free);
  g_task_set_check_cancellable (task, FALSE);
  if (g_cancellable_is_cancelled (cancellable) && !self->stubborn)
    g_task_return_error_if_cancelled (task);
  else if (op == self->broken)
    g_task_return_new_error (task, G_IO_ERROR, G_IO_ERROR_PERMISSION_DENIED, "the keyring stays locked");
  else if (op != self->stuck)
    carry_out (self, task);
  else
    {
      call->waited = TRUE;
      g_ptr_array_add (self->waiting, g_object_ref (task));
      if (cancellable != NULL && !self->stubborn)
        g_signal_connect_object (cancellable, "cancelled", G_CALLBACK (cancelled_cb), task, 0);
    }
}

static void
slow_go_on (SlowStore *self)
{
  g_autoptr (GPtrArray) waiting = g_steal_pointer (&self->waiting);

  self->waiting = g_ptr_array_new_with_free_func (g_object_unref);
  self->stuck = OP_NONE;
  for (guint i = 0; i < waiting->len; i++)
    carry_out (self, g_ptr_array_index (waiting, i));
}

static void
slow_acquire_async (TnStateStore *store, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  begin (store, OP_ACQUIRE, NULL, NULL, cancellable, callback, user_data);
}

static void
slow_load_async (TnStateStore *store, const char *key, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  begin (store, OP_LOAD, key, NULL, cancellable, callback, user_data);
}

static void
slow_save_async (TnStateStore *store, const char *key, GBytes *value, GCancellable *cancellable, GAsyncReadyCallback callback,
                 gpointer user_data)
{
  begin (store, OP_SAVE, key, value, cancellable, callback, user_data);
}

static gboolean
slow_boolean_finish (TnStateStore *store, GAsyncResult *result, GError **error)
{
  return g_task_propagate_boolean (G_TASK (result), error);
}

static GBytes *
slow_load_finish (TnStateStore *store, GAsyncResult *result, GError **error)
{
  return g_task_propagate_pointer (G_TASK (result), error);
}

static void
slow_release (TnStateStore *store)
{
  SLOW_STORE (store)->held = FALSE;
  tn_state_store_release (SLOW_STORE (store)->inner);
}

static void
slow_store_finalize (GObject *object)
{
  g_ptr_array_unref (SLOW_STORE (object)->waiting);
  g_object_unref (SLOW_STORE (object)->inner);
  G_OBJECT_CLASS (slow_store_parent_class)->finalize (object);
}

static void
slow_store_iface_init (TnStateStoreInterface *iface)
{
  iface->acquire_async = slow_acquire_async;
  iface->acquire_finish = slow_boolean_finish;
  iface->release = slow_release;
  iface->load_async = slow_load_async;
  iface->load_finish = slow_load_finish;
  iface->save_async = slow_save_async;
  iface->save_finish = slow_boolean_finish;
}

static void
slow_store_class_init (SlowStoreClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = slow_store_finalize;
}

static void
slow_store_init (SlowStore *self)
{
  self->inner = tn_memory_state_store_new ();
  self->waiting = g_ptr_array_new_with_free_func (g_object_unref);
}

static gboolean
is_waiting (gpointer store)
{
  return SLOW_STORE (store)->waiting->len > 0;
}

/* --- Tests --- */

typedef struct
{
  TnTestkitTailnet *tailnet;
  SlowStore        *store;
  TnDevice         *device;
  GAsyncResult     *started;
} Fixture;

static void
set_up (Fixture *fixture, gconstpointer user_data)
{
  fixture->tailnet = kit_tailnet_new ();
  fixture->store = g_object_new (SLOW_TYPE_STORE, NULL);
  fixture->device = kit_device_new (fixture->tailnet, "slow", TN_STATE_STORE (fixture->store), TRUE);
}

static gboolean
is_null (gpointer place)
{
  return *(gpointer *) place == NULL;
}

/* What a late answer has on its way has its reference for a moment more. */
static void
drop (gpointer object)
{
  gpointer left = object;

  g_object_add_weak_pointer (object, &left);
  g_object_unref (object);
  kit_wait_for ("the object to go", is_null, &left);
}

static void
tear_down (Fixture *fixture, gconstpointer user_data)
{
  g_clear_object (&fixture->started);
  kit_stop (fixture->device);
  g_assert_false (fixture->store->held);
  drop (fixture->device);
  drop (fixture->store);
  g_object_unref (fixture->tailnet);
}

static TnTestkitNode *
lookup_node (Fixture *fixture)
{
  return tn_testkit_control_lookup_node (tn_testkit_tailnet_get_control (fixture->tailnet), "slow");
}

static void
start_stuck (Fixture *fixture, Op op)
{
  fixture->store->stuck = op;
  tn_device_start_async (fixture->device, NULL, kit_result_cb, &fixture->started);
  kit_wait_for ("the store to be asked", is_waiting, fixture->store);
  g_assert_null (fixture->started);
}

static void
assert_started (Fixture *fixture)
{
  g_autoptr (GError) error = NULL;

  g_assert_true (tn_device_start_finish (fixture->device, kit_wait (&fixture->started), &error));
  g_assert_no_error (error);
}

static void
assert_not_started (Fixture *fixture, int code)
{
  g_autoptr (GError) error = NULL;

  g_assert_false (tn_device_start_finish (fixture->device, kit_wait (&fixture->started), &error));
  g_assert_error (error, G_IO_ERROR, code);
  g_assert_cmpint (tn_device_get_state (fixture->device), ==, TN_DEVICE_STATE_STOPPED);
  g_assert_false (fixture->store->held);
  g_clear_object (&fixture->started);
}

/* Somebody takes his time with the password. */
static void
test_waits (Fixture *fixture, gconstpointer op)
{
  g_autoptr (GAsyncResult) second = NULL;
  g_autoptr (GError) error = NULL;

  start_stuck (fixture, GPOINTER_TO_INT (op));
  tn_device_start_async (fixture->device, NULL, kit_result_cb, &second);
  g_assert_false (tn_device_start_finish (fixture->device, kit_wait (&second), &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_PENDING);
  g_assert_null (fixture->started);
  slow_go_on (fixture->store);
  assert_started (fixture);
}

/* Keys that no store has go nowhere. */
static void
test_saved_before_used (Fixture *fixture, gconstpointer user_data)
{
  g_autoptr (TnTestkitNode) before = NULL, after = NULL;

  start_stuck (fixture, OP_SAVE);
  before = lookup_node (fixture);
  g_assert_null (before);
  g_assert_cmpuint (fixture->store->n_saved, ==, 0);
  slow_go_on (fixture->store);
  assert_started (fixture);
  after = lookup_node (fixture);
  g_assert_nonnull (after);
  g_assert_cmpuint (fixture->store->n_saved, >=, 2);
}

static void
test_stop (Fixture *fixture, gconstpointer op)
{
  start_stuck (fixture, GPOINTER_TO_INT (op));
  kit_stop (fixture->device);
  assert_not_started (fixture, G_IO_ERROR_CANCELLED);
  fixture->store->stuck = OP_NONE;
  g_assert_true (kit_start (fixture->device, NULL));
}

/* A store that cannot be cancelled is given back what it gives later; who starts meanwhile is told that the device is stopping. */
static void
test_stop_stubborn (Fixture *fixture, gconstpointer op)
{
  g_autoptr (GAsyncResult) stopped = NULL, second = NULL;
  g_autoptr (GError) error = NULL;

  fixture->store->stubborn = TRUE;
  start_stuck (fixture, GPOINTER_TO_INT (op));
  tn_device_stop_async (fixture->device, NULL, kit_result_cb, &stopped);
  tn_device_start_async (fixture->device, NULL, kit_result_cb, &second);
  g_assert_false (tn_device_start_finish (fixture->device, kit_wait (&second), &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_PENDING);
  g_assert_null (stopped);
  slow_go_on (fixture->store);
  g_assert_true (tn_device_stop_finish (fixture->device, kit_wait (&stopped), NULL));
  assert_not_started (fixture, G_IO_ERROR_CANCELLED);
  g_assert_true (kit_start (fixture->device, NULL));
}

static gboolean
is_answered (gpointer store)
{
  return SLOW_STORE (store)->n_answered > 0 && !SLOW_STORE (store)->held;
}

/* One that never answers does not hold up the end for ever. What it says after all goes nowhere, and what it gives it gets back. */
static void
test_stop_unanswered (Fixture *fixture, gconstpointer op)
{
  fixture->store->stubborn = TRUE;
  start_stuck (fixture, GPOINTER_TO_INT (op));
  kit_stop (fixture->device);
  assert_not_started (fixture, G_IO_ERROR_CANCELLED);
  fixture->store->n_answered = 0;
  slow_go_on (fixture->store);
  kit_wait_for ("the late answer", is_answered, fixture->store);
  g_assert_true (kit_start (fixture->device, NULL));
}

static char *
dup_stable_id (TnDevice *device)
{
  g_autoptr (TnNode) self = tn_device_dup_self_node (device);

  return g_strdup (tn_node_get_stable_id (self));
}

static void
set_expiry (Fixture *fixture, gint64 from_now_s)
{
  g_assert_true (tn_testkit_control_set_node_expiry (tn_testkit_tailnet_get_control (fixture->tailnet), "slow",
                                                     g_get_real_time () / G_USEC_PER_SEC + from_now_s, NULL));
}

/* Of a new key that the server has taken in place of one that had expired. */
static void
ask_for_save (Fixture *fixture, gboolean stubborn, GAsyncResult **login)
{
  set_expiry (fixture, -1);
  kit_wait_state (fixture->device, TN_DEVICE_STATE_NEEDS_LOGIN);
  fixture->store->stuck = OP_SAVE;
  fixture->store->stubborn = stubborn;
  tn_device_login_async (fixture->device, NULL, kit_result_cb, login);
  kit_wait_for ("the store to be asked", is_waiting, fixture->store);
}

/* The server has taken the new key, and the store has not: with an auth key the node is who it was. */
static void
test_stop_saving (Fixture *fixture, gconstpointer stubborn)
{
  g_autoptr (GAsyncResult) login = NULL;
  g_autofree char *before = NULL, *after = NULL;

  g_assert_true (kit_start (fixture->device, NULL));
  before = dup_stable_id (fixture->device);
  ask_for_save (fixture, GPOINTER_TO_INT (stubborn), &login);
  kit_stop (fixture->device);
  g_assert_false (fixture->store->held);
  g_assert_false (tn_device_login_finish (fixture->device, kit_wait (&login), NULL));

  fixture->store->stuck = OP_NONE;
  g_assert_true (kit_start (fixture->device, NULL));
  after = dup_stable_id (fixture->device);
  g_assert_cmpstr (after, ==, before);
  kit_stop (fixture->device);
  fixture->store->n_answered = 0;
  if (is_waiting (fixture->store))
    {
      slow_go_on (fixture->store);
      kit_wait_for ("the late answer", is_answered, fixture->store);
    }
}

/* Somebody wanted them to be forgotten: the store has its time, and then the call says that it was not so. */
static void
test_stop_forgetting (Fixture *fixture, gconstpointer stubborn)
{
  g_autoptr (GAsyncResult) logout = NULL;

  g_assert_true (kit_start (fixture->device, NULL));
  fixture->store->stuck = OP_SAVE;
  fixture->store->stubborn = GPOINTER_TO_INT (stubborn);
  tn_device_logout_async (fixture->device, NULL, kit_result_cb, &logout);
  kit_wait_for ("the store to be asked", is_waiting, fixture->store);
  kit_stop (fixture->device);
  g_assert_false (fixture->store->held);
  g_assert_false (tn_device_logout_finish (fixture->device, kit_wait (&logout), NULL));
  fixture->store->n_answered = 0;
  if (is_waiting (fixture->store))
    {
      slow_go_on (fixture->store);
      kit_wait_for ("the late answer", is_answered, fixture->store);
    }
}

static void
test_cancel (Fixture *fixture, gconstpointer op)
{
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();

  fixture->store->stuck = GPOINTER_TO_INT (op);
  tn_device_start_async (fixture->device, cancellable, kit_result_cb, &fixture->started);
  kit_wait_for ("the store to be asked", is_waiting, fixture->store);
  g_cancellable_cancel (cancellable);
  assert_not_started (fixture, G_IO_ERROR_CANCELLED);
}

static void
test_broken (Fixture *fixture, gconstpointer op)
{
  fixture->store->broken = GPOINTER_TO_INT (op);
  tn_device_start_async (fixture->device, NULL, kit_result_cb, &fixture->started);
  assert_not_started (fixture, G_IO_ERROR_PERMISSION_DENIED);
  fixture->store->broken = OP_NONE;
  g_assert_true (kit_start (fixture->device, NULL));
}

static void
test_logout_broken (Fixture *fixture, gconstpointer user_data)
{
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GError) error = NULL;

  g_assert_true (kit_start (fixture->device, NULL));
  fixture->store->broken = OP_SAVE;
  tn_device_logout_async (fixture->device, NULL, kit_result_cb, &result);
  g_assert_false (tn_device_logout_finish (fixture->device, kit_wait (&result), &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_PERMISSION_DENIED);
}

/* Before there is anything to log in with: it is not lost. */
static void
test_early_login (Fixture *fixture, gconstpointer user_data)
{
  g_autoptr (GAsyncResult) login = NULL, late = NULL;
  g_autoptr (GError) error = NULL;

  start_stuck (fixture, OP_LOAD);
  tn_device_login_async (fixture->device, NULL, kit_result_cb, &login);
  kit_stop (fixture->device);
  g_assert_false (tn_device_login_finish (fixture->device, kit_wait (&login), &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CLOSED);
  g_clear_error (&error);
  assert_not_started (fixture, G_IO_ERROR_CANCELLED);

  start_stuck (fixture, OP_LOAD);
  tn_device_login_async (fixture->device, NULL, kit_result_cb, &late);
  slow_go_on (fixture->store);
  g_assert_true (tn_device_login_finish (fixture->device, kit_wait (&late), &error));
  g_assert_no_error (error);
  assert_started (fixture);
}

static void
start_again_cb (GObject *object, GAsyncResult *result, gpointer data)
{
  Fixture *fixture = data;
  g_autoptr (GError) error = NULL;

  g_assert_false (tn_device_login_finish (fixture->device, result, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CLOSED);
  assert_not_started (fixture, G_IO_ERROR_CANCELLED);
  tn_device_start_async (fixture->device, NULL, kit_result_cb, &fixture->started);
}

/* Whoever hears of the end of anything finds a device that has ended. */
static void
test_early_login_restarts (Fixture *fixture, gconstpointer user_data)
{
  start_stuck (fixture, OP_LOAD);
  tn_device_login_async (fixture->device, NULL, start_again_cb, fixture);
  fixture->store->stuck = OP_NONE;
  kit_stop (fixture->device);
  assert_started (fixture);
}

/* A context that is nobody's thread-default one: calls come with it as such nevertheless, also those in the middle. */
static void
test_context (Fixture *fixture, gconstpointer user_data)
{
  g_autoptr (GMainContext) context = g_main_context_new ();
  g_autoptr (SlowStore) store = g_object_new (SLOW_TYPE_STORE, NULL);
  g_autofree char *url = tn_testkit_tailnet_dup_control_url (fixture->tailnet);
  g_autoptr (TnDevice) device = g_object_new (TN_TYPE_EMBEDDED_DEVICE, "hostname", "elsewhere", "control-url", url,
                                              "state-store", store, "main-context", context,
                                              "auth-key", tn_testkit_tailnet_get_auth_key (fixture->tailnet), NULL);

  store->context = context;
  tn_device_start_async (device, NULL, NULL, NULL);
  while (tn_device_get_state (device) != TN_DEVICE_STATE_RUNNING)
    g_main_context_iteration (context, TRUE);
  tn_device_stop_async (device, NULL, NULL, NULL);
  while (tn_device_get_state (device) != TN_DEVICE_STATE_STOPPED)
    g_main_context_iteration (context, TRUE);
  while (g_main_context_iteration (NULL, FALSE))      /* where the ends of the two calls went */
    ;
}

int
main (int    argc,
      char **argv)
{
  g_test_init (&argc, &argv, NULL);
#define ADD(path, op, func) g_test_add ("/device/embedded-store/" path, Fixture, GINT_TO_POINTER (op), set_up, func, tear_down)
  ADD ("waits/acquire", OP_ACQUIRE, test_waits);
  ADD ("waits/load", OP_LOAD, test_waits);
  ADD ("saved-before-used", 0, test_saved_before_used);
  ADD ("stop/acquire", OP_ACQUIRE, test_stop);
  ADD ("stop/load", OP_LOAD, test_stop);
  ADD ("stop/save", OP_SAVE, test_stop);
  ADD ("stop-stubborn/acquire", OP_ACQUIRE, test_stop_stubborn);
  ADD ("stop-stubborn/load", OP_LOAD, test_stop_stubborn);
  ADD ("stop-stubborn/save", OP_SAVE, test_stop_stubborn);
  ADD ("stop-unanswered/acquire", OP_ACQUIRE, test_stop_unanswered);
  ADD ("stop-unanswered/load", OP_LOAD, test_stop_unanswered);
  ADD ("stop-saving/cancelled", FALSE, test_stop_saving);
  ADD ("stop-saving/unanswered", TRUE, test_stop_saving);
  ADD ("stop-forgetting/cancelled", FALSE, test_stop_forgetting);
  ADD ("stop-forgetting/unanswered", TRUE, test_stop_forgetting);
  ADD ("cancel/acquire", OP_ACQUIRE, test_cancel);
  ADD ("cancel/load", OP_LOAD, test_cancel);
  ADD ("broken/acquire", OP_ACQUIRE, test_broken);
  ADD ("broken/load", OP_LOAD, test_broken);
  ADD ("broken/save", OP_SAVE, test_broken);
  ADD ("logout-broken", 0, test_logout_broken);
  ADD ("early-login", 0, test_early_login);
  ADD ("early-login-restarts", 0, test_early_login_restarts);
  ADD ("context", 0, test_context);
  return g_test_run ();
}
