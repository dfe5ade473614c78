/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tn-error.h"
#include "tn-file-state-store.h"
#include "tn-memory-state-store.h"

/* --- The calls that touch the disk, wrapped by the linker: the process can be made to end at any of them --- */

static GString *calls;              /* not NULL: their names are noted */
static int die_at = -1;             /* the call at which the process ends; -1: none */
static int n_calls;
static gboolean die_torn;           /* half of a write() gets through */
static GMutex disk;                 /* held: fsync() waits */

ssize_t __real_write (int fd, const void *data, size_t len);
int __real_fsync (int fd);
int __real_renameat (int from_dir, const char *from, int to_dir, const char *to);
int __real_unlinkat (int dir, const char *name, int flags);
ssize_t __wrap_write (int fd, const void *data, size_t len);
int __wrap_fsync (int fd);
int __wrap_renameat (int from_dir, const char *from, int to_dir, const char *to);
int __wrap_unlinkat (int dir, const char *name, int flags);

static void
called (const char *name)
{
  if (calls != NULL)
    g_string_append_printf (calls, "%s ", name);
  if (n_calls++ == die_at)
    _exit (77);
}

ssize_t
__wrap_write (int fd, const void *data, size_t len)
{
  if (die_torn && n_calls == die_at && __real_write (fd, data, len / 2) < 0)
    _exit (78);
  called ("write");
  return __real_write (fd, data, len);
}

int
__wrap_fsync (int fd)
{
  struct stat info;

  called (fstat (fd, &info) == 0 && S_ISDIR (info.st_mode) ? "fsync-directory" : "fsync-file");
  g_mutex_lock (&disk);
  g_mutex_unlock (&disk);
  return __real_fsync (fd);
}

int
__wrap_renameat (int from_dir, const char *from, int to_dir, const char *to)
{
  called ("rename");
  return __real_renameat (from_dir, from, to_dir, to);
}

int
__wrap_unlinkat (int dir, const char *name, int flags)
{
  called ("unlink");
  return __real_unlinkat (dir, name, flags);
}

/* --- Helpers --- */

typedef struct
{
  char *directory;
} Fixture;

static void
set_up (Fixture *fixture, gconstpointer user_data)
{
  fixture->directory = g_dir_make_tmp ("tailnet-XXXXXX", NULL);
  g_assert_nonnull (fixture->directory);
}

static void
tear_down (Fixture *fixture, gconstpointer user_data)
{
  g_autoptr (GDir) dir = g_dir_open (fixture->directory, 0, NULL);
  const char *name;

  while (dir != NULL && (name = g_dir_read_name (dir)) != NULL)
    {
      g_autofree char *path = g_build_filename (fixture->directory, name, NULL);

      g_remove (path);
    }
  g_rmdir (fixture->directory);
  g_free (fixture->directory);
}

static void
result_cb (GObject *object, GAsyncResult *result, gpointer place)
{
  *(GAsyncResult **) place = g_object_ref (result);
}

static GAsyncResult *
wait_for (GAsyncResult **place)
{
  while (*place == NULL)
    g_main_context_iteration (g_main_context_get_thread_default (), TRUE);
  return *place;
}

static gboolean
acquire (TnStateStore *store, GError **error)
{
  g_autoptr (GAsyncResult) result = NULL;

  tn_state_store_acquire_async (store, NULL, result_cb, &result);
  g_assert_null (result);      /* never at once */
  return tn_state_store_acquire_finish (store, wait_for (&result), error);
}

static GBytes *
load (TnStateStore *store, const char *key, GError **error)
{
  g_autoptr (GAsyncResult) result = NULL;

  tn_state_store_load_async (store, key, NULL, result_cb, &result);
  g_assert_null (result);
  return tn_state_store_load_finish (store, wait_for (&result), error);
}

