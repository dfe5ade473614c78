/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-error.h"
#include "tn-host-spec.h"
#include "tn-name-index.h"

#define LONG_LABEL "aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffff1234"     /* 64 bytes */

static const struct
{
  const char *text;
  guint16     default_port;
  const char *host;     /* NULL: refused */
  guint16     port;
} specs[] = {
  { "db", 80, "db", 80 },
  { "db:5432", 80, "db", 5432 },
  { "db:5432", 0, "db", 5432 },
  { "DB.Example.Ts.Net.:1", 0, "db.example.ts.net", 1 },
  { "100.64.0.7", 22, "100.64.0.7", 22 },
  { "100.64.0.7:65535", 22, "100.64.0.7", 65535 },
  { "fd7a:115c:a1e0::1", 22, "fd7a:115c:a1e0::1", 22 },
  { "[fd7a:115C:a1e0:0:0:0:0:1]", 22, "fd7a:115c:a1e0::1", 22 },
  { "[::1]:8080", 0, "::1", 8080 },
  { "a_b-1", 1, "a_b-1", 1 },
  { "db", 0, NULL, 0 },
  { "db:", 80, NULL, 0 },
  { "db:0", 80, NULL, 0 },
  { "db:65536", 80, NULL, 0 },
  { "db:-1", 80, NULL, 0 },
  { "db:1x", 80, NULL, 0 },
  { "db: 1", 80, NULL, 0 },
  { ":80", 80, NULL, 0 },
  { "", 80, NULL, 0 },
  { ".", 80, NULL, 0 },
  { "a..b", 80, NULL, 0 },
  { ".a", 80, NULL, 0 },
  { "a b", 80, NULL, 0 },
  { "a/b", 80, NULL, 0 },
  { "b\xc3\xbc" "cher", 80, NULL, 0 },
  { LONG_LABEL, 80, NULL, 0 },
  { "[::1", 80, NULL, 0 },
  { "[::1]80", 80, NULL, 0 },
  { "[db]:80", 80, NULL, 0 },
  { "[1.2.3.4]:80", 80, NULL, 0 },
  { "::1:80:", 80, NULL, 0 },
  { "[]:80", 80, NULL, 0 },
};

static void
test_spec (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (specs); i++)
    {
      g_autoptr (GError) error = NULL;
      g_autofree char *host = NULL;
      guint16 port = 4711;
      gboolean ok = tn_host_spec_parse (specs[i].text, specs[i].default_port, &host, &port, &error);

      g_test_message ("“%s”: %s", specs[i].text, ok ? host : error->message);
      g_assert_cmpint (ok, ==, specs[i].host != NULL);
      if (ok)
        {
          g_assert_cmpstr (host, ==, specs[i].host);
          g_assert_cmpuint (port, ==, specs[i].port);
        }
      else
        {
          g_assert_error (error, TN_ERROR, TN_ERROR_MALFORMED);
          g_assert_null (host);
          g_assert_cmpuint (port, ==, 4711);
        }
    }
}

static void
test_spec_host (void)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *host = NULL;

  g_assert_true (tn_host_spec_parse_host ("[fd7a::1]", &host, &error));
  g_assert_cmpstr (host, ==, "fd7a::1");
  g_clear_pointer (&host, g_free);
  g_assert_false (tn_host_spec_parse_host ("db:80", &host, &error));
  g_assert_error (error, TN_ERROR, TN_ERROR_MALFORMED);
  g_assert_nonnull (strstr (error->message, "db:80"));
}

static TnNodeData *
make_node (const char *id,
           const char *dns_name,
           const char *address)
{
  TnNodeData *node = tn_node_data_new (id);

  tn_node_data_set_dns_name (node, dns_name);
  if (address != NULL)
    {
      node->addresses = g_new0 (TnIpAddress, 1);
      node->n_addresses = 1;
      g_assert_true (tn_ip_address_parse (address, &node->addresses[0]));
    }
  return node;
}

static void
add (TnNameIndex *index,
     const char  *id,
     const char  *dns_name,
     const char  *address)
{
  g_autoptr (TnNodeData) node = make_node (id, dns_name, address);

  tn_name_index_add (index, node);
}

