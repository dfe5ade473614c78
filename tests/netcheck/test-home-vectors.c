/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vectors.h"

#include <math.h>

#include "tn-home-chooser.h"

static gint64
seconds_to_us (JsonNode *node)
{
  return llround (json_node_get_double (node) * 1e6);
}

static gint64
last_heard (gpointer user_data, guint region)
{
  JsonObject *activity = user_data;
  g_autofree char *name = g_strdup_printf ("%u", region);
  JsonNode *node = activity != NULL ? tn_json_member (activity, name) : NULL;

  return node != NULL ? seconds_to_us (node) : G_MININT64;
}

static int
by_region (gconstpointer a, gconstpointer b)
{
  return (int) ((const TnRegionLatency *) a)->region - (int) ((const TnRegionLatency *) b)->region;
}

static GArray *
latencies_from_json (JsonObject *object)
{
  GArray *latencies = g_array_new (FALSE, FALSE, sizeof (TnRegionLatency));
  JsonObjectIter iter;
  const char *name;
  JsonNode *node;

  json_object_iter_init (&iter, object);
  while (json_object_iter_next (&iter, &name, &node))
    {
      TnRegionLatency latency = { (guint) g_ascii_strtoull (name, NULL, 10), json_node_get_int (node) };

      g_array_append_val (latencies, latency);
    }
  g_array_sort (latencies, by_region);
  return latencies;
}

static TnRelayMap *
map_from_json (JsonObject *scores)
{
  TnRelayMap *map = tn_relay_map_new ();
  JsonObjectIter iter;
  const char *name;
  JsonNode *node;

  if (scores == NULL)
    return map;
  json_object_iter_init (&iter, scores);
  while (json_object_iter_next (&iter, &name, &node))
    tn_relay_map_set_score (map, (guint) g_ascii_strtoull (name, NULL, 10), json_node_get_double (node));
  return map;
}

static void
test_home (TnVector *v)
{
  g_autoptr (TnHomeChooser) chooser = tn_home_chooser_new ();
  JsonArray *reports = tn_vector_array (v, "reports");

  for (guint i = 0; i < json_array_get_length (reports) && !v->failed; i++)
    {
      JsonObject *object = json_array_get_object_element (reports, i);
      g_autoptr (GArray) latencies = latencies_from_json (tn_json_object (object, "latency_ns"));
      g_autoptr (TnRelayMap) map = map_from_json (tn_json_object (object, "scores"));
      g_autofree char *name = g_strdup_printf ("home of report %u", i);
      TnHomeReport report = {
        .latencies = (const TnRegionLatency *) (gpointer) latencies->data,
        .n_latencies = latencies->len,
        .start_us = seconds_to_us (tn_json_member (object, "start")),
        .now_us = seconds_to_us (tn_json_member (object, "now")),
        .last_heard_us = last_heard,
        .user_data = tn_json_object (object, "last_activity"),
      };

      tn_vector_same_int (v, name, tn_home_chooser_update (chooser, &report, map), tn_json_int (object, "home"));
    }
}

static void
test_vectors (void)
{
  static const TnVectorOp ops[] = { { "home", test_home }, { "better", NULL } };

  tn_vectors_run ("paths.jsonl", 2371, ops, G_N_ELEMENTS (ops), NULL);
}

/* Numbers that no latency can be multiplied with. */
static void
test_huge_scores (void)
{
  static const double scores[] = { 1e300, G_MAXDOUBLE * 10, -1e300, 0 };
  static const TnRegionLatency latencies[] = { { 1, 5000000 }, { 2, 90000000 } };

  for (guint i = 0; i < G_N_ELEMENTS (scores); i++)
    {
      g_autoptr (TnHomeChooser) chooser = tn_home_chooser_new ();
      g_autoptr (TnRelayMap) map = tn_relay_map_new ();
      TnHomeReport report = { .latencies = latencies, .n_latencies = 2 };

      tn_relay_map_set_score (map, 1, scores[i]);
      for (guint n = 0; n < 2; n++)
        g_assert_cmpuint (tn_home_chooser_update (chooser, &report, map), ==, scores[i] > 0 ? 2 : 1);
    }
}

int
main (int   argc,
      char *argv[])
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/netcheck/home/vectors", test_vectors);
  g_test_add_func ("/netcheck/home/huge-scores", test_huge_scores);
  return g_test_run ();
}
