/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "host.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <linux/capability.h>
#include <linux/fib_rules.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/if_tun.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>


gboolean
test_host_enter (void)
{
  static gboolean own_user;

  if (access ("/dev/net/tun", R_OK | W_OK) != 0 && (geteuid () != 0 || errno == ENOENT))
    {
      g_test_skip_printf ("needs /dev/net/tun: %s", g_strerror (errno));
      return FALSE;
    }
  if (geteuid () != 0 && !own_user)
    {
      if (unshare (CLONE_NEWUSER | CLONE_NEWNET) == 0)
        return own_user = TRUE;
    }
  else if (unshare (CLONE_NEWNET) == 0)
    return TRUE;
  if (geteuid () == 0 && errno != EPERM)
    g_error ("unshare: %s", g_strerror (errno));
  g_test_skip ("needs a network namespace of its own, which this machine does not allow");
  return FALSE;
}

/* --- Talking to the kernel, with what is under test for writing alone --- */

TnNlBatch *
test_host_batch (void)
{
  static TnNlBatch batch;

  if (batch.bytes == NULL)
    batch.bytes = g_byte_array_new ();
  tn_nl_batch_clear (&batch);
  return &batch;
}

static int
open_netlink (guint32 groups)
{
  const struct sockaddr_nl address = { .nl_family = AF_NETLINK, .nl_groups = groups };
  int fd = socket (AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);

  g_assert_cmpint (fd, >=, 0);
  g_assert_cmpint (bind (fd, (const struct sockaddr *) &address, sizeof address), ==, 0);
  return fd;
}

typedef void (*MessageFunc) (struct nlmsghdr *message, gpointer user_data);

static int
talk (TnNlBatch  *batch,
      MessageFunc func,
      gpointer    user_data)
{
  static char buffer[65536] __attribute__ ((aligned (8)));
  int fd = open_netlink (0), code = 0;
  guint answered = 0;

  g_assert_cmpint (send (fd, batch->bytes->data, batch->bytes->len, 0), ==, batch->bytes->len);
  while (answered < batch->n)
    {
      int len = (int) recv (fd, buffer, sizeof buffer, 0);

      g_assert_cmpint (len, >, 0);
      for (struct nlmsghdr *m = (struct nlmsghdr *) buffer; NLMSG_OK (m, (guint) len); m = NLMSG_NEXT (m, len))
        if (m->nlmsg_type == NLMSG_ERROR || m->nlmsg_type == NLMSG_DONE)
          {
            code = -*(int *) NLMSG_DATA (m);
            answered++;
          }
        else if (func != NULL)
          func (m, user_data);
    }
  g_close (fd, NULL);
  return code;
}

int
test_host_send (TnNlBatch *batch)
{
  return talk (batch, NULL, NULL);
}

/* --- Interfaces --- */

guint32
test_host_index (const char *name)
{
  guint32 index = if_nametoindex (name);

  g_assert_cmpuint (index, >, 0);
  return index;
}

static TnNlBatch *
begin_link (const char *name,
            guint32     flags,
            guint32     change)
{
  struct ifinfomsg header = { .ifi_index = (int) test_host_index (name), .ifi_flags = flags, .ifi_change = change };
  TnNlBatch *batch = test_host_batch ();

  tn_nl_batch_begin (batch, RTM_NEWLINK, 0, &header, sizeof header);
  return batch;
}

void
test_host_set_up (const char *name,
                  gboolean    up)
{
  g_assert_cmpint (test_host_send (begin_link (name, up ? IFF_UP : 0, IFF_UP)), ==, 0);
}

void
test_host_set_mtu (const char *name,
                   guint32     mtu)
{
  TnNlBatch *batch = begin_link (name, 0, 0);

  tn_nl_batch_put_u32 (batch, IFLA_MTU, mtu);
  g_assert_cmpint (test_host_send (batch), ==, 0);
}

void
test_host_delete (const char *name)
{
  struct ifinfomsg header = { .ifi_index = (int) test_host_index (name) };
  TnNlBatch *batch = test_host_batch ();

  tn_nl_batch_begin (batch, RTM_DELLINK, 0, &header, sizeof header);
  g_assert_cmpint (test_host_send (batch), ==, 0);
}

/* No address of its own, which the kernel would add when it sees fit. */
static void
set_no_link_local (const char *name)
{
  const struct { struct nlattr family, mode; guint8 value, padding[3]; } families = {
    .family = { sizeof (struct nlattr) + sizeof (struct nlattr) + 1, AF_INET6 },
    .mode = { sizeof (struct nlattr) + 1, IFLA_INET6_ADDR_GEN_MODE },
    .value = IN6_ADDR_GEN_MODE_NONE,
  };
  TnNlBatch *batch = begin_link (name, 0, 0);

  tn_nl_batch_put (batch, IFLA_AF_SPEC, &families, sizeof families);
  g_assert_cmpint (test_host_send (batch), ==, 0);
}

