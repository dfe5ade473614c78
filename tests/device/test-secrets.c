/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <glib-unix.h>

#include "device-kit.h"

#define KEY_LEN 32

#define PATIENCE_MS 50000

/* While a device runs, its private keys lie in the locked pool alone, and afterwards nowhere: all of the process's memory is looked
 * through. The keys, and the auth key that went to the server, are looked for by their complement, so that nothing here looks like them. */

typedef struct
{
  guint8 complement[KEY_LEN];
} Needle;

typedef struct
{
  guint n_locked;      /* copies in memory that is left out of core dumps, as the pool is */
  guint n_plain;
} Found;

static gboolean
matches (const guint8 *bytes, const Needle *needle)
{
  for (guint i = 0; i < KEY_LEN; i++)
    if ((bytes[i] ^ needle->complement[i]) != 0xff)
      return FALSE;
  return TRUE;
}

static guint
count_in (const guint8 *bytes, gsize len, const Needle *needle)
{
  guint8 first = needle->complement[0] ^ 0xff;
  guint n = 0;

  for (const guint8 *p = bytes; len >= KEY_LEN && (p = memchr (p, first, len - KEY_LEN + 1 - (gsize) (p - bytes))) != NULL; p++)
    {
      n += matches (p, needle);
      if (p == bytes + len - KEY_LEN)
        break;
    }
  return n;
}

/* Into @buffer, page by page: what cannot be read is not there. */
static void
look_through (int fd, guint64 begin, guint64 end, gboolean locked, GPtrArray *needles, Found *found, const char *name)
{
  gsize len = (gsize) (end - begin);
  guint8 *buffer = mmap (NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  gssize n;

  g_assert_true (buffer != MAP_FAILED);
  n = pread (fd, buffer, len, (off_t) begin);
  for (guint i = 0; n > 0 && i < needles->len; i++)
    {
      guint count = count_in (buffer, (gsize) n, g_ptr_array_index (needles, i));

      *(locked ? &found->n_locked : &found->n_plain) += count;
      if (count > 0 && !locked)
        g_test_message ("key %u: %u times in %s", i, count, name);
    }
  explicit_bzero (buffer, len);
  munmap (buffer, len);
}

static Found
look_for (GPtrArray *needles)
{
  g_autofree char *text = NULL;
  g_auto (GStrv) lines = NULL;
  guint64 begin = 0, end = 0;
  g_autofree char *name = NULL;
  Found found = { 0 };
  int fd = open ("/proc/self/mem", O_RDONLY | O_CLOEXEC);

  g_assert_no_errno (fd);
  g_assert_true (g_file_get_contents ("/proc/self/smaps", &text, NULL, NULL));
  lines = g_strsplit (text, "\n", -1);
  for (guint i = 0; lines[i] != NULL; i++)
    {
      unsigned long long from, to;
      char mode[5];

      if (sscanf (lines[i], "%llx-%llx %4s", &from, &to, mode) == 3)
        {
          begin = mode[0] == 'r' && mode[1] == 'w' ? from : 0;
          end = to;
          g_free (name);
          name = g_strdup (lines[i]);
        }
      else if (begin != 0 && g_str_has_prefix (lines[i], "VmFlags:"))
        look_through (fd, begin, end, strstr (lines[i], " dd") != NULL, needles, &found, name);
    }
  close (fd);
  return found;
}

/* What the device keeps as text, as needles. */
static void
add_saved (GPtrArray *needles, TnStateStore *store, const char *key, const char *prefix)
{
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GBytes) bytes = NULL;
  g_autofree char *text = NULL;
  Needle *needle = g_new (Needle, 1);

  tn_state_store_load_async (store, key, NULL, kit_result_cb, &result);
  bytes = tn_state_store_load_finish (store, kit_wait (&result), NULL);
  g_assert_nonnull (bytes);
  text = g_strndup (g_bytes_get_data (bytes, NULL), g_bytes_get_size (bytes));
  g_assert_true (g_str_has_prefix (text, prefix));
  for (guint i = 0; i < KEY_LEN; i++)
    {
      const char *digits = text + strlen (prefix) + 2 * i;

      needle->complement[i] = (guint8) ((g_ascii_xdigit_value (digits[0]) << 4 | g_ascii_xdigit_value (digits[1])) ^ 0xff);
    }
  explicit_bzero (text, strlen (text));
  g_ptr_array_add (needles, needle);
}

/* Asked before anything starts: what a skipped test leaves running ends behind its back, or not before the process does. */
static gboolean
is_narrow (void)
{
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  g_test_skip ("needs memory that is narrow enough to look through: a sanitizer's is not");
  return FALSE;
#else
  return TRUE;
#endif
}

static void
test_memory (void)
{
  g_autoptr (TnTestkitTailnet) tailnet = kit_tailnet_new ();
  g_autoptr (TnStateStore) store = tn_memory_state_store_new ();
  g_autoptr (TnDevice) device = kit_device_new (tailnet, "careful", store, TRUE);
  g_autoptr (GPtrArray) needles = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (TnPingResult) pong = NULL;
  g_autoptr (TnDevice) peer = NULL;
  g_autoptr (TnNode) node = NULL;
  Found found;

  if (!is_narrow ())
    return;

  tailnet = kit_tailnet_new ();
  device = kit_device_new (tailnet, "careful", store, TRUE);
  peer = kit_device_join (tailnet, "peer");
  peer = kit_device_join (tailnet, "peer");
  g_assert_true (kit_start (device, NULL));
  node = kit_wait_peer (device, "peer");
  pong = kit_ping (device, "peer", TN_PING_KIND_TSMP, NULL);      /* keys were used */
  g_assert_nonnull (pong);
  add_saved (needles, store, "machine-key", "privkey:");
  add_saved (needles, store, "node-key", "privkey:");
  add_saved (needles, store, "lock-key", "nlpriv:");
  found = look_for (needles);
  g_assert_cmpuint (found.n_locked, >=, 2);
  g_assert_cmpuint (found.n_plain, ==, 0);
  kit_stop (device);
  kit_stop (peer);
  g_clear_object (&device);
  g_clear_object (&peer);
}

