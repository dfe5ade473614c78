/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <arpa/inet.h>
#include <linux/if.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include "tn-link-state.h"

/* What of all that the kernel tells makes another way into the network. */

static TnLinkState *state;
static TnNlBatch batch;

static void
set_up (void)
{
  state = tn_link_state_new ();
  batch = (TnNlBatch) { .bytes = g_byte_array_new () };
}

static void
tear_down (void)
{
  tn_link_state_free (state);
  g_byte_array_unref (batch.bytes);
}

static gboolean
take (guint16 flags)
{
  TnReader r = TN_READER_INIT (batch.bytes->data, batch.bytes->len);
  TnNlMessage message;
  gboolean changed;

  g_assert_true (tn_nl_message_next (&r, &message));
  g_assert_cmpuint (r.left, ==, 0);
  message.flags = flags;
  changed = tn_link_state_take (state, &message);
  tn_nl_batch_clear (&batch);
  return changed;
}

static void
put_address (guint16 attribute, const char *text)
{
  guint8 bytes[16];
  gboolean v6 = strchr (text, ':') != NULL;

  g_assert_cmpint (inet_pton (v6 ? AF_INET6 : AF_INET, text, bytes), ==, 1);
  tn_nl_batch_put (&batch, attribute, bytes, v6 ? 16 : 4);
}

typedef struct
{
  const char *gateway;
  guint32     interface;
  guint32     metric;
  guint32     table;           /* 0: main */
  guint8      prefix_len;
  guint8      type;            /* 0: unicast */
  guint32     route_flags;
  const char *source;
  guint16     message_flags;
} RouteCase;

static gboolean
route (guint16 what, RouteCase c)
{
  struct rtmsg header = { .rtm_family = strchr (c.gateway, ':') != NULL ? AF_INET6 : AF_INET, .rtm_dst_len = c.prefix_len,
                          .rtm_table = RT_TABLE_MAIN, .rtm_type = c.type != 0 ? c.type : RTN_UNICAST, .rtm_flags = c.route_flags };
  const guint32 expires[8] = { g_random_int () };      /* rta_cacheinfo: another one each time */

  tn_nl_batch_begin (&batch, what, 0, &header, sizeof header);
  tn_nl_batch_put_u32 (&batch, RTA_TABLE, c.table != 0 ? c.table : RT_TABLE_MAIN);
  if (c.prefix_len > 0)
    put_address (RTA_DST, "198.51.100.0");
  put_address (RTA_GATEWAY, c.gateway);
  tn_nl_batch_put_u32 (&batch, RTA_OIF, c.interface);
  if (c.metric != 0)
    tn_nl_batch_put_u32 (&batch, RTA_PRIORITY, c.metric);
  if (c.source != NULL)
    put_address (RTA_PREFSRC, c.source);
  tn_nl_batch_put (&batch, RTA_CACHEINFO, expires, sizeof expires);
  return take (c.message_flags);
}

#define NEW(...) route (RTM_NEWROUTE, (RouteCase) { __VA_ARGS__ })
#define DEL(...) route (RTM_DELROUTE, (RouteCase) { __VA_ARGS__ })

static gboolean
address (guint16 what, const char *text, guint8 flags, guint8 scope)
{
  struct ifaddrmsg header = { .ifa_family = strchr (text, ':') != NULL ? AF_INET6 : AF_INET, .ifa_prefixlen = 24, .ifa_flags = flags,
                              .ifa_scope = scope, .ifa_index = 2 };
  const guint32 lifetimes[4] = { g_random_int () };

  tn_nl_batch_begin (&batch, what, 0, &header, sizeof header);
  put_address (IFA_ADDRESS, text);
  tn_nl_batch_put (&batch, IFA_CACHEINFO, lifetimes, sizeof lifetimes);
  return take (0);
}

static gboolean
link_message (guint16 what, int interface, guint flags, guint8 family)
{
  struct ifinfomsg header = { .ifi_family = family, .ifi_index = interface, .ifi_flags = flags };

  tn_nl_batch_begin (&batch, what, 0, &header, sizeof header);
  return take (0);
}