int
test_host_add_tun (const char *name,
                   gboolean    persistent)
{
  struct ifreq request = { .ifr_flags = IFF_TUN | IFF_NO_PI };
  int fd = open ("/dev/net/tun", O_RDWR | O_CLOEXEC);

  g_assert_cmpint (fd, >=, 0);
  g_strlcpy (request.ifr_name, name, sizeof request.ifr_name);
  g_assert_cmpint (ioctl (fd, TUNSETIFF, &request), ==, 0);
  if (persistent)
    g_assert_cmpint (ioctl (fd, TUNSETPERSIST, 1), ==, 0);
  set_no_link_local (name);
  test_host_set_up (name, TRUE);
  return fd;
}

/* --- What others do --- */

void
test_host_add_rule (guint8  version,
                    guint32 priority,
                    guint32 table)
{
  struct fib_rule_hdr header = { .family = version == 4 ? AF_INET : AF_INET6, .action = FR_ACT_TO_TBL };
  TnNlBatch *batch = test_host_batch ();

  tn_nl_batch_begin (batch, RTM_NEWRULE, NLM_F_CREATE | NLM_F_EXCL, &header, sizeof header);
  tn_nl_batch_put_u32 (batch, FRA_PRIORITY, priority);
  tn_nl_batch_put_u32 (batch, FRA_TABLE, table);
  g_assert_cmpint (test_host_send (batch), ==, 0);
}

void
test_host_add_route (const char *text,
                     const char *interface,
                     guint32     table)
{
  struct rtmsg header = { .rtm_protocol = RTPROT_STATIC, .rtm_scope = RT_SCOPE_LINK, .rtm_type = RTN_UNICAST };
  TnNlBatch *batch = test_host_batch ();
  TnIpPrefix prefix;

  g_assert_true (tn_ip_prefix_parse (text, &prefix));
  header.rtm_family = prefix.address.version == 4 ? AF_INET : AF_INET6;
  header.rtm_dst_len = prefix.bits;
  tn_nl_batch_begin (batch, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, &header, sizeof header);
  tn_nl_batch_put (batch, RTA_DST, prefix.address.bytes, tn_ip_address_len (&prefix.address));
  tn_nl_batch_put_u32 (batch, RTA_TABLE, table);
  tn_nl_batch_put_u32 (batch, RTA_OIF, test_host_index (interface));
  g_assert_cmpint (test_host_send (batch), ==, 0);
}

void
test_host_add_address (const char *text,
                       const char *interface)
{
  struct ifaddrmsg header = { .ifa_index = test_host_index (interface) };
  TnNlBatch *batch = test_host_batch ();
  TnIpPrefix prefix;

  g_assert_true (tn_ip_prefix_parse (text, &prefix));
  header.ifa_family = prefix.address.version == 4 ? AF_INET : AF_INET6;
  header.ifa_prefixlen = prefix.bits;
  header.ifa_flags = IFA_F_NODAD;
  tn_nl_batch_begin (batch, RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, &header, sizeof header);
  tn_nl_batch_put (batch, IFA_LOCAL, prefix.address.bytes, tn_ip_address_len (&prefix.address));
  g_assert_cmpint (test_host_send (batch), ==, 0);
}

/* --- What there is --- */

static gboolean
is_volatile (guint16 type,
             guint16 attribute)
{
  return (type == RTM_NEWADDR && attribute == IFA_CACHEINFO) || (type == RTM_NEWROUTE && attribute == RTA_CACHEINFO);
}

/* What the kernel makes by itself, when it likes: its link-local address, and the routes that come with any address. */
static gboolean
is_of_kernel (struct nlmsghdr *message)
{
  if (message->nlmsg_type == RTM_NEWROUTE || message->nlmsg_type == RTM_DELROUTE)
    return ((const struct rtmsg *) NLMSG_DATA (message))->rtm_protocol == RTPROT_KERNEL;
  if (message->nlmsg_type == RTM_NEWADDR || message->nlmsg_type == RTM_DELADDR)
    return ((const struct ifaddrmsg *) NLMSG_DATA (message))->ifa_scope == RT_SCOPE_LINK;
  return FALSE;
}

