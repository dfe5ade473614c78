/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-data-path-private.h"

#include <glib-unix.h>
#include <glib/gstdio.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

/* Addresses and routes of an interface of the kernel. A router may wait for the kernel, so it has a thread of its own; one call is under
 * way at a time, and what changes meanwhile is the next one. */

#define AGAIN_S 30      /* after a refusal: the machine may have changed */

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
stop_waiting (TnDataPath *path)
{
  if (path->route_again != NULL)
    g_source_destroy (path->route_again);
  g_clear_pointer (&path->route_again, g_source_unref);
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
  path->routing = TRUE;
  job = g_new0 (RouterJob, 1);
  job->interface = g_strdup (path->interface);
  job->addresses = g_array_ref (path->addresses);
  job->routes = g_array_ref (path->routes);
  start_job (path, job, configure_cb, configured_cb);
}

/* An interface that is put down loses its routes, and what it lost comes back with it: what has changed does not matter, since the router
 * looks for itself. */
static gboolean
links_changed_cb (int          fd,
                  GIOCondition condition,
                  gpointer     data)
{
  char ignored[4096];
  gboolean any = FALSE;

  while (recv (fd, ignored, sizeof ignored, MSG_DONTWAIT) >= 0)
    any = TRUE;
  if (any || (condition & G_IO_ERR) != 0)      /* there were more than fit */
    tn_data_path_route (data);
  return G_SOURCE_CONTINUE;
}

/* Without, changes wait for the next netmap. */
static void
watch_links (TnDataPath *path)
{
  const struct sockaddr_nl address = { .nl_family = AF_NETLINK, .nl_groups = RTMGRP_LINK };
  int fd = socket (AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);

  if (fd < 0)
    return;
  if (bind (fd, (const struct sockaddr *) &address, sizeof address) != 0)
    {
      g_close (fd, NULL);
      return;
    }
  path->links_fd = fd;
  path->links = g_unix_fd_source_new (fd, G_IO_IN);
  g_source_set_callback (path->links, G_SOURCE_FUNC (links_changed_cb), path, NULL);
  g_source_attach (path->links, tn_thread_get_context (path->thread));
}

static void
unwatch_links (TnDataPath *path)
{
  if (path->links == NULL)
    return;
  g_source_destroy (path->links);
  g_clear_pointer (&path->links, g_source_unref);
  g_close (path->links_fd, NULL);
}

/* Nothing is wanted yet: what an earlier run has left is removed. */
void
tn_data_path_start_router (TnDataPath *path)
{
  TnOverlayTransportInterface *iface = TN_OVERLAY_TRANSPORT_GET_IFACE (path->overlay);

  if (path->router == NULL)
    return;
  path->interface = g_strdup (iface->get_interface (path->overlay));
  if (path->callbacks.interface != NULL)
    path->callbacks.interface (path->user_data, path->interface);
  path->router_thread = tn_thread_new ("tailnet-router");
  watch_links (path);
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
  unwatch_links (path);
  path->unrouting = TRUE;
  path->unrouted = stopped;
  start_job (path, g_new0 (RouterJob, 1), reset_cb, unrouted_cb);
}