static void
test_routes (void)
{
  set_up ();
  g_assert_true (NEW ("192.0.2.1", 2, 100));
  g_assert_false (NEW ("192.0.2.1", 2, 100));                       /* again, with other lifetimes */
  g_assert_false (NEW ("192.0.2.1", 2, 100, .message_flags = NLM_F_REPLACE));
  g_assert_true (NEW ("192.0.2.1", 3, 200));
  g_assert_true (NEW ("2001:db8::1", 2, 100));
  g_assert_true (NEW ("192.0.2.2", 2, 100, .message_flags = NLM_F_REPLACE));
  g_assert_false (DEL ("192.0.2.1", 2, 100));                       /* that was it */
  g_assert_true (NEW ("192.0.2.2", 2, 100, .source = "192.0.2.9", .message_flags = NLM_F_REPLACE));
  g_assert_true (DEL ("192.0.2.2", 2, 100, .source = "192.0.2.9"));
  g_assert_false (DEL ("192.0.2.2", 2, 100, .source = "192.0.2.9"));
  g_assert_true (NEW ("192.0.2.1", 4, .table = 77));                /* of a VPN, perhaps */
  g_assert_false (NEW ("192.0.2.1", 4, .table = 77, .prefix_len = 24));
  g_assert_false (DEL ("192.0.2.1", 4, .prefix_len = 24));
  g_assert_false (NEW ("192.0.2.1", 4, .type = RTN_UNREACHABLE));
  g_assert_false (NEW ("192.0.2.1", 4, .route_flags = RTM_F_CLONED));
  tear_down ();
}

/* Gone and back: what was on the way has forgotten us, perhaps. */
static void
test_flap (void)
{
  set_up ();
  g_assert_true (NEW ("192.0.2.1", 2));
  g_assert_true (DEL ("192.0.2.1", 2));
  g_assert_true (NEW ("192.0.2.1", 2));
  tear_down ();
}

static void
test_addresses (void)
{
  set_up ();
  g_assert_true (address (RTM_NEWADDR, "192.0.2.7", IFA_F_PERMANENT, RT_SCOPE_UNIVERSE));
  g_assert_false (address (RTM_NEWADDR, "192.0.2.7", 0, RT_SCOPE_UNIVERSE));      /* a lease that was renewed */
  g_assert_true (address (RTM_NEWADDR, "192.0.2.8", IFA_F_SECONDARY, RT_SCOPE_SITE));
  g_assert_true (address (RTM_DELADDR, "192.0.2.7", 0, RT_SCOPE_UNIVERSE));
  g_assert_false (address (RTM_DELADDR, "192.0.2.7", 0, RT_SCOPE_UNIVERSE));

  g_assert_false (address (RTM_NEWADDR, "2001:db8::7", IFA_F_TENTATIVE, RT_SCOPE_UNIVERSE));
  g_assert_true (address (RTM_NEWADDR, "2001:db8::7", 0, RT_SCOPE_UNIVERSE));
  g_assert_true (address (RTM_NEWADDR, "2001:db8::7", IFA_F_TENTATIVE | IFA_F_DADFAILED, RT_SCOPE_UNIVERSE));
  g_assert_true (address (RTM_NEWADDR, "2001:db8::8", IFA_F_TENTATIVE | IFA_F_OPTIMISTIC, RT_SCOPE_UNIVERSE));

  g_assert_false (address (RTM_NEWADDR, "fe80::1", 0, RT_SCOPE_LINK));
  g_assert_false (address (RTM_NEWADDR, "127.0.0.2", 0, RT_SCOPE_HOST));
  g_assert_false (address (RTM_NEWADDR, "100.100.1.2", 0, RT_SCOPE_UNIVERSE));
  g_assert_false (address (RTM_NEWADDR, "fd7a:115c:a1e0::2", 0, RT_SCOPE_UNIVERSE));
  g_assert_true (address (RTM_NEWADDR, "100.128.1.2", 0, RT_SCOPE_UNIVERSE));
  g_assert_true (address (RTM_NEWADDR, "fd7a:115c:a1e1::2", 0, RT_SCOPE_UNIVERSE));
  tear_down ();
}

static void
test_links (void)
{
  const guint up = IFF_UP | IFF_LOWER_UP;

  set_up ();
  g_assert_false (link_message (RTM_NEWLINK, 2, up, AF_UNSPEC));
  g_assert_false (link_message (RTM_NEWLINK, 3, up, AF_UNSPEC));
  g_assert_true (NEW ("192.0.2.1", 2));
  g_assert_false (link_message (RTM_NEWLINK, 2, up | IFF_PROMISC, AF_UNSPEC));
  g_assert_false (link_message (RTM_NEWLINK, 3, IFF_UP, AF_UNSPEC));      /* nothing of ours goes there */
  g_assert_true (link_message (RTM_NEWLINK, 2, IFF_UP, AF_UNSPEC));       /* the cable is pulled */
  g_assert_true (link_message (RTM_NEWLINK, 2, up, AF_UNSPEC));
  g_assert_false (link_message (RTM_DELLINK, 2, up, AF_BRIDGE));
  g_assert_true (link_message (RTM_NEWLINK, 2, 0, AF_UNSPEC));            /* down: its routes go without a word */
  g_assert_false (link_message (RTM_NEWLINK, 2, up, AF_UNSPEC));
  g_assert_true (NEW ("192.0.2.1", 2));
  g_assert_true (address (RTM_NEWADDR, "192.0.2.7", 0, RT_SCOPE_UNIVERSE));
  g_assert_true (link_message (RTM_DELLINK, 2, 0, AF_UNSPEC));
  g_assert_true (address (RTM_NEWADDR, "192.0.2.7", 0, RT_SCOPE_UNIVERSE));
  g_assert_false (link_message (RTM_DELLINK, 9, 0, AF_UNSPEC));
  tear_down ();
}