static void
print_message (struct nlmsghdr *message,
               gpointer         user_data)
{
  const gsize header_len = message->nlmsg_type == RTM_NEWADDR ? sizeof (struct ifaddrmsg) : sizeof (struct rtmsg);
  int left = (int) (message->nlmsg_len - NLMSG_SPACE (header_len));
  struct rtattr *attribute = (void *) ((char *) NLMSG_DATA (message) + NLMSG_ALIGN (header_len));
  g_autoptr (GString) line = g_string_new (NULL);

  if (is_of_kernel (message))
    return;
  if (message->nlmsg_type == RTM_NEWADDR)      /* even one that is not to be tentative is so for a moment */
    ((struct ifaddrmsg *) NLMSG_DATA (message))->ifa_flags &= (guint8) ~IFA_F_TENTATIVE;
  g_string_append_printf (line, "%u:", message->nlmsg_type);
  for (gsize i = 0; i < header_len; i++)
    g_string_append_printf (line, " %02x", ((const guint8 *) NLMSG_DATA (message))[i]);
  for (; RTA_OK (attribute, left); attribute = RTA_NEXT (attribute, left))
    {
      if (is_volatile (message->nlmsg_type, attribute->rta_type))
        continue;
      if (message->nlmsg_type == RTM_NEWADDR && attribute->rta_type == IFA_FLAGS)
        *(guint32 *) RTA_DATA (attribute) &= ~(guint32) IFA_F_TENTATIVE;
      g_string_append_printf (line, " %u=", attribute->rta_type);
      for (gsize i = 0; i < RTA_PAYLOAD (attribute); i++)
        g_string_append_printf (line, "%02x", ((const guint8 *) RTA_DATA (attribute))[i]);
    }
  g_ptr_array_add (user_data, g_string_free (g_steal_pointer (&line), FALSE));
}

static int
compare_lines (gconstpointer a,
               gconstpointer b)
{
  return strcmp (*(char *const *) a, *(char *const *) b);
}

char *
test_host_dump (void)
{
  static const guint16 kinds[] = { RTM_GETADDR, RTM_GETROUTE, RTM_GETRULE };
  g_autoptr (GPtrArray) lines = g_ptr_array_new_with_free_func (g_free);

  for (guint i = 0; i < G_N_ELEMENTS (kinds); i++)
    {
      struct rtmsg header = { .rtm_family = AF_UNSPEC };
      TnNlBatch *batch = test_host_batch ();

      tn_nl_batch_begin (batch, kinds[i], NLM_F_DUMP, &header, sizeof header);
      g_assert_cmpint (talk (batch, print_message, lines), ==, 0);
    }
  g_ptr_array_sort (lines, compare_lines);
  g_ptr_array_add (lines, NULL);
  return g_strjoinv ("\n", (char **) lines->pdata);
}

static void
take_way (struct nlmsghdr *message,
          gpointer         user_data)
{
  int left = (int) (message->nlmsg_len - NLMSG_SPACE (sizeof (struct rtmsg)));
  struct rtattr *attribute = RTM_RTA (NLMSG_DATA (message));

  for (; RTA_OK (attribute, left); attribute = RTA_NEXT (attribute, left))
    if (attribute->rta_type == RTA_OIF)
      memcpy (user_data, RTA_DATA (attribute), sizeof (int));
}

int
test_host_way_of (const char *destination,
                  guint32     mark)
{
  TnNlBatch *batch = test_host_batch ();
  TnIpAddress address;
  struct rtmsg header = { 0 };
  int index = 0, code;

  g_assert_true (tn_ip_address_parse (destination, &address));
  header.rtm_family = address.version == 4 ? AF_INET : AF_INET6;
  header.rtm_dst_len = address.version == 4 ? 32 : 128;
  tn_nl_batch_begin (batch, RTM_GETROUTE, 0, &header, sizeof header);
  tn_nl_batch_put (batch, RTA_DST, address.bytes, tn_ip_address_len (&address));
  tn_nl_batch_put_u32 (batch, RTA_MARK, mark);
  code = talk (batch, take_way, &index);
  return code != 0 ? -code : index;
}

void
test_host_set_allowed (gboolean allowed)
{
  struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
  struct __user_cap_data_struct data[2];

  g_assert_cmpint (syscall (SYS_capget, &header, data), ==, 0);
  data[0].effective = allowed ? data[0].effective | 1U << CAP_NET_ADMIN : data[0].effective & ~(1U << CAP_NET_ADMIN);
  g_assert_cmpint (syscall (SYS_capset, &header, data), ==, 0);
}

int
test_host_watch (void)
{
  return open_netlink (RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR | RTMGRP_IPV4_ROUTE | RTMGRP_IPV6_ROUTE | RTMGRP_IPV4_RULE
                       | 1U << (RTNLGRP_IPV6_RULE - 1));
}

/* The kernel tells before it answers: what happened is there. */
guint
test_host_count (int watch)
{
  static char buffer[65536] __attribute__ ((aligned (8)));
  guint n = 0;
  int len;

  while ((len = (int) recv (watch, buffer, sizeof buffer, MSG_DONTWAIT)) > 0)
    for (struct nlmsghdr *m = (struct nlmsghdr *) buffer; NLMSG_OK (m, (guint) len); m = NLMSG_NEXT (m, len))
      n += is_of_kernel (m) ? 0 : 1;
  g_assert_cmpint (errno, ==, EAGAIN);
  return n;
}
