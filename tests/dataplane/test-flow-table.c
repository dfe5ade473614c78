/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tn-flow-table.h"

static TnParsed
packet (guint8  proto,
        guint16 src_port,
        guint16 dst_port)
{
  return (TnParsed) {
    .version = 4, .proto = proto, .src_port = src_port, .dst_port = dst_port,
    .src = { .version = 4, .bytes = { 100, 64, 0, 1 } }, .dst = { .version = 4, .bytes = { 100, 64, 0, 1 } },
  };
}

static gboolean
knows (TnFlowTable *table,
       guint16      port,
       gint64       now_us)
{
  TnParsed answer = packet (TN_PROTO_UDP, 53, port);

  return tn_flow_table_knows_in (table, &answer, now_us);
}

static void
open_flow (TnFlowTable *table,
           guint16      port,
           gint64       now_us)
{
  TnParsed query = packet (TN_PROTO_UDP, port, 53);

  tn_flow_table_note_out (table, &query, now_us);
}

static void
test_least_recently_used (void)
{
  g_autoptr (TnFlowTable) table = tn_flow_table_new (3, 0);

  open_flow (table, 1, 0);
  open_flow (table, 2, 0);
  open_flow (table, 3, 0);
  g_assert_true (knows (table, 1, 0));      /* use by an answer counts */
  open_flow (table, 2, 0);                  /* so does another packet */
  open_flow (table, 4, 0);
  g_assert_cmpuint (tn_flow_table_get_size (table), ==, 3);
  g_assert_false (knows (table, 3, 0));
  g_assert_true (knows (table, 1, G_MAXINT64));
  g_assert_true (knows (table, 2, 0));
  g_assert_true (knows (table, 4, 0));

  tn_flow_table_clear (table);
  g_assert_cmpuint (tn_flow_table_get_size (table), ==, 0);
  g_assert_false (knows (table, 4, 0));
}

static void
test_idle (void)
{
  g_autoptr (TnFlowTable) table = tn_flow_table_new (2, 100);

  open_flow (table, 1, 0);
  g_assert_true (knows (table, 1, 100));
  g_assert_true (knows (table, 1, 200));
  g_assert_false (knows (table, 1, 301));
  g_assert_cmpuint (tn_flow_table_get_size (table), ==, 0);

  /* The room is used again. */
  for (guint16 port = 1; port < 10; port++)
    open_flow (table, port, 400);
  g_assert_cmpuint (tn_flow_table_get_size (table), ==, 2);
  g_assert_true (knows (table, 9, 400));
}

static void
test_protocols (void)
{
  g_autoptr (TnFlowTable) table = tn_flow_table_new (8, 0);
  TnParsed tcp = packet (TN_PROTO_TCP, 1, 53);
  TnParsed sctp = packet (TN_PROTO_SCTP, 1, 53);
  TnParsed answer = packet (TN_PROTO_SCTP, 53, 1);

  tn_flow_table_note_out (table, &tcp, 0);
  g_assert_cmpuint (tn_flow_table_get_size (table), ==, 0);
  tn_flow_table_note_out (table, &sctp, 0);
  g_assert_true (tn_flow_table_knows_in (table, &answer, 0));
  g_assert_false (knows (table, 1, 0));
}

int
main (int   argc,
      char *argv[])
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/dataplane/flow-table/least-recently-used", test_least_recently_used);
  g_test_add_func ("/dataplane/flow-table/idle", test_idle);
  g_test_add_func ("/dataplane/flow-table/protocols", test_protocols);
  return g_test_run ();
}