static TnLinkState *
describe (gboolean reversed, const char *gateway, const char *own, guint link_flags)
{
  TnLinkState *described = tn_link_state_new ();

  state = described;
  batch = (TnNlBatch) { .bytes = g_byte_array_new () };
  for (guint i = 0; i < 5; i++)
    switch (reversed ? 4 - i : i)
      {
      case 0: link_message (RTM_NEWLINK, 2, link_flags, AF_UNSPEC); break;
      case 1: link_message (RTM_NEWLINK, 3, reversed ? IFF_UP : IFF_UP | IFF_LOWER_UP, AF_UNSPEC); break;      /* no way of ours */
      case 2: NEW (gateway, 2, 100); break;
      case 3: NEW ("2001:db8::1", 2, 100); break;
      default: address (RTM_NEWADDR, own, 0, RT_SCOPE_UNIVERSE);
      }
  g_byte_array_unref (batch.bytes);
  return described;
}

/* After lost messages all is learned anew, in whatever order. */
static void
test_equal (void)
{
  const guint up = IFF_UP | IFF_LOWER_UP;
  g_autoptr (TnLinkState) a = describe (FALSE, "192.0.2.1", "192.0.2.7", up);
  g_autoptr (TnLinkState) same = describe (TRUE, "192.0.2.1", "192.0.2.7", up);
  g_autoptr (TnLinkState) rerouted = describe (FALSE, "192.0.2.2", "192.0.2.7", up);
  g_autoptr (TnLinkState) renumbered = describe (FALSE, "192.0.2.1", "192.0.2.8", up);
  g_autoptr (TnLinkState) pulled = describe (FALSE, "192.0.2.1", "192.0.2.7", IFF_UP);
  g_autoptr (TnLinkState) nothing = tn_link_state_new ();

  g_assert_true (tn_link_state_equal (a, same) && tn_link_state_equal (same, a) && tn_link_state_equal (nothing, nothing));
  g_assert_false (tn_link_state_equal (a, rerouted));
  g_assert_false (tn_link_state_equal (a, renumbered));
  g_assert_false (tn_link_state_equal (a, pulled));
  g_assert_false (tn_link_state_equal (a, nothing));
  g_assert_false (tn_link_state_equal (nothing, a));
}

/* Cut anywhere, or with lengths that make no sense: no change, and no read beyond the end. */
static void
test_malformed (void)
{
  struct rtmsg header = { .rtm_family = AF_INET, .rtm_type = RTN_UNICAST };
  guint8 many[20] = { 0 };

  set_up ();
  for (gsize len = 0; len <= 4; len++)
    for (guint16 type = RTM_NEWLINK; type < RTM_NEWNEIGH; type++)
      {
        tn_nl_batch_begin (&batch, type, 0, &header, len);
        g_assert_false (take (0));
      }
  for (gsize len = 0; len <= sizeof many; len++)
    {
      tn_nl_batch_begin (&batch, RTM_NEWROUTE, 0, &header, sizeof header);
      tn_nl_batch_put (&batch, RTA_OIF, many, len);
      tn_nl_batch_put (&batch, RTA_GATEWAY, many, len);
      g_assert_true (take (0) == (len == 4));
    }
  tear_down ();
}

int
main (int    argc,
      char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/netcheck/link-state/routes", test_routes);
  g_test_add_func ("/netcheck/link-state/flap", test_flap);
  g_test_add_func ("/netcheck/link-state/addresses", test_addresses);
  g_test_add_func ("/netcheck/link-state/links", test_links);
  g_test_add_func ("/netcheck/link-state/equal", test_equal);
  g_test_add_func ("/netcheck/link-state/malformed", test_malformed);
  return g_test_run ();
}