static void
assert_finds (TnNameIndex *index,
              const char  *text,
              const char  *id)
{
  const TnNodeData *node = tn_name_index_lookup (index, text);

  g_assert_cmpstr (node != NULL ? node->stable_id : NULL, ==, id);
}

static void
test_index (void)
{
  g_autoptr (TnNameIndex) index = tn_name_index_new ();

  tn_name_index_set_dns_suffix (index, "Example.ts.net.");
  add (index, "n1", "DB.example.ts.net.", "100.64.0.1");
  add (index, "n2", "web.example.ts.net", "fd7a::2");
  add (index, "n3", "db.other.ts.net.", "100.64.0.3");
  g_assert_cmpuint (tn_name_index_size (index), ==, 3);

  assert_finds (index, "db", "n1");
  assert_finds (index, "Db", "n1");
  assert_finds (index, "db.", "n1");
  assert_finds (index, "db.example.ts.net", "n1");
  assert_finds (index, "DB.EXAMPLE.ts.net.", "n1");
  assert_finds (index, "100.64.0.1", "n1");
  assert_finds (index, "fd7a:0::2", "n2");
  assert_finds (index, "db.other.ts.net", "n3");
  assert_finds (index, "nobody", NULL);
  assert_finds (index, "", NULL);
  assert_finds (index, "100.64.0.9", NULL);
  g_assert_nonnull (tn_name_index_by_id (index, "n2"));

  /* Another name and address under the same id: the old ones lead nowhere. */
  add (index, "n1", "data.example.ts.net", "100.64.0.4");
  assert_finds (index, "db", "n3");
  assert_finds (index, "data", "n1");
  assert_finds (index, "100.64.0.1", NULL);
  assert_finds (index, "100.64.0.4", "n1");

  g_assert_true (tn_name_index_remove (index, "n1"));
  g_assert_false (tn_name_index_remove (index, "n1"));
  assert_finds (index, "data", NULL);
  tn_name_index_clear (index);
  g_assert_cmpuint (tn_name_index_size (index), ==, 0);
  assert_finds (index, "web", NULL);
}

static void
test_index_handover (void)
{
  g_autoptr (TnNameIndex) index = tn_name_index_new ();

  /* The new node takes name and address over before the old one is gone. */
  tn_name_index_set_dns_suffix (index, "t");
  add (index, "old", "db.t", "100.64.0.1");
  add (index, "new", "db.t", "100.64.0.1");
  assert_finds (index, "db", "new");
  tn_name_index_remove (index, "old");
  assert_finds (index, "db", "new");
  assert_finds (index, "100.64.0.1", "new");
}

static void
test_index_ambiguous (void)
{
  g_autoptr (TnNameIndex) index = tn_name_index_new ();
  g_autoptr (GError) error = NULL;

  add (index, "n1", "db.a.ts.net", NULL);
  assert_finds (index, "db", "n1");
  add (index, "n2", "db.b.ts.net", NULL);
  g_assert_null (tn_name_index_find (index, "db", &error));
  g_assert_error (error, TN_ERROR, TN_ERROR_NO_SUCH_PEER);
  g_assert_nonnull (strstr (error->message, "db.a.ts.net"));
  g_assert_nonnull (strstr (error->message, "db.b.ts.net"));

  /* The suffix decides as soon as it is known, and no longer when it goes. */
  tn_name_index_set_dns_suffix (index, "b.ts.net");
  assert_finds (index, "db", "n2");
  tn_name_index_set_dns_suffix (index, NULL);
  assert_finds (index, "db", NULL);
}

int
main (int    argc,
      char **argv)
{
  g_test_init (&argc, &argv, NULL);

  g_test_add_func ("/device/names/spec", test_spec);
  g_test_add_func ("/device/names/spec-host", test_spec_host);
  g_test_add_func ("/device/names/index", test_index);
  g_test_add_func ("/device/names/index-handover", test_index_handover);
  g_test_add_func ("/device/names/index-ambiguous", test_index_ambiguous);
  return g_test_run ();
}