/* --- The auth key, which goes to the server. In a process of its own: the server has to have it in plain. --- */

static int
serve (void)
{
  g_autoptr (TnTestkitTailnet) tailnet = kit_tailnet_new ();
  g_autofree char *url = tn_testkit_tailnet_dup_control_url (tailnet);
  struct pollfd in = { .fd = STDIN_FILENO, .events = POLLIN };
  g_autofree char *line = g_strdup_printf ("%s %s", url, tn_testkit_tailnet_get_auth_key (tailnet));

  if (write (STDOUT_FILENO, line, strlen (line) + 1) < 0)
    return 1;
  while (poll (&in, 1, 0) == 0)      /* until the test ends */
    {
      g_autoptr (GSource) watch = g_unix_fd_source_new (STDIN_FILENO, G_IO_IN | G_IO_HUP);

      g_source_set_dummy_callback (watch);
      g_source_attach (watch, NULL);
      g_main_context_iteration (NULL, TRUE);
      g_source_destroy (watch);
    }
  return 0;
}

/* Up to a NUL. Not through a stream of GIO, whose buffer would keep it. */
static void
read_line (int fd, char *line, gsize len)
{
  struct pollfd out = { .fd = fd, .events = POLLIN };
  gsize n_read = 0;
  gssize n;

  do
    {
      g_assert_cmpint (poll (&out, 1, PATIENCE_MS), ==, 1);
      n = read (fd, line + n_read, len - n_read);
      g_assert_cmpint (n, >, 0);
      n_read += (gsize) n;
    }
  while (line[n_read - 1] != '\0');
}

static void
add_text (GPtrArray *needles, const char *text)
{
  Needle *needle = g_new (Needle, 1);

  g_assert_cmpuint (strlen (text), >=, KEY_LEN);
  for (guint i = 0; i < KEY_LEN; i++)
    needle->complement[i] = (guint8) ((guint8) text[strlen (text) - KEY_LEN + i] ^ 0xff);
  g_ptr_array_add (needles, needle);
}

static const char *own_path;

static void
test_auth_key (void)
{
  const char *argv[] = { own_path, "--serve", NULL };
  g_autoptr (GPtrArray) needles = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (TnDevice) device = NULL;
  g_autoptr (GError) error = NULL;
  char line[256], *key;
  int in, out;
  Found found;

  if (!is_narrow ())
    return;

  g_assert_true (g_spawn_async_with_pipes (NULL, (char **) (guintptr) argv, NULL, G_SPAWN_DEFAULT, NULL, NULL, NULL, &in, &out, NULL, &error));
  read_line (out, line, sizeof line);
  key = strchr (line, ' ');
  *key++ = '\0';
  device = TN_DEVICE (tn_embedded_device_new ("guest", line, NULL));
  tn_embedded_device_set_auth_key (TN_EMBEDDED_DEVICE (device), key);
  add_text (needles, key);
  explicit_bzero (line, sizeof line);
  g_assert_true (kit_start (device, &error));
  g_assert_no_error (error);
  found = look_for (needles);
  g_assert_cmpuint (found.n_locked, >=, 1);
  g_assert_cmpuint (found.n_plain, ==, 0);
  kit_stop (device);
  close (in);
  close (out);
}

/* Somebody moved files about: what is wrong is said without what they hold. */
static void
test_misplaced (void)
{
  static const struct { const char *name; const char *prefix; } cases[] = {
    { "old-node-key", "privkey:" }, { "lock-key", "privkey:" }, { "node-key", "nlpriv:" }, { "machine-key", "nlpriv:" },
  };
  static const char digits[] = "7c0ffee07c0ffee07c0ffee07c0ffee07c0ffee07c0ffee07c0ffee07c0ffee0";

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autofree char *text = g_strconcat (cases[i].prefix, digits, NULL);
      g_autoptr (GBytes) value = g_bytes_new (text, strlen (text));
      g_autoptr (TnStateStore) store = tn_memory_state_store_new ();
      g_autoptr (TnDevice) device = g_object_new (TN_TYPE_EMBEDDED_DEVICE, "control-url", "http://127.0.0.1:1", "state-store", store, NULL);
      g_autoptr (GAsyncResult) acquired = NULL;
      g_autoptr (GAsyncResult) saved = NULL;
      g_autoptr (GError) error = NULL;

      tn_state_store_acquire_async (store, NULL, kit_result_cb, &acquired);
      g_assert_true (tn_state_store_acquire_finish (store, kit_wait (&acquired), &error));
      tn_state_store_save_async (store, cases[i].name, value, NULL, kit_result_cb, &saved);
      g_assert_true (tn_state_store_save_finish (store, kit_wait (&saved), &error));
      tn_state_store_release (store);
      g_assert_false (kit_start (device, &error));
      g_assert_error (error, TN_ERROR, TN_ERROR_MALFORMED);
      g_assert_nonnull (strstr (error->message, cases[i].name));
      g_assert_null (strstr (error->message, "7c0ffee0"));
    }
}

int
main (int    argc,
      char **argv)
{
  if (argc == 2 && strcmp (argv[1], "--serve") == 0)
    return serve ();

  own_path = argv[0];
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/device/secrets/memory", test_memory);
  g_test_add_func ("/device/secrets/auth-key", test_auth_key);
  g_test_add_func ("/device/secrets/misplaced", test_misplaced);
  return g_test_run ();
}
