/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "cases.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <string.h>

#include "tn-prefix-table.h"

#define N_PREFIXES  100000
#define N_ADDRESSES (1 << 14)

typedef struct
{
  TnPrefixTable *table;
  TnIpAddress    addresses[N_ADDRESSES];
  char          *prefix_file;      /* for a program beside ours; NULL: none */
  char          *address_file;
  guint          next;
  guint64        sum;
} Lookup;

/* An address within the prefix. */
static TnIpAddress
address_in (GRand            *rand,
            const TnIpPrefix *prefix)
{
  TnIpAddress address = prefix->address;

  for (guint bit = prefix->bits; bit < 32; bit++)
    if (g_rand_boolean (rand))
      address.bytes[bit / 8] |= (guint8) (0x80 >> bit % 8);
  return address;
}

static void
look_up (gpointer data)
{
  Lookup *lookup = data;

  for (guint i = 0; i < 16; i++)
    lookup->sum += (gsize) tn_prefix_table_lookup (lookup->table, &lookup->addresses[lookup->next++ % N_ADDRESSES]);
}

static double
time_ours (gpointer data)
{
  return cases_time (look_up, data) / 16;
}

/* PROGRAM PREFIXES ADDRESSES: two files, one a line; it prints nanoseconds a lookup. */
static double
time_peer (gpointer data)
{
  Lookup *lookup = data;
  g_autofree char *program = g_strdup (cases_peer_program ("TAILNET_TEST_BART"));
  char *argv[] = { program, lookup->prefix_file, lookup->address_file, NULL };
  g_autoptr (GError) error = NULL;
  g_autofree char *out = NULL;

  if (!g_spawn_sync (NULL, argv, NULL, G_SPAWN_DEFAULT, NULL, NULL, &out, NULL, NULL, &error))
    g_error ("%s", error->message);
  return g_ascii_strtod (out, NULL);
}

static char *
write_lines (const char *name,
             GString    *lines)
{
  char *path = g_build_filename (g_get_tmp_dir (), name, NULL);
  g_autoptr (GError) error = NULL;
  int fd = g_mkstemp (path);

  if (fd < 0 || !g_file_set_contents (path, lines->str, (gssize) lines->len, &error) || !g_close (fd, &error))
    g_error ("%s: %s", path, error != NULL ? error->message : g_strerror (errno));
  return path;
}

void
cases_lookup (void)
{
  static const Case c = { "lookup/100000", "ns", FALSE, "gaissmai/bart" };
  g_autofree Lookup *lookup = g_new0 (Lookup, 1);
  g_autofree TnIpPrefix *prefixes = g_new0 (TnIpPrefix, N_PREFIXES);
  g_autoptr (GString) prefix_lines = g_string_new (NULL);
  g_autoptr (GString) address_lines = g_string_new (NULL);
  g_autoptr (GRand) rand = g_rand_new_with_seed (1);

  lookup->table = tn_prefix_table_new (NULL);
  for (guint i = 0; i < N_PREFIXES; i++)
    {
      TnIpPrefix prefix = { .bits = (guint8) g_rand_int_range (rand, 8, 33) };
      guint32 bits = g_rand_int (rand);
      char text[TN_IP_PREFIX_TEXT_MAX];

      prefix.address.version = 4;
      memcpy (prefix.address.bytes, &bits, sizeof bits);
      prefixes[i] = tn_ip_prefix_mask (&prefix);
      tn_prefix_table_insert (lookup->table, &prefixes[i], GSIZE_TO_POINTER (4 * (gsize) i + 4));
      tn_ip_prefix_print (&prefixes[i], text);
      g_string_append_printf (prefix_lines, "%s\n", text);
    }
  for (guint i = 0; i < N_ADDRESSES; i++)
    {
      char text[TN_IP_ADDRESS_TEXT_MAX];

      lookup->addresses[i] = address_in (rand, &prefixes[g_rand_int_range (rand, 0, N_PREFIXES)]);
      tn_ip_address_print (&lookup->addresses[i], text);
      g_string_append_printf (address_lines, "%s\n", text);
    }
  if (cases_peer_program ("TAILNET_TEST_BART") != NULL)
    {
      lookup->prefix_file = write_lines ("prefixes-XXXXXX", prefix_lines);
      lookup->address_file = write_lines ("addresses-XXXXXX", address_lines);
    }

  cases_measure (&c, time_ours, lookup->prefix_file != NULL ? time_peer : NULL, -1, lookup);

  if (lookup->prefix_file != NULL)
    {
      g_unlink (lookup->prefix_file);
      g_unlink (lookup->address_file);
    }
  g_free (lookup->prefix_file);
  g_free (lookup->address_file);
  tn_prefix_table_free (lookup->table);
}
