/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdint.h>
#include <string.h>

#include "tn-dial-plan.h"
#include "tn-netmap-private.h"
#include "tn-netmap-text.h"
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

static void
touch (const TnNetmap *netmap)
{
  gint64 last = G_MININT64;

  tn_netmap_foreach_rule (netmap, touch_rule, NULL);
  (void) tn_netmap_own_key_expired (netmap, G_TIME_SPAN_DAY, G_TIME_SPAN_DAY);
  if (netmap->self != NULL)
    touch_node (netmap->self);
  for (guint i = 0; i < netmap->peers->len; i++)
    {
      const TnNetmapNode *node = g_ptr_array_index (netmap->peers, i);

      g_assert (i == 0 || node->id > last);
      last = node->id;
      touch_node (node);
    }
}

static void
assert_there (const TnNetmap *netmap,
              GArray         *ids,
              gboolean        there)
{
  for (guint i = 0; i < ids->len; i++)
    g_assert ((tn_netmap_lookup (netmap, g_array_index (ids, gint64, i)) != NULL) == there);
}

static GBytes *
to_text (const TnNetmap *netmap)
{
  g_autoptr (TnNetmapText) text = tn_netmap_text_new (netmap);
  g_autoptr (GOutputStream) stream = g_memory_output_stream_new_resizable ();

  g_assert (tn_netmap_text_write (text, G_MAXSIZE, stream, NULL, NULL));
  g_assert (g_output_stream_close (stream, NULL, NULL));
  return g_memory_output_stream_steal_as_bytes (G_MEMORY_OUTPUT_STREAM (stream));
}

/* What was told of the map holds until another stream has one: a message that is refused leaves nothing in it. */
static void
assert_untouched (const TnNetmap        *netmap,
                  const TnNetmapChanges *changes,
                  GBytes                *before)
{
  g_autoptr (GBytes) after = netmap->self != NULL ? to_text (netmap) : NULL;

  g_assert (tn_netmap_changes_is_empty (changes));
  g_assert ((before == NULL) == (after == NULL) && (before == NULL || g_bytes_equal (before, after)));
}

/* FALSE: the stream is over. */
static gboolean
apply (TnNetmap        *netmap,
       TnNetmapChanges *changes,
       const char      *json,
       gsize            len)
{
  g_autoptr (GBytes) before = netmap->self != NULL ? to_text (netmap) : NULL;
  g_auto (TnMapMessage) message = { 0 };
  gboolean ok;

  tn_netmap_changes_clear (changes);
  ok = tn_netmap_update (netmap, json, len, G_TIME_SPAN_DAY, &message, changes, NULL);
  if (ok && !message.keep_alive)
    {
      TnDialPlan plan;

      tn_dial_plan_read (&plan, message.fields.text[MAP_DIAL_PLAN]);
      g_assert (plan.n_candidates <= TN_DIAL_PLAN_MAX);
      assert_there (netmap, changes->added, TRUE);
      assert_there (netmap, changes->changed, TRUE);
      assert_there (netmap, changes->removed, FALSE);
    }
  if (!ok)
    assert_untouched (netmap, changes, before);
  touch (netmap);
  return ok;
}

/* Messages of a stream, a zero byte between them: none has one in it. */
static TnNetmap *
follow_stream (const char *data,
               gsize       size)
{
  TnNetmap *netmap = tn_netmap_new ();
  g_autoptr (TnNetmapChanges) changes = tn_netmap_changes_new ();
  const char *end = data + size;

  while (data <= end)
    {
      const char *next = data < end ? memchr (data, 0, (gsize) (end - data)) : NULL;

      if (!apply (netmap, changes, data, (gsize) ((next != NULL ? next : end) - data)) || next == NULL)
        break;
      data = next + 1;
    }
  return netmap;
}

static void
assert_same_node (const TnNetmapNode *a,
                  const TnNetmapNode *b)
{
  g_assert (tn_netmap_node_compare (a, b) == 0);
  g_assert (g_strcmp0 (a->audit_log_id, b->audit_log_id) == 0);
}

/* What is written down and read again is the same map. */
static void
check_text (const TnNetmap *netmap)
{
  g_autoptr (GBytes) text = to_text (netmap);
  g_autoptr (TnNetmap) again = tn_netmap_text_read (g_bytes_get_data (text, NULL), g_bytes_get_size (text), NULL);
  g_autoptr (GBytes) same = NULL;

  g_assert (again != NULL);
  assert_same_node (netmap->self, again->self);
  g_assert (netmap->peers->len == again->peers->len);
  for (guint i = 0; i < netmap->peers->len; i++)
    assert_same_node (g_ptr_array_index (netmap->peers, i), g_ptr_array_index (again->peers, i));
  g_assert (netmap->magic_dns == again->magic_dns);
  g_assert (netmap->collect_services == again->collect_services);
  g_assert (netmap->key_authority_enabled == again->key_authority_enabled);
  g_assert (netmap->messages->len == again->messages->len && netmap->filters->len == again->filters->len);
  same = to_text (again);
  g_assert (g_bytes_equal (text, same));
}

/* The same stream twice, as after a reconnect: nothing differs. */
int
LLVMFuzzerTestOneInput (const uint8_t *data,
                        size_t         size)
{
  g_autoptr (TnNetmap) before = follow_stream ((const char *) data, size);
  g_autoptr (TnNetmap) after = follow_stream ((const char *) data, size);
  g_autoptr (TnNetmapChanges) changes = tn_netmap_changes_new ();

  tn_netmap_follow (after, before, changes);
  g_assert (changes->added->len == 0 && changes->removed->len == 0 && changes->changed->len == 0);
  if (before->self != NULL)
    check_text (before);
  return 0;
}
