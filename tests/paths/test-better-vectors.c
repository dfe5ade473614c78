/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vectors.h"

#include "tn-path-better.h"

static TnPathQuality
quality_from_json (JsonObject *object)
{
  TnPathQuality quality = { 0 };

  if (object == NULL)
    return quality;
  quality.address.kind = TN_PATH_ADDRESS_UDP;
  g_assert_true (tn_ip_endpoint_parse (tn_json_string (object, "addr"), &quality.address.udp.endpoint));
  quality.address.udp.vni = tn_json_has (object, "vni") ? (gint32) tn_json_int (object, "vni") : TN_PATH_NO_VNI;
  quality.latency_ns = tn_json_int (object, "latency_ns");
  quality.wire_mtu = (guint) tn_json_int (object, "wire_mtu");
  return quality;
}

static void
test_better (TnVector *v)
{
  TnPathQuality a = quality_from_json (tn_vector_object (v, "a"));
  TnPathQuality b = quality_from_json (tn_vector_object (v, "b"));

  tn_vector_check_bool (v, "result", tn_path_better (&a, &b));
  tn_vector_check_bool (v, "reverse", tn_path_better (&b, &a));
}

static void
test_vectors (void)
{
  static const TnVectorOp ops[] = { { "better", test_better }, { "home", NULL } };

  tn_vectors_run ("paths.jsonl", 2371, ops, G_N_ELEMENTS (ops), NULL);
}

int
main (int   argc,
      char *argv[])
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/paths/better/vectors", test_vectors);
  return g_test_run ();
}
