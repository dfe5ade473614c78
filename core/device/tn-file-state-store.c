/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-file-state-store.h"

#include "tn-context.h"
#include "tn-state-directory.h"

/**
 * TnFileStateStore:
 *
 * A state store in a directory, one file a key: `KEY.state`, readable by their owner alone and replaced atomically. The directory
 * is made when the store is acquired, and locked while it is in use; one whose contents others can read draws a warning. The disk
 * is waited for in a thread of the store's own, and calls are carried out in the order in which they were made. A value has
 * 32 MiB at most.
 *
 * Since: 0.1
 */
struct _TnFileStateStore
{
  GObject           parent_instance;
  char             *directory;      /* immutable after construction */
  GThreadPool      *worker;         /* of one thread: the disk may be slow, and the order counts */
  GMutex            lock;           /* guards what follows */
  TnStateDirectory *held;           /* NULL while not acquired */
};

enum { PROP_0, PROP_DIRECTORY, N_PROPS };

static void tn_file_state_store_iface_init (TnStateStoreInterface *iface);
static void tn_file_state_store_load_async (TnStateStore *store, const char *key, GCancellable *cancellable,
                                            GAsyncReadyCallback callback, gpointer user_data);

G_DEFINE_FINAL_TYPE_WITH_CODE (TnFileStateStore, tn_file_state_store, G_TYPE_OBJECT,
                               G_IMPLEMENT_INTERFACE (TN_TYPE_STATE_STORE, tn_file_state_store_iface_init))

static GParamSpec *properties[N_PROPS];

/* --- Calls: carried out by the worker, in their order --- */

typedef struct _Job Job;

struct _Job
{
  void            (*run) (TnFileStateStore *self, Job *job);
  TnStateDirectory *held;      /* for all but an acquisition */
  char             *key;
  GBytes           *value;     /* nullable: to save, or what was loaded */
  GError           *error;
};

static void
job_free (Job *job)
{
  g_clear_pointer (&job->held, tn_state_directory_unref);
  g_clear_pointer (&job->value, g_bytes_unref);
  g_clear_error (&job->error);
  g_free (job->key);
  g_free (job);
}

static void
answer (gpointer data)
{
  GTask *task = data;
  Job *job = g_task_get_task_data (task);

  if (job->error != NULL)
    g_task_return_error (task, g_steal_pointer (&job->error));
  else if (g_task_get_source_tag (task) == tn_file_state_store_load_async)
    g_task_return_pointer (task, g_steal_pointer (&job->value), (GDestroyNotify) g_bytes_unref);
  else
    g_task_return_boolean (task, TRUE);
}

/* Everything is let go of before the answer, which takes the task along: who then drops the store, or releases and acquires it
 * again, finds the directory free. */
static void
work (gpointer data,
      gpointer user_data)
{
  GTask *task = data;
  Job *job = g_task_get_task_data (task);

  if (!g_cancellable_set_error_if_cancelled (g_task_get_cancellable (task), &job->error))
    job->run (g_task_get_source_object (task), job);
  g_clear_pointer (&job->held, tn_state_directory_unref);
  tn_context_invoke (g_task_get_context (task), answer, task, g_object_unref);
}

/* What was done is said: a save that came through is no cancelled one, and nobody would release what a cancelled call acquired. */
static GTask *
new_task (TnFileStateStore    *self,
          GCancellable        *cancellable,
          GAsyncReadyCallback  callback,
          gpointer             user_data,
          gpointer             source_tag)
{
  GTask *task = g_task_new (self, cancellable, callback, user_data);

  g_task_set_source_tag (task, source_tag);
  g_task_set_check_cancellable (task, FALSE);
  return task;
}

static void
queue_job (TnFileStateStore *self,
           GTask            *task,      /* taken */
           Job              *job)       /* taken */
{
  g_task_set_task_data (task, job, (GDestroyNotify) job_free);
  g_thread_pool_push (self->worker, task, NULL);
}

