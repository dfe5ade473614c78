/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "cases.h"

#include <string.h>

#include "tn-filter.h"

#define NOW_US G_USEC_PER_SEC

typedef struct
{
  TnFilter     *filter;
  TnFilterState state;
  guint8        bytes[60];
  TnParsed      packet;
  guint64       sum;
} Judge;

static void
make_packet (Judge  *judge,
             guint8  protocol,
             guint16 port)
{
  guint8 *p = judge->bytes;

  memset (p, 0, sizeof judge->bytes);
  p[0] = 0x45;
  p[3] = sizeof judge->bytes;
  p[8] = 64;
  p[9] = protocol;
  memcpy (p + 12, (const guint8[]) { 100, 64, 0, 2, 100, 64, 0, 1 }, 8);
  p[20] = 4;
  p[21] = 1;
  p[22] = (guint8) (port >> 8);
  p[23] = (guint8) port;
  if (protocol == TN_PROTO_TCP)
    {
      p[32] = 0x50;
      p[33] = TN_TCP_ACK;
    }
  else
    {
      p[25] = sizeof judge->bytes - 20;
    }
  tn_parse (&judge->packet, p, sizeof judge->bytes);
}

/* So that an answer is known: the packet that it answers. */
static void
note_question (Judge *judge)
{
  guint8 question[sizeof judge->bytes];
  TnParsed parsed;

  memcpy (question, judge->bytes, sizeof question);
  memcpy (question + 12, judge->bytes + 16, 4);
  memcpy (question + 16, judge->bytes + 12, 4);
  memcpy (question + 20, judge->bytes + 22, 2);
  memcpy (question + 22, judge->bytes + 20, 2);
  tn_parse (&parsed, question, sizeof question);
  tn_filter_out (judge->filter, &judge->state, &parsed, NOW_US);
}

static void
judge_in (gpointer data)
{
  Judge *judge = data;

  for (guint i = 0; i < 16; i++)
    judge->sum += tn_filter_in (judge->filter, &judge->state, &judge->packet, NOW_US).reason;
}

static double
time_judge (gpointer data)
{
  return cases_time (judge_in, data) / 16;
}

/* Rules for other sources, destinations and ports than those of our packets. */
static void
make_filter (Judge *judge,
             guint  n_rules)
{
  TnFilterBuilder *builder = tn_filter_builder_new ();
  TnIpPrefix own = { .bits = 32 };

  own.address = tn_ip_address_from_bytes ((const guint8[]) { 100, 64, 0, 1 }, 4);
  tn_filter_builder_add_local (builder, &own);
  for (guint i = 0; i < n_rules; i++)
    {
      g_autofree char *source = g_strdup_printf ("100.%u.%u.%u/32", 65 + i % 60, i / 256 % 256, i % 256);
      const char *const sources[] = { source, NULL };
      const TnFilterDestination destination = { "100.64.0.1/32", (guint16) (1000 + i % 60000), (guint16) (1000 + i % 60000) };
      const TnFilterRule rule = { .sources = sources, .n_sources = 1, .destinations = &destination, .n_destinations = 1 };

      if (!tn_filter_builder_add_rule (builder, &rule))
        g_error ("%s", tn_filter_builder_get_error (builder));
    }
  judge->filter = tn_filter_builder_end (builder);
  tn_filter_state_init (&judge->state, TN_FLOW_TABLE_DEFAULT_CAPACITY, 0);
}

static void
expect (Judge          *judge,
        TnFilterReason  reason)
{
  TnFilterVerdict verdict = tn_filter_in (judge->filter, &judge->state, &judge->packet, NOW_US);

  if (verdict.reason != reason)
    g_error ("verdict %s, not %s", tn_filter_reason_to_string (verdict.reason), tn_filter_reason_to_string (reason));
}

static void
measure (const Case     *c,
         guint           n_rules,
         guint8          protocol,
         gboolean        known,
         TnFilterReason  reason,
         double          bar)
{
  g_autofree Judge *judge = g_new0 (Judge, 1);

  make_filter (judge, n_rules);
  make_packet (judge, protocol, 53);
  if (known)
    note_question (judge);
  expect (judge, reason);
  cases_measure (c, time_judge, NULL, bar, judge);
  tn_filter_state_clear (&judge->state);
  tn_filter_unref (judge->filter);
}

void
cases_filter (void)
{
  static const Case known = { "filter/known", "ns", FALSE, "bar" };
  static const Case tcp = { "filter/tcp", "ns", FALSE, "bar" };
  static const Case none10 = { "filter/none/10", "ns", FALSE, "bar" };
  static const Case none10000 = { "filter/none/10000", "ns", FALSE, "bar" };

  measure (&known, 100, TN_PROTO_UDP, TRUE, TN_FILTER_FLOW_CACHED, 30);
  measure (&tcp, 100, TN_PROTO_TCP, FALSE, TN_FILTER_TCP_NON_SYN, 10);
  measure (&none10, 10, TN_PROTO_UDP, FALSE, TN_FILTER_NO_RULE, 60);
  measure (&none10000, 10000, TN_PROTO_UDP, FALSE, TN_FILTER_NO_RULE, 60);
}
