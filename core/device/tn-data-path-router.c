/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-data-path-private.h"

#include <glib-unix.h>
#include <glib/gstdio.h>
#include <linux/fib_rules.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sys/socket.h>

#include "tn-nl-message.h"

/* Addresses and routes of an interface of the kernel. A router may wait for the kernel, so it has a thread of its own; one call is under
 * way at a time, and what changes meanwhile is the next one. */

enum
{
  AGAIN_S = 30,         /* after a refusal: the machine may have changed */
  SOON_MS = 50,         /* after a change by somebody else: more may follow */
  PAUSE_MS = 1000,      /* between two looks that such changes led to */
};

/* It has the one reference to the path of its call, and hands it back to the data thread: none is left on the thread of the router. */
typedef struct
{
  TnDataPath  *path;
  char        *interface;
  GArray      *addresses;
  GArray      *routes;
  GError      *error;
  GSourceFunc  done;         /* on the data thread; gets the job */
} RouterJob;

static void
router_job_free (gpointer data)
{
  RouterJob *job = data;

  g_free (job->interface);
  g_clear_pointer (&job->addresses, g_array_unref);
  g_clear_pointer (&job->routes, g_array_unref);
  g_clear_error (&job->error);
  tn_data_path_unref (job->path);
  g_free (job);
}

static void
start_job (TnDataPath  *path,
           RouterJob   *job,
           GSourceFunc  func,
           GSourceFunc  done)
{
  job->path = tn_data_path_ref (path);
  job->done = done;
  tn_thread_call (path->router_thread, func, job, NULL);
}

/* On the router's thread. */
static gboolean
end_job (RouterJob *job)
{
  tn_thread_call (job->path->thread, job->done, job, router_job_free);
  return G_SOURCE_REMOVE;
}

static gboolean
configure_cb (gpointer data)
{
  RouterJob *job = data;
  TnRouter *router = job->path->router;
  TnRouterConfig config = {
    .interface = job->interface,
    .addresses = (const TnIpPrefix *) (gpointer) job->addresses->data,
    .n_addresses = job->addresses->len,
    .routes = (const TnIpPrefix *) (gpointer) job->routes->data,
    .n_routes = job->routes->len,
  };

  TN_ROUTER_GET_IFACE (router)->configure (router, &config, &job->error);
  return end_job (job);
}

static gboolean
reset_cb (gpointer data)
{
  RouterJob *job = data;

  TN_ROUTER_GET_IFACE (job->path->router)->reset (job->path->router);
  return end_job (job);
}

/* --- On the data thread --- */

static void
clear_source (GSource **source)
{
  if (*source != NULL)
    g_source_destroy (*source);
  g_clear_pointer (source, g_source_unref);
}

static void
stop_waiting (TnDataPath *path)
{
  clear_source (&path->route_again);
  clear_source (&path->route_soon);
}

static gboolean
again_cb (gpointer data)
{
  tn_data_path_route (data);
  return G_SOURCE_REMOVE;
}

static void
tell_problem (TnDataPath   *path,
              const GError *error)
{
  const gboolean news = error != NULL || path->router_troubled;

  path->router_troubled = error != NULL;
  if (news)
    path->callbacks.router_problem (path->user_data, error != NULL ? error->message : NULL);
  if (error == NULL)
    return;
  path->route_again = g_timeout_source_new_seconds (AGAIN_S);
  g_source_set_callback (path->route_again, again_cb, path, NULL);
  g_source_attach (path->route_again, tn_thread_get_context (path->thread));
}

static gboolean
configured_cb (gpointer data)
{
  RouterJob *job = data;
  TnDataPath *path = job->path;

  path->routing = FALSE;
  if (path->unrouting)
    return G_SOURCE_REMOVE;
  if (path->route_outdated)
    {
      tn_data_path_route (path);
      return G_SOURCE_REMOVE;
    }
  tell_problem (path, job->error);
  if (path->update_waits)
    path->callbacks.updated (path->user_data);
  path->update_waits = FALSE;
  return G_SOURCE_REMOVE;
}

void
tn_data_path_route (TnDataPath *path)
{
  RouterJob *job;

  if (path->router_thread == NULL || path->unrouting)
    return;
  path->route_outdated = path->routing;
  if (path->routing)
    return;

  stop_waiting (path);
  path->routed_us = g_get_monotonic_time ();
  path->routing = TRUE;
  job = g_new0 (RouterJob, 1);
  job->interface = g_strdup (path->interface);
  job->addresses = g_array_ref (path->addresses);
  job->routes = g_array_ref (path->routes);
  start_job (path, job, configure_cb, configured_cb);
}

static gboolean
soon_cb (gpointer data)
{
  tn_data_path_route (data);
  return G_SOURCE_REMOVE;
}

/* What changes once changes again at once, and who removes what is ours may go on doing so: that shall not keep anybody busy. */
static void
route_soon (TnDataPath *path)
{
  gint64 since_ms = (g_get_monotonic_time () - path->routed_us) / 1000;

  if (path->route_soon != NULL)
    return;
  path->route_soon = g_timeout_source_new ((guint) MAX (SOON_MS, PAUSE_MS - MIN (since_ms, PAUSE_MS)));
  g_source_set_callback (path->route_soon, soon_cb, path, NULL);
  g_source_attach (path->route_soon, tn_thread_get_context (path->thread));
}

