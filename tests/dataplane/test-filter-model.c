/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "filter-random.h"

/* The same random rules and packets through the filter and through the model: same reason, same rule. */

#define N_PACKETS 400
#define MAX_FLOWS 8

static void
test_like_model (void)
{
  static ModelRule rules[N_RULES_MAX];
  ModelHolder holders[6];
  TnIpPrefix local[8];
  guint n_seen[TN_FILTER_N_REASONS] = { 0 };

  for (guint32 seed = 0; seed < 150; seed++)
    {
      g_autoptr (GRand) rand = g_rand_new_with_seed (seed);
      g_autoptr (GPtrArray) flows = g_ptr_array_new_with_free_func (g_free);
      Model model = { .rules = rules, .holders = holders, .n_holders = G_N_ELEMENTS (holders), .local = local,
                      .n_local = G_N_ELEMENTS (local), .flows = flows, .max_flows = MAX_FLOWS };
      g_autoptr (TnFilter) filter = random_filter (rand, &model, rules, holders, local);
      g_auto (TnFilterState) state = { 0 };

      tn_filter_state_init (&state, MAX_FLOWS, 0);
      for (guint i = 0; i < N_PACKETS; i++)
        {
          guint8 bytes[RANDOM_PACKET_MAX];
          gsize len = random_packet (rand, bytes);
          gboolean outbound = g_rand_int_range (rand, 0, 4) == 0;
          TnFilterVerdict actual, expected;
          TnParsed packet;

          tn_parse (&packet, bytes, len);
          actual = outbound ? tn_filter_out (filter, &state, &packet, 0) : tn_filter_in (filter, &state, &packet, 0);
          expected = outbound ? model_out (&model, &packet) : model_in (&model, &packet);
          if (actual.reason != expected.reason || actual.rule != expected.rule)
            g_test_message ("seed %u, packet %u: proto %u", seed, i, packet.proto);
          g_assert_cmpstr (tn_filter_reason_to_string (actual.reason), ==, tn_filter_reason_to_string (expected.reason));
          g_assert_cmpint (actual.rule, ==, expected.rule);
          n_seen[actual.reason]++;
        }
    }

  /* Chance left nothing out. */
  for (guint i = 0; i < TN_FILTER_N_REASONS; i++)
    g_assert_cmpuint (n_seen[i], >, 0);
}

int
main (int   argc,
      char *argv[])
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/dataplane/filter/like-the-model", test_like_model);
  return g_test_run ();
}
