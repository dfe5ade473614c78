/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdint.h>

#include "tn-netmap-update.h"

static void
touch_rule (const TnFilterRule *rule,
            gpointer            user_data)
{
  for (gsize i = 0; i < rule->n_sources; i++)
    g_assert (rule->sources[i] != NULL);
}

static void
touch_node (const TnNetmapNode *node)
{
  G_GNUC_UNUSED g_autofree char *json = tn_netmap_node_to_json (node);
  G_GNUC_UNUSED g_autofree char *app = tn_netmap_node_dup_hostinfo_string (node, "App");
  GHashTable *location = tn_netmap_node_dup_location (node);

  (void) tn_netmap_node_get_service_port (node, "peerapi4");
  if (location != NULL)
    g_hash_table_unref (location);
}

/* The same message twice: as the first of a stream, and as a later one. */
int
LLVMFuzzerTestOneInput (const uint8_t *data,
                        size_t         size)
{
  g_autoptr (TnNetmap) netmap = tn_netmap_new ();
  g_autoptr (TnNetmapChanges) changes = tn_netmap_changes_new ();

  for (guint round = 0; round < 2; round++)
    {
      g_auto (TnMapMessage) message = { 0 };

      if (!tn_netmap_update (netmap, (const char *) data, size, 0, &message, changes, NULL))
        return 0;
    }
  tn_netmap_foreach_rule (netmap, touch_rule, NULL);
  if (netmap->self != NULL)
    touch_node (netmap->self);
  for (guint i = 0; i < netmap->peers->len; i++)
    touch_node (g_ptr_array_index (netmap->peers, i));
  return 0;
}
