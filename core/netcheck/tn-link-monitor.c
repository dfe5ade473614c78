/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-link-monitor.h"

#include <errno.h>
#include <glib-unix.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tn-clock-watch.h"
#include "tn-link-state.h"
#include "tn-nl-socket.h"

enum
{
  GATHER_MS = 500,              /* an address comes with its routes, one after the other */
  RECEIVE_LEN = 64 * 1024,      /* the kernel's messages have 32 KiB at most */
};

struct _TnLinkMonitor
{
  const TnLinkMonitorCallbacks *callbacks;
  gpointer                      user_data;
  GMainContext                 *context;
  TnLinkState                  *state;
  int                           fd;          /* -1: the kernel tells us nothing */
  GSource                      *events;      /* nullable */
  GSource                      *clock;
  GSource                      *gathering;   /* while it waits for more */
};

static void
clear_source (GSource **source)
{
  if (*source != NULL)
    g_source_destroy (*source);
  g_clear_pointer (source, g_source_unref);
}

static gboolean
gathered_cb (gpointer data)
{
  TnLinkMonitor *self = data;

  clear_source (&self->gathering);
  self->callbacks->network_changed (self->user_data);
  return G_SOURCE_REMOVE;
}

static void
gather (TnLinkMonitor *self)
{
  if (self->gathering != NULL)
    return;
  self->gathering = g_timeout_source_new (GATHER_MS);
  g_source_set_callback (self->gathering, gathered_cb, self, NULL);
  g_source_attach (self->gathering, self->context);
}

/* --- What the kernel tells --- */

static void
known_cb (gpointer           data,
          const TnNlMessage *message)
{
  (void) tn_link_state_take (data, message);
}

static void
dumped_cb (gpointer          data,
           guint             request,
           const TnNlAnswer *answer)
{
  if (answer->code != 0)      /* a torn one: what tore it is told as well */
    g_debug ("the kernel's list of links, addresses or routes: %s", g_strerror (answer->code));
}

/* What there is already is no change. */
static void
learn (TnLinkMonitor *self)
{
  static const TnNlCallbacks callbacks = { .message = known_cb, .answered = dumped_cb };
  static const guint16 types[] = { RTM_GETLINK, RTM_GETADDR, RTM_GETROUTE };
  static const struct ifinfomsg any;      /* the longest of the three headers, and all zero */
  static const gsize lens[] = { sizeof (struct ifinfomsg), sizeof (struct ifaddrmsg), sizeof (struct rtmsg) };
  g_autoptr (GError) error = NULL;
  g_autoptr (TnNlSocket) socket = tn_nl_socket_new (&error);

  for (guint i = 0; error == NULL && i < G_N_ELEMENTS (types); i++)
    {
      tn_nl_batch_begin (tn_nl_socket_batch (socket), types[i], NLM_F_DUMP, &any, lens[i]);
      if (!tn_nl_socket_talk (socket, &callbacks, self->state, &error))
        break;
    }
  if (error != NULL)
    g_debug ("links, addresses and routes: %s", error->message);
}

/* Messages were lost: there are too many of them on a host with many interfaces, and few are about the way into the network. */
static void
relearn (TnLinkMonitor *self)
{
  g_autoptr (TnLinkState) before = g_steal_pointer (&self->state);

  self->state = tn_link_state_new ();
  learn (self);
  if (tn_link_state_equal (before, self->state))
    return;
  g_debug ("the way into the network is another one, after messages of rtnetlink that were lost");
  gather (self);
}

static void
take_messages (TnLinkMonitor *self,
               const guint8  *data,
               gsize          len)
{
  TnReader r = TN_READER_INIT (data, len);
  TnNlMessage message;

  while (tn_nl_message_next (&r, &message))
    if (tn_link_state_take (self->state, &message))
      {
        g_debug ("the way into the network is another one, by message %u of rtnetlink", message.type);
        gather (self);
      }
}

static gboolean
events_cb (int          fd,
           GIOCondition condition,
           gpointer     data)
{
  g_autofree guint8 *received = g_malloc (RECEIVE_LEN);
  TnLinkMonitor *self = data;

  for (;;)
    {
      struct sockaddr_nl from = { 0 };
      socklen_t from_len = sizeof from;
      gssize len = recvfrom (fd, received, RECEIVE_LEN, 0, (struct sockaddr *) &from, &from_len);

      if (len < 0 && errno == ENOBUFS)
        relearn (self);
      else if (len < 0 && errno != EINTR)
        return G_SOURCE_CONTINUE;
      else if (len > 0 && from.nl_pid == 0)      /* of the kernel */
        take_messages (self, received, (gsize) len);
    }
}

static void
listen_to_kernel (TnLinkMonitor *self)
{
  struct sockaddr_nl groups = {
    .nl_family = AF_NETLINK,
    .nl_groups = RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR | RTMGRP_IPV4_ROUTE | RTMGRP_IPV6_ROUTE,
  };

  self->fd = socket (AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);
  if (self->fd < 0 || bind (self->fd, (struct sockaddr *) &groups, sizeof groups) < 0)
    {
      g_info ("changes of the network are not noticed: %s", g_strerror (errno));
      return;
    }
  self->events = g_unix_fd_source_new (self->fd, G_IO_IN);
  g_source_set_callback (self->events, G_SOURCE_FUNC (events_cb), self, NULL);
  g_source_attach (self->events, self->context);
  learn (self);
}

/* --- Life --- */

static gboolean
clock_changed_cb (gboolean slept,
                  gpointer data)
{
  TnLinkMonitor *self = data;

  g_debug ("the clock was set%s", slept ? ", after a sleep" : "");
  if (slept)
    gather (self);
  self->callbacks->clock_changed (self->user_data);
  return G_SOURCE_CONTINUE;
}

TnLinkMonitor *
tn_link_monitor_new (const TnLinkMonitorCallbacks *callbacks,
                     gpointer                      user_data)
{
  TnLinkMonitor *self = g_new0 (TnLinkMonitor, 1);

  self->callbacks = callbacks;
  self->user_data = user_data;
  self->context = g_main_context_ref_thread_default ();
  self->state = tn_link_state_new ();
  listen_to_kernel (self);
  self->clock = tn_clock_watch_source_new ();
  g_source_set_callback (self->clock, G_SOURCE_FUNC (clock_changed_cb), self, NULL);
  g_source_attach (self->clock, self->context);
  return self;
}

void
tn_link_monitor_free (TnLinkMonitor *self)
{
  clear_source (&self->gathering);
  clear_source (&self->clock);
  clear_source (&self->events);
  if (self->fd >= 0)
    close (self->fd);
  tn_link_state_free (self->state);
  g_main_context_unref (self->context);
  g_free (self);
}
