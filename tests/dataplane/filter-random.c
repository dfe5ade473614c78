/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "filter-random.h"

/* Few addresses, near each other, so that much matches. */
static const char *const hosts[] = {
  "100.64.0.1", "100.64.0.2", "100.64.0.200", "100.65.1.1", "10.0.0.5", "169.254.3.4", "169.254.169.254", "224.0.0.1", "0.0.0.0",
  "255.255.255.255", "fd7a:115c:a1e0::1", "fd7a:115c:a1e0::2", "fd7a:115c:a1e0:1::1", "fe80::1", "ff02::1", "::ffff:100.64.0.1",
  "::ffff:10.0.0.5", "::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "2001:db8::1",
};
static const guint16 ports[] = { 0, 1, 22, 53, 80, 255, 256, 443, 8080, 32767, 32768, 65534, 65535 };
static const guint8 protocols[] = { 6, 6, 6, 17, 17, 17, 132, 1, 58, 99, 47, 2, 255, 0 };

TnIpAddress
random_host (GRand *rand)
{
  TnIpAddress address;

  g_assert_true (tn_ip_address_parse (hosts[g_rand_int_range (rand, 0, G_N_ELEMENTS (hosts))], &address));
  return address;
}

static guint16
random_port (GRand *rand)
{
  return ports[g_rand_int_range (rand, 0, G_N_ELEMENTS (ports))];
}

static void
random_range (GRand    *rand,
              ModelSet *set)
{
  set->kind = MODEL_RANGE;
  set->first = random_host (rand);
  do
    set->last = random_host (rand);
  while (set->last.version != set->first.version);
  if (tn_ip_address_compare (&set->first, &set->last) > 0)
    {
      TnIpAddress first = set->first;

      set->first = set->last;
      set->last = first;
    }
}

/* Fills in a set, and returns how it is written. */
static char *
random_set (GRand    *rand,
            ModelSet *set,
            gboolean  may_be_capability)
{
  char first[TN_IP_PREFIX_TEXT_MAX], last[TN_IP_ADDRESS_TEXT_MAX];

  memset (set, 0, sizeof *set);
  switch (g_rand_int_range (rand, 0, may_be_capability ? 9 : 7))
    {
    case 0:
      set->kind = MODEL_ANY;
      return g_strdup ("*");
    case 1:
    case 2:
      random_range (rand, set);
      tn_ip_address_print (&set->first, first);
      tn_ip_address_print (&set->last, last);
      return g_strdup_printf ("%s-%s", first, last);
    case 3:
    case 4:
      set->kind = MODEL_PREFIX;
      set->prefix.address = random_host (rand);
      set->prefix.bits = (guint8) (8 * tn_ip_address_len (&set->prefix.address));
      tn_ip_address_print (&set->prefix.address, first);
      return g_strdup (first);
    case 5:
    case 6:
      set->kind = MODEL_PREFIX;
      set->prefix.address = random_host (rand);
      set->prefix.bits = (guint8) g_rand_int_range (rand, 0, (gint32) (8 * tn_ip_address_len (&set->prefix.address) + 1));
      set->prefix = tn_ip_prefix_mask (&set->prefix);
      tn_ip_prefix_print (&set->prefix, first);
      return g_strdup (first);
    default:
      set->kind = MODEL_CAPABILITY;
      set->capability = (guint) g_rand_int_range (rand, 0, N_CAPABILITIES + 1);     /* one that nobody has */
      return g_strdup_printf ("cap:c%u", set->capability);
    }
}

static void
random_rule (GRand           *rand,
             ModelRule       *rule,
             TnFilterBuilder *builder)
{
  char *sources[MODEL_MAX + 1] = { NULL };
  char *texts[MODEL_MAX + 1] = { NULL };
  TnFilterDestination destinations[MODEL_MAX];
  TnFilterRule given = { .sources = (const char *const *) sources, .destinations = destinations, .protocols = rule->protocols };

  memset (rule, 0, sizeof *rule);
  rule->n_sources = (guint) g_rand_int_range (rand, 0, 4);
  rule->n_destinations = (guint) g_rand_int_range (rand, 0, 4);
  rule->n_protocols = g_rand_boolean (rand) ? 0 : (guint) g_rand_int_range (rand, 1, 4);
  for (guint i = 0; i < rule->n_sources; i++)
    sources[i] = random_set (rand, &rule->sources[i], TRUE);
  for (guint i = 0; i < rule->n_destinations; i++)
    {
      ModelDestination *d = &rule->destinations[i];

      texts[i] = random_set (rand, &d->set, FALSE);
      d->first_port = g_rand_int_range (rand, 0, 3) == 0 ? 0 : random_port (rand);
      d->last_port = g_rand_int_range (rand, 0, 3) == 0 ? 65535 : random_port (rand);     /* may end before it begins */
      destinations[i] = (TnFilterDestination) { texts[i], d->first_port, d->last_port };
    }
  for (guint i = 0; i < rule->n_protocols; i++)
    rule->protocols[i] = g_rand_int_range (rand, 0, 8) == 0 ? 300 : protocols[g_rand_int_range (rand, 0, G_N_ELEMENTS (protocols))];

  given.n_sources = rule->n_sources;
  given.n_destinations = rule->n_destinations;
  given.n_protocols = rule->n_protocols;
  g_assert_true (tn_filter_builder_add_rule (builder, &given));
  for (guint i = 0; i < MODEL_MAX; i++)
    {
      g_free (sources[i]);
      g_free (texts[i]);
    }
}