/* An interface that is put down loses its routes, and what it lost comes back with it. Programs that take the machine's routing for theirs
 * remove what others have put there (systemd networkd.conf(5), ManageForeignRoutes=). */
static gboolean
concerns_us (const TnDataPath  *path,
             const TnNlMessage *message)
{
  const guint8 protocol = TN_ROUTER_GET_IFACE (path->router)->protocol;
  TnReader r = message->body;
  struct ifinfomsg link;
  struct ifaddrmsg address;
  struct rtmsg route;
  struct fib_rule_hdr rule;
  TnNlAttribute attribute;
  guint8 maker;

  switch (message->type)
    {
    case RTM_NEWLINK:
    case RTM_DELLINK:
      return tn_reader_copy (&r, &link, sizeof link) && (guint) link.ifi_index == path->interface_index;
    case RTM_DELADDR:
      return tn_reader_copy (&r, &address, sizeof address) && address.ifa_index == path->interface_index;
    case RTM_DELROUTE:
      return tn_reader_copy (&r, &route, sizeof route) && protocol != 0 && route.rtm_protocol == protocol;
    case RTM_DELRULE:
      if (tn_reader_copy (&r, &rule, sizeof rule))
        while (tn_nl_attribute_next (&r, &attribute))
          if (attribute.type == FRA_PROTOCOL && tn_nl_attribute_u8 (&attribute, &maker))
            return protocol != 0 && maker == protocol;
      return FALSE;
    default:
      return FALSE;
    }
}

/* The router looks for itself at what there is: our own changes lead to one more look. */
static gboolean
kernel_changed_cb (int          fd,
                   GIOCondition condition,
                   gpointer     data)
{
  TnDataPath *path = data;
  guint8 messages[8192];
  gboolean any = (condition & G_IO_ERR) != 0;      /* there were more than fit */
  TnNlMessage message;
  gssize len;

  while ((len = recv (fd, messages, sizeof messages, MSG_DONTWAIT)) >= 0)
    {
      TnReader r = TN_READER_INIT (messages, (gsize) len);

      while (tn_nl_message_next (&r, &message))
        any = any || concerns_us (path, &message);
    }
  if (any)
    route_soon (path);
  return G_SOURCE_CONTINUE;
}

/* Without, changes wait for the next netmap. */
static void
watch_kernel (TnDataPath *path)
{
  const guint32 groups = RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR | RTMGRP_IPV4_ROUTE | RTMGRP_IPV6_ROUTE | RTMGRP_IPV4_RULE |
                         1U << (RTNLGRP_IPV6_RULE - 1);
  const struct sockaddr_nl address = { .nl_family = AF_NETLINK, .nl_groups = groups };
  int fd = socket (AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);

  if (fd < 0)
    return;
  if (bind (fd, (const struct sockaddr *) &address, sizeof address) != 0)
    {
      g_close (fd, NULL);
      return;
    }
  path->kernel_fd = fd;
  path->kernel = g_unix_fd_source_new (fd, G_IO_IN);
  g_source_set_callback (path->kernel, G_SOURCE_FUNC (kernel_changed_cb), path, NULL);
  g_source_attach (path->kernel, tn_thread_get_context (path->thread));
}

static void
unwatch_kernel (TnDataPath *path)
{
  if (path->kernel == NULL)
    return;
  g_source_destroy (path->kernel);
  g_clear_pointer (&path->kernel, g_source_unref);
  g_close (path->kernel_fd, NULL);
}

/* Nothing is wanted yet: what an earlier run has left is removed. */
void
tn_data_path_start_router (TnDataPath *path)
{
  TnOverlayTransportInterface *iface = TN_OVERLAY_TRANSPORT_GET_IFACE (path->overlay);

  if (path->router == NULL)
    return;
  path->interface = g_strdup (iface->get_interface (path->overlay));
  path->interface_index = if_nametoindex (path->interface);
  if (path->callbacks.interface != NULL)
    path->callbacks.interface (path->user_data, path->interface);
  path->router_thread = tn_thread_new ("tailnet-router");
  watch_kernel (path);
  tn_data_path_route (path);
}

static gboolean
unrouted_cb (gpointer data)
{
  TnDataPath *path = ((RouterJob *) data)->path;

  g_clear_pointer (&path->router_thread, tn_thread_unref);
  path->unrouted (path);
  return G_SOURCE_REMOVE;
}

void
tn_data_path_stop_router (TnDataPath  *path,
                          void       (*stopped) (TnDataPath *path))
{
  if (path->router_thread == NULL)
    {
      stopped (path);
      return;
    }
  stop_waiting (path);
  unwatch_kernel (path);
  path->unrouting = TRUE;
  path->unrouted = stopped;
  start_job (path, g_new0 (RouterJob, 1), reset_cb, unrouted_cb);
}