static void
run_acquire (TnFileStateStore *self,
             Job              *job)
{
  TnStateDirectory *held;
  gboolean busy;

  g_mutex_lock (&self->lock);
  busy = self->held != NULL;
  g_mutex_unlock (&self->lock);
  if (busy)
    {
      g_set_error (&job->error, G_IO_ERROR, G_IO_ERROR_BUSY, "the state in %s is in use by another device of this process",
                   self->directory);
      return;
    }

  held = tn_state_directory_open (self->directory, &job->error);
  g_mutex_lock (&self->lock);
  self->held = held;
  g_mutex_unlock (&self->lock);
}

static void
tn_file_state_store_acquire_async (TnStateStore        *store,
                                   GCancellable        *cancellable,
                                   GAsyncReadyCallback  callback,
                                   gpointer             user_data)
{
  TnFileStateStore *self = TN_FILE_STATE_STORE (store);
  Job *job = g_new0 (Job, 1);

  job->run = run_acquire;
  queue_job (self, new_task (self, cancellable, callback, user_data, tn_file_state_store_acquire_async), job);
}

static void
tn_file_state_store_release (TnStateStore *store)
{
  TnFileStateStore *self = TN_FILE_STATE_STORE (store);
  TnStateDirectory *held;

  g_mutex_lock (&self->lock);
  held = g_steal_pointer (&self->held);
  g_mutex_unlock (&self->lock);
  g_clear_pointer (&held, tn_state_directory_unref);      /* jobs that wait have their own */
}

/* Takes @task and answers it when the store is not acquired. */
static void
queue_held (TnFileStateStore *self,
            GTask            *task,      /* taken */
            void            (*run) (TnFileStateStore *self, Job *job),
            const char       *key,
            GBytes           *value)
{
  Job *job = g_new0 (Job, 1);

  job->run = run;
  job->key = g_strdup (key);
  job->value = value != NULL ? g_bytes_ref (value) : NULL;
  g_mutex_lock (&self->lock);
  job->held = self->held != NULL ? tn_state_directory_ref (self->held) : NULL;
  g_mutex_unlock (&self->lock);
  if (job->held != NULL)
    {
      queue_job (self, task, job);
      return;
    }

  job_free (job);
  g_task_return_new_error (task, G_IO_ERROR, G_IO_ERROR_CLOSED, "the state in %s is not acquired", self->directory);
  g_object_unref (task);
}

static void
run_load (TnFileStateStore *self,
          Job              *job)
{
  job->value = tn_state_directory_load (job->held, job->key, &job->error);
}

static void
tn_file_state_store_load_async (TnStateStore        *store,
                                const char          *key,
                                GCancellable        *cancellable,
                                GAsyncReadyCallback  callback,
                                gpointer             user_data)
{
  TnFileStateStore *self = TN_FILE_STATE_STORE (store);

  queue_held (self, new_task (self, cancellable, callback, user_data, tn_file_state_store_load_async), run_load, key, NULL);
}

static void
run_save (TnFileStateStore *self,
          Job              *job)
{
  tn_state_directory_save (job->held, job->key, job->value, &job->error);
}

static void
tn_file_state_store_save_async (TnStateStore        *store,
                                const char          *key,
                                GBytes              *value,
                                GCancellable        *cancellable,
                                GAsyncReadyCallback  callback,
                                gpointer             user_data)
{
  TnFileStateStore *self = TN_FILE_STATE_STORE (store);

  queue_held (self, new_task (self, cancellable, callback, user_data, tn_file_state_store_save_async), run_save, key, value);
}

static gboolean
finish_boolean (TnStateStore  *store,
                GAsyncResult  *result,
                GError       **error)
{
  g_return_val_if_fail (g_task_is_valid (result, store), FALSE);

  return g_task_propagate_boolean (G_TASK (result), error);
}

