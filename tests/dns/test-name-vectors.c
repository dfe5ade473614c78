/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-dns-name.h"
#include "vectors.h"

static void
test_fqdn (TnVector *v)
{
  g_autofree char *text = g_strdup (tn_vector_string (v, "in"));
  char name[TN_DNS_NAME_SIZE];
  const char *parent;
  gint64 n_labels = 0;

  tn_vector_check_bool (v, "ok", tn_dns_name_canonical (text, name));
  if (v->failed || !tn_vector_bool (v, "ok"))
    return;
  parent = tn_dns_name_parent (name);
  tn_vector_check_string (v, "out", name);
  tn_vector_same_string (v, "parent", parent != NULL ? parent : "", tn_vector_string (v, "parent"));
  for (const char *at = name; at != NULL && !g_str_equal (name, "."); at = tn_dns_name_parent (at))
    n_labels++;
  tn_vector_check_int (v, "labels", n_labels);
}

static void
test_contains (TnVector *v)
{
  tn_vector_check_bool (v, "result", tn_dns_name_contains (tn_vector_string (v, "suffix"), tn_vector_string (v, "name")));
}

static void
test_suffix_of_node (TnVector *v)
{
  g_autofree char *suffix = tn_dns_suffix_of_node (tn_vector_string (v, "name"));

  tn_vector_check_string (v, "result", suffix);
}

static void
test_vectors (void)
{
  static const TnVectorOp ops[] = {
    { "fqdn", test_fqdn },
    { "contains", test_contains },
    { "suffix_of_node", test_suffix_of_node },
    /* Of the resolver, and of names that a control server makes. */
    { "resolver", NULL },
    { "sanitize_label", NULL },
    { "sanitize_hostname", NULL },
    { "valid_label", NULL },
    { "has_suffix", NULL },
    { "trim_suffix", NULL },
    { "display_name", NULL },
    { "via", NULL },
    { "via_name", NULL },
    { "address", NULL },
  };

  tn_vectors_run ("dns.jsonl", 1432, ops, G_N_ELEMENTS (ops), NULL);
}

int
main (int    argc,
      char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/dns/name/vectors", test_vectors);
  return g_test_run ();
}
