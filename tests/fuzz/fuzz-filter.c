/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdint.h>

#include "tn-filter.h"
#include "tn-reader.h"

/* The input is a list of calls: a byte that says which one, then what it needs. */

typedef struct
{
  TnReader         r;
  TnFilterBuilder *builder;
  guint            n_rules;         /* given to the builder */
  TnFilter        *filter;
  guint            n_filter_rules;
  TnFilterState    state;
  gint64           now_us;
} Run;

static guint8
byte (Run *run)
{
  guint8 value = 0;

  return tn_reader_u8 (&run->r, &value) ? value : 0;
}

static TnIpAddress
address (Run *run)
{
  guint8 bytes[16] = { 0 };
  gsize len = byte (run) % 2 == 0 ? 4 : 16;

  if (!tn_reader_copy (&run->r, bytes, len))
    memset (bytes, 0, sizeof bytes);
  return tn_ip_address_from_bytes (bytes, len);
}

static TnIpPrefix
prefix (Run *run)
{
  TnIpPrefix out = { .address = address (run) };

  out.bits = (guint8) (byte (run) % (8 * tn_ip_address_len (&out.address) + 1));
  return out;
}

/* Up to a NUL or the end. */
static char *
text (Run *run)
{
  const guint8 *bytes = run->r.pos;
  gsize len = run->r.left > 0 ? strnlen ((const char *) bytes, MIN (run->r.left, 100)) : 0;
  char *out = g_strndup ((const char *) bytes, len);

  len = MIN (len + 1, run->r.left);
  run->r.pos += len;
  run->r.left -= len;
  return out;
}

static void
add_rule (Run *run)
{
  g_autofree char *first = text (run);
  g_autofree char *second = text (run);
  g_autofree char *where = text (run);
  const char *const sources[] = { first, second };
  TnFilterDestination destination = { where, (guint16) (byte (run) * 257), (guint16) (byte (run) * 257) };
  gint64 protocols[] = { byte (run), byte (run) - 10 };
  TnIpPrefix dst = prefix (run);
  TnFilterCapability capability = { .name = first };
  TnFilterGrant grant = { &dst, 1, &capability, 1 };
  guint8 flags = byte (run);
  TnFilterRule rule = {
    .sources = sources, .n_sources = MIN (flags & 3u, G_N_ELEMENTS (sources)),
    .destinations = &destination, .n_destinations = flags >> 2 & 1,
    .protocols = protocols, .n_protocols = flags >> 3 & 1 ? 2 : 0, .grants = &grant, .n_grants = flags >> 4 & 1,
    .obsolete_bits = flags == 0xff,
  };

  tn_filter_builder_add_rule (run->builder, &rule);
  run->n_rules++;
}

static void
install (Run *run)
{
  tn_filter_builder_set_shields_up (run->builder, byte (run) % 4 == 0);
  g_clear_pointer (&run->filter, tn_filter_unref);
  run->filter = tn_filter_builder_end (run->builder);
  run->n_filter_rules = run->n_rules;
  run->builder = tn_filter_builder_new ();
  run->n_rules = 0;
  tn_filter_state_adopt (&run->state, run->filter);
}

static void
check_verdict (const Run       *run,
               TnFilterVerdict  verdict)
{
  gboolean by_rule = verdict.reason == TN_FILTER_ICMP_RULE || verdict.reason == TN_FILTER_TCP_RULE ||
                     verdict.reason == TN_FILTER_RULE || verdict.reason == TN_FILTER_OTHER_RULE;

  g_assert_cmpstr (tn_filter_reason_to_string (verdict.reason), !=, "unknown");
  g_assert_true (by_rule == (verdict.rule >= 0));
  g_assert_cmpint (verdict.rule, <, (gint64) run->n_filter_rules);
}

static void
pass_packet (Run      *run,
             gboolean  outbound)
{
  const guint8 *bytes = (const guint8 *) "";
  gsize len = byte (run);
  TnFilterVerdict verdict;
  TnParsed packet;

  if (!tn_reader_bytes (&run->r, len, &bytes))
    len = 0;
  tn_parse (&packet, bytes, len);
  verdict = outbound ? tn_filter_out (run->filter, &run->state, &packet, run->now_us)
                     : tn_filter_in (run->filter, &run->state, &packet, run->now_us);
  check_verdict (run, verdict);
  tn_filter_may_log (run->filter, &packet, verdict.reason, outbound);
}

static void
count_cb (const char        *name,
          const char *const *values,
          gpointer           user_data)
{
  g_assert_cmpstr (name, !=, "");
}

static void
query (Run *run)
{
  TnIpAddress src = address (run), dst = address (run);

  check_verdict (run, tn_filter_check (run->filter, &run->state, &src, &dst, (guint16) (byte (run) * 257), byte (run), run->now_us));
  tn_filter_foreach_capability (run->filter, &src, &dst, count_cb, NULL);
}

static void
step (Run *run)
{
  TnIpPrefix p;

  switch (byte (run) % 8)
    {
    case 0:
      add_rule (run);
      break;
    case 1:
      install (run);
      break;
    case 2:
    case 3:
      pass_packet (run, FALSE);
      break;
    case 4:
      pass_packet (run, TRUE);
      break;
    case 5:
      query (run);
      break;
    case 6:
      p = prefix (run);
      tn_filter_builder_add_local (run->builder, &p);
      tn_filter_builder_add_log (run->builder, &p);
      break;
    default:
      {
        g_autofree char *name = NULL;
        const char *names[2] = { "x" };
        TnIpPrefix places[2] = { 0 };

        places[0].address = address (run);
        places[1] = (TnIpPrefix) { .address = places[0].address };
        name = text (run);
        names[1] = name;
        tn_filter_builder_add_holder (run->builder, places, 1 + (name[0] & 1), names, 2);
        run->now_us += byte (run);
      }
      break;
    }
}

int
LLVMFuzzerTestOneInput (const uint8_t *data,
                        size_t         size)
{
  Run run = { .r = TN_READER_INIT (data, size), .builder = tn_filter_builder_new () };

  tn_filter_state_init (&run.state, 4, 100);
  install (&run);
  while (run.r.left > 0)
    step (&run);

  tn_filter_builder_free (run.builder);
  tn_filter_unref (run.filter);
  tn_filter_state_clear (&run.state);
  return 0;
}
