/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-peer-list.h"

/* A listener that keeps a copy by what it is told, as a list view does, and counts. */
typedef struct
{
  GPtrArray *names;     /* of char * */
  guint      n_emissions;
  guint      n_removed;
  guint      n_added;
} Mirror;

static TnNodeData *
make_node (guint       id,
           const char *name)
{
  g_autofree char *stable_id = g_strdup_printf ("n%u", id);
  TnNodeData *node = tn_node_data_new (stable_id);

  tn_node_data_set_dns_name (node, name);
  return node;
}

static void
changed_cb (GListModel *model,
            guint       position,
            guint       removed,
            guint       added,
            gpointer    user_data)
{
  Mirror *mirror = user_data;

  g_assert_cmpuint (position + removed, <=, mirror->names->len);
  if (removed > 0)
    g_ptr_array_remove_range (mirror->names, position, removed);
  for (guint i = 0; i < added; i++)
    {
      g_autoptr (TnNode) node = g_list_model_get_item (model, position + i);

      g_ptr_array_insert (mirror->names, (int) (position + i), g_strdup (tn_node_get_name (node)));
    }
  g_assert_cmpuint (mirror->names->len, ==, g_list_model_get_n_items (model));
  mirror->n_emissions++;
  mirror->n_removed += removed;
  mirror->n_added += added;
}

static void
mirror_init (Mirror     *mirror,
             TnPeerList *list)
{
  *mirror = (Mirror) { .names = g_ptr_array_new_with_free_func (g_free) };
  g_signal_connect (list, "items-changed", G_CALLBACK (changed_cb), mirror);
}

static void
mirror_reset (Mirror *mirror)
{
  mirror->n_emissions = mirror->n_removed = mirror->n_added = 0;
}

static void
assert_counts (const Mirror *mirror,
               guint         n_emissions,
               guint         n_removed,
               guint         n_added)
{
  g_assert_cmpuint (mirror->n_emissions, ==, n_emissions);
  g_assert_cmpuint (mirror->n_removed, ==, n_removed);
  g_assert_cmpuint (mirror->n_added, ==, n_added);
}

/* Right by itself, and in order. */
static void
assert_mirrored (TnPeerList   *list,
                 const Mirror *mirror)
{
  GListModel *model = G_LIST_MODEL (list);

  g_assert_cmpuint (g_list_model_get_n_items (model), ==, mirror->names->len);
  for (guint i = 0; i < mirror->names->len; i++)
    {
      g_autoptr (TnNode) node = g_list_model_get_item (model, i);

      g_assert_cmpstr (tn_node_get_name (node), ==, g_ptr_array_index (mirror->names, i));
      if (i > 0)
        g_assert_cmpstr (g_ptr_array_index (mirror->names, i - 1), <=, g_ptr_array_index (mirror->names, i));
    }
}

static GPtrArray *
make_peers (guint n_peers)
{
  GPtrArray *peers = g_ptr_array_new_full (n_peers, (GDestroyNotify) tn_node_data_unref);

  for (guint i = 0; i < n_peers; i++)
    {
      g_autofree char *name = g_strdup_printf ("p%06u", i);

      g_ptr_array_add (peers, make_node (i, name));
    }
  return peers;
}

static void
replace_peer (GPtrArray  *peers,
              guint       i,
              TnNodeData *node)
{
  tn_node_data_unref (g_ptr_array_index (peers, i));
  g_ptr_array_index (peers, i) = node;
}

static void
change (GHashTable *changes,
        guint       id,
        TnNodeData *data)
{
  g_hash_table_insert (changes, g_strdup_printf ("n%u", id), data);
}

static void
change_free (gpointer data)
{
  if (data != NULL)
    tn_node_data_unref (data);
}

static GHashTable *
new_changes (void)
{
  return g_hash_table_new_full (g_str_hash, g_str_equal, g_free, change_free);
}

static void
count_cb (GObject    *object,
          GParamSpec *pspec,
          gpointer    user_data)
{
  ++*(guint *) user_data;
}

static void
test_minimal (void)
{
  g_autoptr (TnPeerList) list = tn_peer_list_new ();
  g_autoptr (GPtrArray) peers = make_peers (10);
  Mirror mirror;

  mirror_init (&mirror, list);
  tn_peer_list_replace (list, peers);
  assert_counts (&mirror, 1, 0, 10);

  /* The same again, and the same data in another order: nothing. */
  mirror_reset (&mirror);
  tn_peer_list_replace (list, peers);
  g_ptr_array_insert (peers, 0, g_ptr_array_steal_index (peers, 9));
  tn_peer_list_replace (list, peers);
  assert_counts (&mirror, 0, 0, 0);

  /* One goes. */
  g_ptr_array_remove_index (peers, 0);     /* p000009 */
  tn_peer_list_replace (list, peers);
  assert_counts (&mirror, 1, 1, 0);

  /* Two apart go, one comes between them. */
  mirror_reset (&mirror);
  g_ptr_array_remove_index (peers, 7);
  g_ptr_array_remove_index (peers, 2);
  g_ptr_array_add (peers, make_node (20, "p000004x"));
  tn_peer_list_replace (list, peers);
  assert_counts (&mirror, 3, 2, 1);
  assert_mirrored (list, &mirror);

  /* All go. */
  mirror_reset (&mirror);
  g_ptr_array_set_size (peers, 0);
  tn_peer_list_replace (list, peers);
  g_assert_cmpuint (mirror.n_emissions, ==, 1);
  g_assert_cmpuint (mirror.names->len, ==, 0);
  g_ptr_array_unref (mirror.names);
}

