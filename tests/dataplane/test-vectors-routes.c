/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vectors.h"

#include "tn-prefix-table.h"

/* Values of a table are aligned. */
static gpointer
to_pointer (gint64 value)
{
  return GSIZE_TO_POINTER ((gsize) value * 4);
}

static gint64
from_pointer (gpointer value)
{
  return (gint64) (GPOINTER_TO_SIZE (value) / 4);
}

static void
check_value (TnVector *v,
             guint     i,
             JsonNode *expected,
             gpointer  actual)
{
  gint64 value = json_node_is_null (expected) ? 0 : json_node_get_int (expected);

  if (from_pointer (actual) != value)
    tn_vector_fail (v, "op %u gives %" G_GINT64_FORMAT ", expected %" G_GINT64_FORMAT, i, from_pointer (actual), value);
}

static void
test_table (TnVector *v)
{
  g_autoptr (TnPrefixTable) table = tn_prefix_table_new (NULL);
  JsonArray *ops = tn_vector_array (v, "ops");

  for (guint i = 0; i < json_array_get_length (ops) && !v->failed; i++)
    {
      JsonArray *op = json_array_get_array_element (ops, i);
      const char *what = json_array_get_string_element (op, 0);
      const char *text = json_array_get_string_element (op, 1);
      JsonNode *value = json_array_get_element (op, 2);
      TnIpPrefix prefix = { 0 };

      if (*what == '?')
        g_assert_true (tn_ip_address_parse (text, &prefix.address));
      else
        g_assert_true (tn_ip_prefix_parse (text, &prefix));

      if (*what == '+')
        tn_prefix_table_insert (table, &prefix, to_pointer (json_node_get_int (value)));
      else if (*what == '-')
        tn_vector_same_bool (v, "removed", tn_prefix_table_remove (table, &prefix), json_node_get_boolean (value));
      else if (*what == '?')
        check_value (v, i, value, tn_prefix_table_lookup (table, &prefix.address));
      else if (*what == '=')
        check_value (v, i, value, tn_prefix_table_get (table, &prefix));
      else
        tn_vector_fail (v, "no test knows op %s", what);
    }
}

static void
test_vectors (void)
{
  static const TnVectorOp ops[] = { { NULL, test_table } };

  tn_vectors_run ("routes.jsonl", 14, ops, G_N_ELEMENTS (ops), NULL);
}

int
main (int   argc,
      char *argv[])
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/dataplane/vectors/routes", test_vectors);
  return g_test_run ();
}