static gboolean
save_bytes (TnStateStore *store, const char *key, GBytes *value, GError **error)
{
  g_autoptr (GAsyncResult) result = NULL;

  tn_state_store_save_async (store, key, value, NULL, result_cb, &result);
  g_assert_null (result);
  return tn_state_store_save_finish (store, wait_for (&result), error);
}

static TnStateStore *
open_store (const char *directory)
{
  TnStateStore *store = directory != NULL ? tn_file_state_store_new (directory) : tn_memory_state_store_new ();
  g_autoptr (GError) error = NULL;

  acquire (store, &error);
  g_assert_no_error (error);
  return store;
}

static gboolean
save (TnStateStore *store, const char *key, const char *value, GError **error)
{
  g_autoptr (GBytes) bytes = g_bytes_new (value, strlen (value));

  return save_bytes (store, key, bytes, error);
}

static void
assert_value (TnStateStore *store, const char *key, const char *expected)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GBytes) value = load (store, key, &error);

  g_assert_no_error (error);
  if (expected == NULL)
    g_assert_null (value);
  else
    {
      g_assert_nonnull (value);
      g_assert_cmpmem (g_bytes_get_data (value, NULL), g_bytes_get_size (value), expected, strlen (expected));
    }
}

/* --- What every store does --- */

static void
contract_values (TnStateStore *store)
{
  static const guint8 binary[] = { 0, '\n', 0xff, 0, 1 };
  g_autoptr (GBytes) bytes = g_bytes_new (binary, sizeof binary);
  g_autoptr (GBytes) loaded = NULL;
  g_autoptr (GError) error = NULL;

  assert_value (store, "machine-key", NULL);
  g_assert_true (save (store, "machine-key", "one", &error));
  g_assert_true (save (store, "profile_1", "", &error));
  assert_value (store, "machine-key", "one");
  assert_value (store, "profile_1", "");
  g_assert_true (save (store, "machine-key", "two", &error));
  assert_value (store, "machine-key", "two");

  g_assert_true (save_bytes (store, "machine-key", bytes, &error));
  loaded = load (store, "machine-key", &error);
  g_assert_true (g_bytes_equal (loaded, bytes));

  g_assert_true (save_bytes (store, "machine-key", NULL, &error));
  g_assert_true (save_bytes (store, "machine-key", NULL, &error));
  assert_value (store, "machine-key", NULL);
  g_assert_no_error (error);
}

static void
contract_keys (TnStateStore *store)
{
  static const char *const bad[] = { "", ".", "..", "a/b", "../a", "a.state", "ä", "a b",
    "12345678901234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901" };

  for (gsize i = 0; i < G_N_ELEMENTS (bad); i++)
    {
      g_autoptr (GError) error = NULL;

      g_assert_false (save (store, bad[i], "value", &error));
      g_assert_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT);
      g_clear_error (&error);
      g_assert_null (load (store, bad[i], &error));
      g_assert_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT);
    }
}