gsize
random_packet (GRand  *rand,
               guint8  bytes[RANDOM_PACKET_MAX])
{
  TnIpAddress src = random_host (rand);
  TnIpAddress dst = g_rand_boolean (rand) ? random_host (rand) : src;
  guint8 proto = protocols[g_rand_int_range (rand, 0, G_N_ELEMENTS (protocols))];
  guint16 src_port = random_port (rand), dst_port = random_port (rand);
  gsize header_len;
  guint8 *transport;

  while (dst.version != src.version)
    dst = random_host (rand);
  memset (bytes, 0, 80);
  header_len = src.version == 4 ? 20 : 40;
  transport = bytes + header_len;
  if (src.version == 4)
    {
      bytes[0] = 0x45;
      bytes[3] = 60;
      bytes[7] = g_rand_int_range (rand, 0, 12) == 0 ? (guint8) g_rand_int_range (rand, 1, 20) : 0;
      bytes[9] = proto;
    }
  else
    {
      bytes[0] = 0x60;
      bytes[5] = 40;
      bytes[6] = proto;
    }
  memcpy (bytes + (src.version == 4 ? 12 : 8), src.bytes, tn_ip_address_len (&src));
  memcpy (bytes + (src.version == 4 ? 16 : 24), dst.bytes, tn_ip_address_len (&dst));
  if (proto == 1 || proto == 58)
    {
      static const guint8 types[] = { 0, 3, 8, 11, 12, 18, 1, 4, 5, 128, 129 };

      transport[0] = types[g_rand_int_range (rand, 0, G_N_ELEMENTS (types))];
      transport[1] = (guint8) (g_rand_int_range (rand, 0, 4) == 0);
    }
  else
    {
      memcpy (transport, (guint8[]) { (guint8) (src_port >> 8), (guint8) src_port, (guint8) (dst_port >> 8), (guint8) dst_port }, 4);
      transport[13] = g_rand_boolean (rand) ? TN_TCP_SYN : (guint8) g_rand_int (rand);
    }
  return g_rand_int_range (rand, 0, 40) == 0 ? (gsize) g_rand_int_range (rand, 0, 30) : header_len + 40;
}

TnFilter *
random_filter (GRand       *rand,
               Model       *model,
               ModelRule   *rules,
               ModelHolder *holders,
               TnIpPrefix  *local)
{
  TnFilterBuilder *builder = tn_filter_builder_new ();
  guint max_rules = g_rand_boolean (rand) ? 8 : N_RULES_MAX;

  model->n_rules = (guint) g_rand_int_range (rand, 0, (gint32) max_rules + 1);
  for (guint i = 0; i < model->n_rules; i++)
    random_rule (rand, &rules[i], builder);
  for (guint i = 0; i < model->n_holders; i++)
    {
      g_autofree char *name = NULL;
      const char *names[1];
      TnIpPrefix place;

      holders[i] = (ModelHolder) { random_host (rand), (guint) g_rand_int_range (rand, 0, N_CAPABILITIES) };
      name = g_strdup_printf ("c%u", holders[i].capability);
      names[0] = name;
      place = (TnIpPrefix) { .address = holders[i].address };
      tn_filter_builder_add_holder (builder, &place, 1, names, 1);
    }
  for (guint i = 0; i < model->n_local; i++)
    {
      ModelSet set;

      do
        g_free (random_set (rand, &set, FALSE));
      while (set.kind != MODEL_PREFIX);
      local[i] = set.prefix;
      tn_filter_builder_add_local (builder, &local[i]);
    }
  return tn_filter_builder_end (builder);
}
