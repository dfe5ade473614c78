/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Tells ThreadSanitizer of what GLib orders. GLib is not built with it, and its locks are futexes, which it cannot see: without this
 * everything that a GMutex guards looks like a race. Preloaded by the test setup "thread": each function here stands before GLib's
 * own for calls from outside GLib, says what happens before what, and goes on to GLib's. */

#include <dlfcn.h>
#include <gio/gio.h>
#include <sanitizer/tsan_interface.h>

/* Not there in programs that a test starts and that are not built with it. */
#pragma weak __tsan_acquire
#pragma weak __tsan_release

static void
after (void *what)
{
  if (__tsan_acquire != NULL && what != NULL)
    __tsan_acquire (what);
}

static void
before (void *what)
{
  if (__tsan_release != NULL && what != NULL)
    __tsan_release (what);
}

#undef g_once_init_enter
#undef g_once_init_leave

#define NEXT(name)                                              \
  static typeof (&name) next;                                   \
  if (G_UNLIKELY (next == NULL))                                \
    next = (typeof (&name)) dlsym (RTLD_NEXT, #name)

#define ACQUIRES(name, type)                                    \
  G_MODULE_EXPORT void name (type *what) { NEXT (name); next (what); after (what); }

#define RELEASES(name, type)                                    \
  G_MODULE_EXPORT void name (type *what) { NEXT (name); before (what); next (what); }

#define TRIES(name, type)                                       \
  G_MODULE_EXPORT gboolean name (type *what)                    \
  { gboolean taken; NEXT (name); taken = next (what); if (taken) after (what); return taken; }

/* Whoever lets go last may free: what the others did is done. */
#define DROPS(name, type)                                       \
  G_MODULE_EXPORT void name (type *what)                        \
  { NEXT (name); before (what); after (what); next (what); }

ACQUIRES (g_mutex_lock, GMutex)
TRIES (g_mutex_trylock, GMutex)
RELEASES (g_mutex_unlock, GMutex)
ACQUIRES (g_rec_mutex_lock, GRecMutex)
TRIES (g_rec_mutex_trylock, GRecMutex)
RELEASES (g_rec_mutex_unlock, GRecMutex)
ACQUIRES (g_rw_lock_reader_lock, GRWLock)
RELEASES (g_rw_lock_reader_unlock, GRWLock)
ACQUIRES (g_rw_lock_writer_lock, GRWLock)
RELEASES (g_rw_lock_writer_unlock, GRWLock)

G_MODULE_EXPORT void
g_cond_wait (GCond  *cond,
             GMutex *mutex)
{
  NEXT (g_cond_wait);
  before (mutex);
  next (cond, mutex);
  after (mutex);
}

G_MODULE_EXPORT gboolean
g_cond_wait_until (GCond  *cond,
                   GMutex *mutex,
                   gint64  end_time)
{
  gboolean signalled;

  NEXT (g_cond_wait_until);
  before (mutex);
  signalled = next (cond, mutex, end_time);
  after (mutex);
  return signalled;
}

G_MODULE_EXPORT gboolean
(g_once_init_enter) (volatile void *location)
{
  gboolean first;

  NEXT (g_once_init_enter);
  first = next (location);
  after ((void *) location);
  return first;
}

G_MODULE_EXPORT void
(g_once_init_leave) (volatile void *location,
                     gsize          result)
{
  NEXT (g_once_init_leave);
  before ((void *) location);
  next (location, result);
}

/* --- References --- */

DROPS (g_object_unref, void)
DROPS (g_bytes_unref, GBytes)

G_MODULE_EXPORT gboolean
(g_atomic_ref_count_dec) (gatomicrefcount *count)
{
  gboolean last;

  NEXT (g_atomic_ref_count_dec);
  before ((void *) count);
  last = next (count);
  if (last)
    after ((void *) count);
  return last;
}

G_MODULE_EXPORT void
g_weak_ref_set (GWeakRef *weak_ref,
                gpointer  object)
{
  NEXT (g_weak_ref_set);
  before (weak_ref);
  next (weak_ref, object);
}

G_MODULE_EXPORT gpointer
g_weak_ref_get (GWeakRef *weak_ref)
{
  gpointer object;

  NEXT (g_weak_ref_get);
  object = next (weak_ref);
  after (weak_ref);
  return object;
}

/* --- Main contexts: a source's callback comes after its attaching --- */

typedef struct
{
  GSourceFunc    func;
  gpointer       data;
  GDestroyNotify notify;
} Callback;

static gboolean
dispatch_cb (gpointer user_data)
{
  Callback *callback = user_data;

  after (g_main_current_source ());
  return callback->func (callback->data);
}

static gboolean
invoke_cb (gpointer user_data)
{
  Callback *callback = user_data;

  after (callback);
  return callback->func (callback->data);
}

static void
callback_free (gpointer user_data)
{
  Callback *callback = user_data;

  after (callback);
  if (callback->notify != NULL)
    callback->notify (callback->data);
  g_free (callback);
}

G_MODULE_EXPORT void
g_source_set_callback (GSource        *source,
                       GSourceFunc     func,
                       gpointer        data,
                       GDestroyNotify  notify)
{
  Callback *callback;

  NEXT (g_source_set_callback);
  before (source);
  if (source->source_funcs != &g_idle_funcs && source->source_funcs != &g_timeout_funcs)
    {
      next (source, func, data, notify);
      return;
    }
  callback = g_new (Callback, 1);
  *callback = (Callback) { func, data, notify };
  before (callback);
  next (source, dispatch_cb, callback, callback_free);
}

G_MODULE_EXPORT guint
g_source_attach (GSource      *source,
                 GMainContext *context)
{
  NEXT (g_source_attach);
  before (source);
  return next (source, context);
}

G_MODULE_EXPORT void
g_main_context_invoke_full (GMainContext   *context,
                            int             priority,
                            GSourceFunc     func,
                            gpointer        data,
                            GDestroyNotify  notify)
{
  Callback *callback = g_new (Callback, 1);

  NEXT (g_main_context_invoke_full);
  *callback = (Callback) { func, data, notify };
  before (callback);
  next (context, priority, invoke_cb, callback, callback_free);
}

G_MODULE_EXPORT void
g_main_context_invoke (GMainContext *context,
                       GSourceFunc   func,
                       gpointer      data)
{
  g_main_context_invoke_full (context, G_PRIORITY_DEFAULT, func, data, NULL);
}

/* --- Tasks and cancellables --- */

#define RETURNS(name, type)                                     \
  G_MODULE_EXPORT void name (GTask *task, type value) { NEXT (name); before (task); next (task, value); }

#define PROPAGATES(name, type)                                  \
  G_MODULE_EXPORT type name (GTask *task, GError **error) { NEXT (name); after (task); return next (task, error); }

RETURNS (g_task_return_boolean, gboolean)
RETURNS (g_task_return_int, gssize)
RETURNS (g_task_return_error, GError *)
PROPAGATES (g_task_propagate_boolean, gboolean)
PROPAGATES (g_task_propagate_int, gssize)
PROPAGATES (g_task_propagate_pointer, gpointer)
RELEASES (g_cancellable_cancel, GCancellable)
TRIES (g_cancellable_is_cancelled, GCancellable)

G_MODULE_EXPORT void
g_task_return_pointer (GTask          *task,
                       gpointer        result,
                       GDestroyNotify  destroy)
{
  NEXT (g_task_return_pointer);
  before (task);
  next (task, result, destroy);
}

/* The function of a task in another thread comes after what its maker did; what it did itself comes before its return. */
static void
task_thread_func (GTask        *task,
                  gpointer      source,
                  gpointer      task_data,
                  GCancellable *cancellable)
{
  void (*func) (void) = (void (*) (void)) g_object_get_data (G_OBJECT (task), "tsan-thread-func");

  after (task);
  ((GTaskThreadFunc) func) (task, source, task_data, cancellable);
  before (task);
}

G_MODULE_EXPORT void
g_task_run_in_thread (GTask           *task,
                      GTaskThreadFunc  func)
{
  NEXT (g_task_run_in_thread);
  g_object_set_data (G_OBJECT (task), "tsan-thread-func", (gpointer) (void (*) (void)) func);
  before (task);
  next (task, task_thread_func);
}

/* --- Thread pools: what is pushed comes before its work --- */

typedef struct
{
  GFunc     func;
  gpointer  data;
} Work;

static void
work_cb (gpointer data,
         gpointer user_data)
{
  Work *work = user_data;

  after (data);
  work->func (data, work->data);
}

G_MODULE_EXPORT GThreadPool *
g_thread_pool_new (GFunc      func,
                   gpointer   user_data,
                   int        max_threads,
                   gboolean   exclusive,
                   GError   **error)
{
  Work *work = g_new (Work, 1);      /* never freed: no pool tells when it is done with it */

  NEXT (g_thread_pool_new);
  *work = (Work) { func, user_data };
  before (work);
  return next (work_cb, work, max_threads, exclusive, error);
}

G_MODULE_EXPORT gboolean
g_thread_pool_push (GThreadPool  *pool,
                    gpointer      data,
                    GError      **error)
{
  NEXT (g_thread_pool_push);
  before (data);
  return next (pool, data, error);
}