static GBytes *
tn_file_state_store_load_finish (TnStateStore  *store,
                                 GAsyncResult  *result,
                                 GError       **error)
{
  g_return_val_if_fail (g_task_is_valid (result, store), NULL);

  return g_task_propagate_pointer (G_TASK (result), error);
}

/* --- Life --- */

static void
tn_file_state_store_finalize (GObject *object)
{
  TnFileStateStore *self = TN_FILE_STATE_STORE (object);

  g_thread_pool_free (self->worker, FALSE, FALSE);      /* idle: whatever is under way has a reference to the store */
  g_clear_pointer (&self->held, tn_state_directory_unref);
  g_mutex_clear (&self->lock);
  g_free (self->directory);

  G_OBJECT_CLASS (tn_file_state_store_parent_class)->finalize (object);
}

static void
tn_file_state_store_get_property (GObject    *object,
                                  guint       prop_id,
                                  GValue     *value,
                                  GParamSpec *pspec)
{
  switch (prop_id)
    {
    case PROP_DIRECTORY:
      g_value_set_string (value, TN_FILE_STATE_STORE (object)->directory);
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, prop_id, pspec);
    }
}

static void
tn_file_state_store_set_property (GObject      *object,
                                  guint         prop_id,
                                  const GValue *value,
                                  GParamSpec   *pspec)
{
  switch (prop_id)
    {
    case PROP_DIRECTORY:
      TN_FILE_STATE_STORE (object)->directory =
        g_value_get_string (value) != NULL ? g_value_dup_string (value) : g_strdup (".");
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, prop_id, pspec);
    }
}

static void
tn_file_state_store_iface_init (TnStateStoreInterface *iface)
{
  iface->acquire_async = tn_file_state_store_acquire_async;
  iface->acquire_finish = finish_boolean;
  iface->release = tn_file_state_store_release;
  iface->load_async = tn_file_state_store_load_async;
  iface->load_finish = tn_file_state_store_load_finish;
  iface->save_async = tn_file_state_store_save_async;
  iface->save_finish = finish_boolean;
}

static void
tn_file_state_store_class_init (TnFileStateStoreClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);

  object_class->finalize = tn_file_state_store_finalize;
  object_class->get_property = tn_file_state_store_get_property;
  object_class->set_property = tn_file_state_store_set_property;

  /**
   * TnFileStateStore:directory: (getter get_directory)
   *
   * Path of the directory, in the encoding of file names.
   *
   * Since: 0.1
   */
  properties[PROP_DIRECTORY] =
    g_param_spec_string ("directory", NULL, NULL, ".",
                         G_PARAM_READWRITE | G_PARAM_CONSTRUCT_ONLY | G_PARAM_STATIC_STRINGS);
  g_object_class_install_properties (object_class, N_PROPS, properties);
}

static void
tn_file_state_store_init (TnFileStateStore *self)
{
  g_mutex_init (&self->lock);
  self->worker = g_thread_pool_new (work, NULL, 1, FALSE, NULL);
}

/**
 * tn_file_state_store_new:
 * @directory: (type filename): path of a directory, which need not exist yet
 *
 * Makes a store in @directory. Nothing is touched before it is acquired.
 *
 * Returns: (transfer full) (type TnFileStateStore): a new store
 *
 * Since: 0.1
 */
TnStateStore *
tn_file_state_store_new (const char *directory)
{
  g_return_val_if_fail (directory != NULL, NULL);

  return g_object_new (TN_TYPE_FILE_STATE_STORE, "directory", directory, NULL);
}

/**
 * tn_file_state_store_get_directory:
 * @self: a state store
 *
 * Gets the directory.
 *
 * Returns: (type filename): the path as it was given
 *
 * Since: 0.1
 */
const char *
tn_file_state_store_get_directory (TnFileStateStore *self)
{
  g_return_val_if_fail (TN_IS_FILE_STATE_STORE (self), NULL);

  return self->directory;
}