static void
test_live (void)
{
  g_autoptr (TnPeerList) list = tn_peer_list_new ();
  g_autoptr (GPtrArray) peers = make_peers (3);
  g_autoptr (GHashTable) changes = new_changes ();
  g_autoptr (TnNode) node = NULL;
  g_autoptr (TnNode) again = NULL;
  TnNodeData *online = make_node (1, "p000001");
  guint n_online = 0, n_os = 0, n_any = 0;
  Mirror mirror;

  mirror_init (&mirror, list);
  tn_peer_list_replace (list, peers);
  mirror_reset (&mirror);
  node = g_list_model_get_item (G_LIST_MODEL (list), 1);
  g_signal_connect (node, "notify::online", G_CALLBACK (count_cb), &n_online);
  g_signal_connect (node, "notify::os", G_CALLBACK (count_cb), &n_os);
  g_signal_connect (node, "notify", G_CALLBACK (count_cb), &n_any);

  online->online = TRUE;
  change (changes, 1, online);
  tn_peer_list_apply (list, changes);
  assert_counts (&mirror, 0, 0, 0);
  g_assert_cmpuint (n_online, ==, 1);
  g_assert_cmpuint (n_os, ==, 0);
  g_assert_cmpuint (n_any, ==, 1);
  g_assert_true (tn_node_get_online (node));

  again = g_list_model_get_item (G_LIST_MODEL (list), 1);
  g_assert_true (again == node);
  g_ptr_array_unref (mirror.names);
}

static void
test_rename (void)
{
  g_autoptr (TnPeerList) list = tn_peer_list_new ();
  g_autoptr (GPtrArray) peers = make_peers (5);
  g_autoptr (GHashTable) changes = new_changes ();
  g_autoptr (TnNode) node = NULL;
  g_autoptr (TnNode) moved = NULL;
  guint n_name = 0;
  Mirror mirror;

  mirror_init (&mirror, list);
  tn_peer_list_replace (list, peers);
  mirror_reset (&mirror);
  node = g_list_model_get_item (G_LIST_MODEL (list), 1);
  g_signal_connect (node, "notify::name", G_CALLBACK (count_cb), &n_name);

  change (changes, 1, make_node (1, "zebra"));
  tn_peer_list_apply (list, changes);
  assert_counts (&mirror, 2, 1, 1);
  assert_mirrored (list, &mirror);
  moved = g_list_model_get_item (G_LIST_MODEL (list), 4);
  g_assert_true (moved == node);
  g_assert_cmpstr (tn_node_get_name (node), ==, "zebra");
  g_assert_cmpuint (n_name, ==, 1);
  g_ptr_array_unref (mirror.names);
}

static void
test_lifetime (void)
{
  g_autoptr (TnPeerList) list = tn_peer_list_new ();
  g_autoptr (GPtrArray) peers = make_peers (2);
  g_autoptr (GHashTable) changes = new_changes ();
  TnNode *node;

  tn_peer_list_replace (list, peers);
  node = g_list_model_get_item (G_LIST_MODEL (list), 0);
  g_assert_finalize_object (node);

  /* One that is held outlives its place in the list, and keeps what was last known. */
  node = tn_peer_list_dup_node (list, "n1");
  change (changes, 1, NULL);
  tn_peer_list_apply (list, changes);
  g_assert_null (tn_peer_list_dup_node (list, "n1"));
  g_assert_cmpstr (tn_node_get_name (node), ==, "p000001");
  g_assert_finalize_object (node);

  g_assert_null (g_list_model_get_item (G_LIST_MODEL (list), 1));
  g_assert_true (g_list_model_get_item_type (G_LIST_MODEL (list)) == TN_TYPE_NODE);
}

