/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <string.h>

#include "tn-error.h"
#include "tn-netmap-cache.h"
#include "tn-netmap-update.h"

#define URL "https://control.example"
#define KEY4(x) x x x x
#define KEY(x) KEY4 (x) KEY4 (x) KEY4 (x) KEY4 (x) KEY4 (x) KEY4 (x) KEY4 (x) KEY4 (x)
#define NODE(id, digits) "{\"ID\":" #id ",\"StableID\":\"n" #id "\",\"Key\":\"nodekey:" KEY (digits) "\",\"Addresses\":[\"100.64.0." #id "/32\"]}"
#define MAP "{\"Node\":" NODE (1, "01") ",\"Peers\":[" NODE (2, "02") "," NODE (3, "03") "]}"

static const TnNetmapCacheInfo owner = { .control_url = URL, .told_us = 1234567, .home_region = 5 };

static GBytes *
keep (void)
{
  g_autoptr (TnNetmap) netmap = tn_netmap_new ();
  g_autoptr (TnNetmapChanges) changes = tn_netmap_changes_new ();
  g_auto (TnMapMessage) message = { 0 };
  g_autoptr (GError) error = NULL;
  TnNetmapText *text;
  GBytes *value;

  g_assert_true (tn_netmap_update (netmap, MAP, strlen (MAP), 1, &message, changes, &error));
  text = tn_netmap_text_new (netmap);
  value = tn_netmap_cache_encode (&owner, text, NULL, &error);
  tn_netmap_text_free (text);
  g_assert_no_error (error);
  return value;
}

static void
test_kept (void)
{
  g_autoptr (GBytes) value = keep ();
  TnNetmapCacheInfo info = { .control_url = URL };
  g_autoptr (GError) error = NULL;
  g_autoptr (TnNetmap) netmap = tn_netmap_cache_decode (value, &info, &error);

  g_assert_no_error (error);
  g_assert_cmpuint (netmap->peers->len, ==, 2);
  g_assert_cmpint (netmap->self->id, ==, 1);
  g_assert_cmpint (info.told_us, ==, owner.told_us);
  g_assert_cmpuint (info.home_region, ==, owner.home_region);
}

static void
assert_refused (const guint8 *data,
                gsize         len,
                const char   *reason)      /* nullable */
{
  g_autoptr (GBytes) value = g_bytes_new (data, len);
  TnNetmapCacheInfo info = { .control_url = URL };
  g_autoptr (GError) error = NULL;

  g_assert_null (tn_netmap_cache_decode (value, &info, &error));
  g_assert_nonnull (error);
  if (reason != NULL)
    {
      g_assert_error (error, TN_ERROR, TN_ERROR_MALFORMED);
      g_assert_nonnull (strstr (error->message, reason));
    }
}

static void
test_truncated (void)
{
  g_autoptr (GBytes) value = keep ();
  gsize whole;
  const guint8 *data = g_bytes_get_data (value, &whole);

  for (gsize len = 0; len < whole; len++)
    assert_refused (data, len, NULL);
}

/* What it says of its length is held against the maximum before there is room for it, and against what comes. */
static void
test_length (void)
{
  static const struct { gsize len; const char *reason; } cases[] = {
    { TN_NETMAP_CACHE_TEXT_MAX + 1, "map of 134217729 bytes" },
    { G_MAXUINT32, "map of 4294967295 bytes" },
    { TN_NETMAP_CACHE_TEXT_MAX, NULL },
    { 100, NULL },
    { 0, NULL },
  };
  g_autoptr (GBytes) value = keep ();
  gsize len;
  const guint8 *data = g_bytes_get_data (value, &len);

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autofree guint8 *other = g_memdup2 (data, len);
      guint32 claim = GUINT32_TO_LE ((guint32) cases[i].len);

      memcpy (other + len - sizeof claim, &claim, sizeof claim);
      assert_refused (other, len, cases[i].reason);
    }
}

static void
test_another (void)
{
  g_autoptr (GBytes) value = keep ();
  TnNetmapCacheInfo other_url = { .control_url = "https://other.example" };
  TnNetmapCacheInfo other_key = { .control_url = URL, .node_key.bytes = { 1 } };
  g_autoptr (GError) error = NULL;

  g_assert_null (tn_netmap_cache_decode (value, &other_url, &error));
  g_assert_error (error, TN_ERROR, TN_ERROR_MALFORMED);
  g_clear_error (&error);
  g_assert_null (tn_netmap_cache_decode (value, &other_key, &error));
  g_assert_error (error, TN_ERROR, TN_ERROR_MALFORMED);
}

int
main (int    argc,
      char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/device/netmap-cache/kept", test_kept);
  g_test_add_func ("/device/netmap-cache/truncated", test_truncated);
  g_test_add_func ("/device/netmap-cache/length", test_length);
  g_test_add_func ("/device/netmap-cache/another", test_another);
  return g_test_run ();
}