static void
contract_ownership (TnStateStore *store)
{
  g_autoptr (GError) error = NULL;

  g_assert_false (acquire (store, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_BUSY);
  g_clear_error (&error);

  tn_state_store_release (store);
  tn_state_store_release (store);
  g_assert_false (save (store, "a", "value", &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CLOSED);
  g_clear_error (&error);
  g_assert_null (load (store, "a", &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CLOSED);
  g_clear_error (&error);

  g_assert_true (acquire (store, &error));
  g_assert_no_error (error);
}

/* One that is cancelled before it begins does nothing, and says so. */
static void
contract_cancel (TnStateStore *store)
{
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (GAsyncResult) saved = NULL, loaded = NULL, acquired = NULL;
  g_autoptr (GBytes) bytes = g_bytes_new_static ("new", 3);
  g_autoptr (GError) error = NULL;

  g_assert_true (save (store, "key", "old", &error));
  g_cancellable_cancel (cancellable);
  tn_state_store_save_async (store, "key", bytes, cancellable, result_cb, &saved);
  g_assert_false (tn_state_store_save_finish (store, wait_for (&saved), &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  g_clear_error (&error);
  tn_state_store_load_async (store, "key", cancellable, result_cb, &loaded);
  g_assert_null (tn_state_store_load_finish (store, wait_for (&loaded), &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  g_clear_error (&error);
  assert_value (store, "key", "old");

  tn_state_store_release (store);
  tn_state_store_acquire_async (store, cancellable, result_cb, &acquired);
  g_assert_false (tn_state_store_acquire_finish (store, wait_for (&acquired), &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  g_clear_error (&error);
  g_assert_true (acquire (store, &error));
}

static gboolean
count_cb (gpointer data)
{
  *(guint *) data += 1;
  return G_SOURCE_CONTINUE;
}

static void
saved_cb (GObject *object, GAsyncResult *result, gpointer data)
{
  g_autoptr (GError) error = NULL;

  g_assert_true (tn_state_store_save_finish (TN_STATE_STORE (object), result, &error));
  g_assert_no_error (error);
  *(guint *) data += 1;
}

/* Many at once: in their order, also past a release. */
static void
contract_order (TnStateStore *store)
{
  enum { N = 50 };
  guint n_saved = 0;

  for (guint i = 0; i < N; i++)
    {
      g_autofree char *text = g_strdup_printf ("value %u", i);
      g_autoptr (GBytes) value = g_bytes_new (text, strlen (text));

      tn_state_store_save_async (store, "key", i % 3 == 1 ? NULL : value, NULL, saved_cb, &n_saved);
    }
  tn_state_store_release (store);
  g_assert_true (acquire (store, NULL));
  while (n_saved < N)
    g_main_context_iteration (NULL, TRUE);
  assert_value (store, "key", NULL);
  g_assert_true (save (store, "key", "last", NULL));
  assert_value (store, "key", "last");
}

static void
test_contract (Fixture *fixture, gconstpointer user_data)
{
  g_autoptr (TnStateStore) store = open_store (user_data != NULL ? fixture->directory : NULL);

  contract_values (store);
  contract_keys (store);
  contract_ownership (store);
  contract_cancel (store);
  contract_order (store);
}

/* --- Files --- */

static guint
mode_of (const char *directory, const char *name)
{
  g_autofree char *path = g_build_filename (directory, name, NULL);
  struct stat info;

  g_assert_no_errno (stat (path, &info));
  return info.st_mode & 0777;
}

static void
test_modes (Fixture *fixture, gconstpointer user_data)
{
  g_autofree char *deep = g_build_filename (fixture->directory, "a", NULL);
  g_autoptr (TnStateStore) store = NULL;
  mode_t mask = umask (0);

  store = open_store (deep);
  g_assert_true (save (store, "key", "value", NULL));
  umask (mask);
  g_assert_cmpuint (mode_of (deep, NULL), ==, 0700);
  g_assert_cmpuint (mode_of (deep, "key.state"), ==, 0600);
  g_assert_cmpuint (mode_of (deep, "lock"), ==, 0600);
  g_assert_cmpstr (tn_file_state_store_get_directory (TN_FILE_STATE_STORE (store)), ==, deep);

  tn_state_store_release (store);
  for (const char *const *name = (const char *const[]) { "key.state", "lock", NULL }; *name != NULL; name++)
    {
      g_autofree char *path = g_build_filename (deep, *name, NULL);

      g_assert_no_errno (g_remove (path));
    }
  g_assert_no_errno (g_rmdir (deep));
}

static void
test_open_to_others (Fixture *fixture, gconstpointer user_data)
{
  g_autoptr (TnStateStore) store = open_store (fixture->directory);
  g_autofree char *path = g_build_filename (fixture->directory, "key.state", NULL);

  g_assert_true (save (store, "key", "value", NULL));
  tn_state_store_release (store);

  g_assert_no_errno (g_chmod (fixture->directory, 0755));
  g_test_expect_message ("tailnet", G_LOG_LEVEL_WARNING, "*(mode 755, *open to others*");
  g_assert_true (acquire (store, NULL));
  g_test_assert_expected_messages ();

  g_assert_no_errno (g_chmod (path, 0640));
  g_test_expect_message ("tailnet", G_LOG_LEVEL_WARNING, "*key.state (mode 640, *open to others*");
  assert_value (store, "key", "value");
  g_test_assert_expected_messages ();

  g_assert_true (save (store, "key", "new", NULL));        /* which mends it */
  assert_value (store, "key", "new");
}

static void
test_restart (Fixture *fixture, gconstpointer user_data)
{
  TnStateStore *store = open_store (fixture->directory);

  g_assert_true (save (store, "key", "value", NULL));
  g_object_unref (store);                                  /* releases it */

  store = open_store (fixture->directory);
  assert_value (store, "key", "value");
  g_object_unref (store);
}

static void
assert_damaged (TnStateStore *store, const char *path, const char *contents, gsize len)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *after = NULL;
  gsize after_len;

  g_assert_true (g_file_set_contents_full (path, contents, (gssize) len, G_FILE_SET_CONTENTS_CONSISTENT, 0600, NULL));
  g_assert_null (load (store, "key", &error));
  g_assert_error (error, TN_ERROR, TN_ERROR_MALFORMED);
  g_assert_nonnull (strstr (error->message, path));
  g_assert_true (g_file_get_contents (path, &after, &after_len, NULL));
  g_assert_cmpmem (after, after_len, contents, len);
}

/* Every file cut short, and every bit of it turned, is refused, named, and left as it is. */
static void
test_damaged (Fixture *fixture, gconstpointer user_data)
{
  g_autoptr (TnStateStore) store = open_store (fixture->directory);
  g_autofree char *path = g_build_filename (fixture->directory, "key.state", NULL);
  g_autofree char *contents = NULL;
  g_autofree char *zeros = NULL;
  gsize len;

  g_assert_true (save (store, "key", "privkey:0123", NULL));
  g_assert_true (g_file_get_contents (path, &contents, &len, NULL));
  for (gsize i = 0; i < len; i++)
    assert_damaged (store, path, contents, i);
  for (gsize i = 0; i < len; i++)
    {
      contents[i] ^= 1;
      assert_damaged (store, path, contents, len);
      contents[i] ^= 1;
    }
  zeros = g_malloc0 (len);
  assert_damaged (store, path, zeros, len);
  assert_damaged (store, path, "", 0);

  g_assert_no_errno (g_remove (path));
  g_assert_no_errno (g_mkdir (path, 0700));
  g_assert_null (load (store, "key", NULL));
  g_assert_no_errno (g_rmdir (path));
  g_assert_no_errno (symlink ("/etc/passwd", path));
  g_assert_null (load (store, "key", NULL));
}

static void
test_locked (Fixture *fixture, gconstpointer user_data)
{
  g_autoptr (TnStateStore) ours = open_store (fixture->directory);
  g_autoptr (TnStateStore) other = tn_file_state_store_new (fixture->directory);
  g_autoptr (GError) error = NULL;
  g_autofree char *process = g_strdup_printf ("process %ld", (long) getpid ());

  g_assert_false (acquire (other, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_BUSY);
  g_assert_nonnull (strstr (error->message, fixture->directory));
  g_assert_nonnull (strstr (error->message, process));

  tn_state_store_release (ours);
  g_assert_true (acquire (other, NULL));
}

/* --- Other processes: this program again, since a fork has no threads --- */

static char *
self_path (void)
{
  return g_file_read_link ("/proc/self/exe", NULL);
}

/* "--hold DIRECTORY": says whether it got the store, and ends with it when its input does. */
static int
hold_main (const char *directory)
{
  g_autoptr (TnStateStore) store = tn_file_state_store_new (directory);
  char c = acquire (store, NULL) ? 'y' : 'n';

  if (__real_write (STDOUT_FILENO, &c, 1) != 1 || read (STDIN_FILENO, &c, 1) != 0)
    _exit (1);
  _exit (0);
}

/* A second process, which ends with the lock held: the kernel lets go of it. */
static void
test_locked_by_process (Fixture *fixture, gconstpointer user_data)
{
  g_autofree char *program = self_path ();
  g_autoptr (TnStateStore) ours = tn_file_state_store_new (fixture->directory);
  g_autoptr (GSubprocess) other = NULL;
  g_autoptr (GError) error = NULL;
  char c = 0;

  other = g_subprocess_new (G_SUBPROCESS_FLAGS_STDIN_PIPE | G_SUBPROCESS_FLAGS_STDOUT_PIPE, &error, program, "--hold",
                            fixture->directory, NULL);
  g_assert_no_error (error);
  g_assert_cmpint (g_input_stream_read (g_subprocess_get_stdout_pipe (other), &c, 1, NULL, &error), ==, 1);
  g_assert_cmpint (c, ==, 'y');
  g_assert_false (acquire (ours, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_BUSY);
  g_assert_nonnull (strstr (error->message, g_subprocess_get_identifier (other)));
  g_clear_error (&error);

  g_output_stream_close (g_subprocess_get_stdin_pipe (other), NULL, &error);
  g_assert_true (g_subprocess_wait_check (other, NULL, &error));
  g_assert_true (acquire (ours, &error));
  g_assert_no_error (error);
}

/* The disk has the new file before its name is the old one's, and the name before save() returns. */
static void
test_order (Fixture *fixture, gconstpointer user_data)
{
  g_autoptr (TnStateStore) store = open_store (fixture->directory);

  g_assert_true (save (store, "key", "old", NULL));
  calls = g_string_new (NULL);
  g_assert_true (save (store, "key", "new", NULL));
  g_assert_cmpstr (calls->str, ==, "unlink write write fsync-file rename fsync-directory ");
  g_string_truncate (calls, 0);
  g_assert_true (save_bytes (store, "key", NULL, NULL));
  g_assert_cmpstr (calls->str, ==, "unlink fsync-directory ");
  g_string_free (g_steal_pointer (&calls), TRUE);
}

/* A disk that takes its time holds nobody up: fsync() waits until this thread has turned its main context. */
static void
test_slow_disk (Fixture *fixture, gconstpointer user_data)
{
  g_autoptr (TnStateStore) store = open_store (fixture->directory);
  g_autoptr (GSource) idle = g_idle_source_new ();
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GBytes) value = g_bytes_new_static ("value", 5);
  guint n_turns = 0;

  g_source_set_priority (idle, G_PRIORITY_DEFAULT);
  g_source_set_callback (idle, count_cb, &n_turns, NULL);
  g_source_attach (idle, NULL);
  g_mutex_lock (&disk);
  tn_state_store_save_async (store, "key", value, NULL, result_cb, &result);
  while (n_turns < 100)
    g_main_context_iteration (NULL, TRUE);
  g_assert_null (result);
  g_mutex_unlock (&disk);
  g_assert_true (tn_state_store_save_finish (store, wait_for (&result), NULL));
  g_source_destroy (idle);
  assert_value (store, "key", "value");
}

/* "--save DIRECTORY VALUE AT TORN" */
static int
save_main (char *argv[])
{
  TnStateStore *store = open_store (argv[0]);

  n_calls = 0;
  die_torn = *argv[3] == 't';
  die_at = (int) g_ascii_strtoll (argv[2], NULL, 10);
  _exit (save (store, "key", argv[1], NULL) ? 0 : 1);
}

static int
save_in_child (const char *directory, const char *value, int at, gboolean torn)
{
  g_autofree char *program = self_path ();
  g_autofree char *number = g_strdup_printf ("%d", at);
  g_autoptr (GError) error = NULL;
  g_autoptr (GSubprocess) child = g_subprocess_new (G_SUBPROCESS_FLAGS_NONE, &error, program, "--save", directory, value, number,
                                                    torn ? "torn" : "whole", NULL);

  g_assert_no_error (error);
  g_assert_true (g_subprocess_wait (child, NULL, &error));
  g_assert_true (g_subprocess_get_if_exited (child));
  return g_subprocess_get_exit_status (child);
}

/* The process ends at each call in turn; what is found afterwards is the old value or the new one, and saving works again. */
static void
test_crash (Fixture *fixture, gconstpointer user_data)
{
  gboolean torn = GPOINTER_TO_INT (user_data);
  gboolean renamed = FALSE;
  int status = 77;

  for (int at = 0; status == 77; at++)
    {
      g_autoptr (TnStateStore) store = open_store (fixture->directory);
      g_autoptr (GBytes) value = NULL;
      g_autoptr (GError) error = NULL;

      g_assert_true (save (store, "key", "old", NULL));
      tn_state_store_release (store);
      status = save_in_child (fixture->directory, "a newer value", at, torn);

      g_assert_true (acquire (store, NULL));
      value = load (store, "key", &error);
      g_assert_no_error (error);
      if (g_bytes_get_size (value) == strlen ("old"))
        g_assert_false (renamed);
      else
        renamed = TRUE;
      assert_value (store, "key", renamed ? "a newer value" : "old");
    }
  g_assert_cmpint (status, ==, 0);
  g_assert_true (renamed);
}

static void
test_unwritable (Fixture *fixture, gconstpointer user_data)
{
  g_autofree char *path = g_build_filename (fixture->directory, "file", NULL);
  g_autoptr (TnStateStore) store = tn_file_state_store_new (path);
  g_autoptr (GError) error = NULL;

  g_assert_true (g_file_set_contents (path, "", 0, NULL));
  g_assert_false (acquire (store, &error));
  g_assert_cmpint (error->domain, ==, G_IO_ERROR);
  g_assert_nonnull (strstr (error->message, path));
}

static void
test_too_big (Fixture *fixture, gconstpointer user_data)
{
  g_autoptr (TnStateStore) store = open_store (fixture->directory);
  g_autofree char *big = g_strnfill ((32 << 20) + 1, 'x');
  g_autoptr (GError) error = NULL;

  g_assert_false (save (store, "key", big, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT);
  assert_value (store, "key", NULL);
  big[32 << 20] = '\0';
  g_assert_true (save (store, "key", big, NULL));
  assert_value (store, "key", big);
}

int
main (int   argc,
      char *argv[])
{
  if (argc == 3 && g_str_equal (argv[1], "--hold"))
    return hold_main (argv[2]);
  if (argc == 6 && g_str_equal (argv[1], "--save"))
    return save_main (argv + 2);

  g_test_init (&argc, &argv, NULL);
#define ADD(path, data, func) g_test_add ("/device/state-store/" path, Fixture, data, set_up, func, tear_down)
  ADD ("memory", NULL, test_contract);
  ADD ("file", "", test_contract);
  ADD ("modes", NULL, test_modes);
  ADD ("open-to-others", NULL, test_open_to_others);
  ADD ("restart", NULL, test_restart);
  ADD ("damaged", NULL, test_damaged);
  ADD ("locked", NULL, test_locked);
  ADD ("locked-by-process", NULL, test_locked_by_process);
  ADD ("order", NULL, test_order);
  ADD ("slow-disk", NULL, test_slow_disk);
  ADD ("crash", GINT_TO_POINTER (FALSE), test_crash);
  ADD ("crash-torn", GINT_TO_POINTER (TRUE), test_crash);
  ADD ("unwritable", NULL, test_unwritable);
  ADD ("too-big", NULL, test_too_big);
  return g_test_run ();
}