static void
test_counters (void)
{
  g_autoptr (TnPeerList) list = tn_peer_list_new ();
  g_autoptr (GPtrArray) peers = make_peers (2);
  g_autoptr (GHashTable) live = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  g_autoptr (TnNode) node = NULL;
  g_autoptr (TnNode) late = NULL;
  TnNodeLive values = { .rx_bytes = 5, .tx_bytes = 7, .last_handshake_us = G_GINT64_CONSTANT (1700000000) * G_USEC_PER_SEC,
                        .path = { .kind = TN_PATH_KIND_RELAY, .region = 4, .region_code = "fra", .latency_us = 12000 } };
  guint n_rx = 0, n_path = 0;

  tn_peer_list_replace (list, peers);
  node = tn_peer_list_dup_node (list, "n0");
  g_assert_cmpint (tn_path_get_kind (tn_node_get_path (node)), ==, TN_PATH_KIND_NONE);
  g_assert_null (tn_node_get_last_handshake (node));
  g_signal_connect (node, "notify::rx-bytes", G_CALLBACK (count_cb), &n_rx);
  g_signal_connect (node, "notify::path", G_CALLBACK (count_cb), &n_path);

  g_hash_table_insert (live, g_strdup ("n0"), g_memdup2 (&values, sizeof values));
  g_hash_table_insert (live, g_strdup ("n1"), g_memdup2 (&values, sizeof values));
  g_hash_table_insert (live, g_strdup ("nobody"), g_memdup2 (&values, sizeof values));
  tn_peer_list_update_live (list, live);
  tn_peer_list_update_live (list, live);
  g_assert_cmpuint (n_rx, ==, 1);
  g_assert_cmpuint (n_path, ==, 1);
  g_assert_cmpuint (tn_node_get_tx_bytes (node), ==, 7);
  g_assert_cmpstr (tn_path_get_region (tn_node_get_path (node)), ==, "fra");
  g_assert_cmpint (g_date_time_to_unix (tn_node_get_last_handshake (node)), ==, 1700000000);

  /* An object that is made later knows it too. */
  late = tn_peer_list_dup_node (list, "n1");
  g_assert_cmpuint (tn_node_get_rx_bytes (late), ==, 5);
}

static void
test_random (void)
{
  g_autoptr (TnPeerList) list = tn_peer_list_new ();
  g_autoptr (GPtrArray) peers = make_peers (300);
  Mirror mirror;

  mirror_init (&mirror, list);
  tn_peer_list_replace (list, peers);
  for (guint round = 0; round < 200; round++)
    {
      g_autoptr (GHashTable) changes = new_changes ();
      guint n_changes = (guint) g_test_rand_int_range (1, round % 10 == 0 ? 250 : 20);

      for (guint i = 0; i < n_changes; i++)
        {
          guint id = (guint) g_test_rand_int_range (0, 400);
          g_autofree char *name = g_strdup_printf ("p%06d", g_test_rand_int_range (0, 400));

          change (changes, id, g_test_rand_bit () ? make_node (id, name) : NULL);
        }
      tn_peer_list_apply (list, changes);
      assert_mirrored (list, &mirror);
    }
  g_ptr_array_unref (mirror.names);
}

static void
test_many (void)
{
  const guint n_peers = 50000;
  g_autoptr (TnPeerList) list = tn_peer_list_new ();
  g_autoptr (GPtrArray) peers = make_peers (n_peers);
  g_autoptr (GHashTable) changes = new_changes ();
  g_autoptr (TnNode) node = NULL;
  gint64 start_us = g_get_monotonic_time ();
  Mirror mirror = { .names = g_ptr_array_new_with_free_func (g_free) };
  TnNodeData *expired;

  tn_peer_list_replace (list, peers);
  g_test_message ("50 000 peers: %" G_GINT64_FORMAT " us", g_get_monotonic_time () - start_us);
  g_assert_cmpuint (g_list_model_get_n_items (G_LIST_MODEL (list)), ==, n_peers);
  for (guint i = 0; i < n_peers; i++)
    g_ptr_array_add (mirror.names, g_strdup (((TnNodeData *) g_ptr_array_index (peers, i))->name));
  g_signal_connect (list, "items-changed", G_CALLBACK (changed_cb), &mirror);
  node = g_list_model_get_item (G_LIST_MODEL (list), 25000);

  start_us = g_get_monotonic_time ();
  expired = make_node (25000, "p025000");
  expired->expired = TRUE;
  change (changes, 25000, expired);
  change (changes, 100, NULL);
  change (changes, 60000, make_node (60000, "p049999x"));
  tn_peer_list_apply (list, changes);
  g_test_message ("three changes: %" G_GINT64_FORMAT " us", g_get_monotonic_time () - start_us);
  assert_counts (&mirror, 2, 1, 1);
  g_assert_true (tn_node_get_expired (node));

  /* A whole map in which one is different. */
  mirror_reset (&mirror);
  g_ptr_array_remove_index (peers, 100);
  replace_peer (peers, 24999, tn_node_data_ref (expired));
  start_us = g_get_monotonic_time ();
  tn_peer_list_replace (list, peers);
  g_test_message ("the whole map again: %" G_GINT64_FORMAT " us", g_get_monotonic_time () - start_us);
  assert_counts (&mirror, 1, 1, 0);
  assert_mirrored (list, &mirror);
  g_ptr_array_unref (mirror.names);
}

int
main (int    argc,
      char **argv)
{
  g_test_init (&argc, &argv, NULL);

  g_test_add_func ("/device/peer-list/minimal", test_minimal);
  g_test_add_func ("/device/peer-list/live", test_live);
  g_test_add_func ("/device/peer-list/rename", test_rename);
  g_test_add_func ("/device/peer-list/lifetime", test_lifetime);
  g_test_add_func ("/device/peer-list/counters", test_counters);
  g_test_add_func ("/device/peer-list/random", test_random);
  g_test_add_func ("/device/peer-list/many", test_many);
  return g_test_run ();
}
