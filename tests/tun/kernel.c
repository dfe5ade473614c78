/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "kernel.h"

#include <errno.h>
#include <fcntl.h>
#include <gio/gio.h>
#include <glib-unix.h>
#include <linux/capability.h>
#include <linux/if_tun.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

static gboolean
put (const char *path, const char *text)
{
  int fd = open (path, O_WRONLY | O_CLOEXEC);
  gboolean ok = fd >= 0 && write (fd, text, strlen (text)) == (gssize) strlen (text);

  if (fd >= 0)
    close (fd);
  return ok;
}

gboolean
kernel_enter (char **why)
{
  uid_t uid = geteuid ();
  gid_t gid = getegid ();
  g_autofree char *uid_map = g_strdup_printf ("0 %u 1", uid);
  g_autofree char *gid_map = g_strdup_printf ("0 %u 1", gid);
  g_autofree char *ip = g_find_program_in_path ("ip");

  *why = NULL;
  if (ip == NULL)
    *why = g_strdup ("needs ip, of iproute2");
  else if (access ("/dev/net/tun", R_OK | W_OK) != 0)
    *why = g_strdup_printf ("needs /dev/net/tun: %s", g_strerror (errno));
  else if (unshare (uid == 0 ? CLONE_NEWNET : CLONE_NEWUSER | CLONE_NEWNET) != 0)
    *why = g_strdup_printf ("needs network namespaces: %s", g_strerror (errno));
  else if (uid != 0 && !(put ("/proc/self/setgroups", "deny") && put ("/proc/self/uid_map", uid_map) && put ("/proc/self/gid_map", gid_map)))
    *why = g_strdup ("needs user namespaces: cannot map the user");
  if (*why != NULL)
    return FALSE;
  kernel_ip ("link set lo up");
  return TRUE;
}

static char *
run (const char *program,
     const char *words)
{
  g_autofree char *command = g_strconcat (program, " ", words, NULL);
  g_autoptr (GError) error = NULL;
  char *out = NULL;
  int status;

  g_spawn_command_line_sync (command, &out, NULL, &status, &error);
  g_assert_no_error (error);
  if (status != 0)
    g_error ("“%s” failed", command);
  return out;
}

void
kernel_ip (const char *format, ...)
{
  g_autofree char *words = NULL;
  g_autofree char *out = NULL;
  va_list args;

  va_start (args, format);
  words = g_strdup_vprintf (format, args);
  va_end (args);
  out = run ("ip", words);
}

char *
kernel_show (const char *format, ...)
{
  g_autofree char *words = NULL;
  va_list args;

  va_start (args, format);
  words = g_strdup_vprintf (format, args);
  va_end (args);
  return run ("ip", words);
}

char *
kernel_nft (const char *words)
{
  return run ("nft", words);
}

char *
kernel_dump (void)
{
  static const char *const words[] = {
    "-o link show", "-o address show", "-4 rule show", "-6 rule show", "-4 route show table all", "-6 route show table all",
  };
  GString *text = g_string_new (NULL);

  for (guint i = 0; i < G_N_ELEMENTS (words); i++)
    {
      g_autofree char *out = run ("ip", words[i]);

      g_string_append (text, out);
    }
  return g_string_free (text, FALSE);
}

static gboolean
changed_cb (int          fd,
            GIOCondition condition,
            gpointer     data)
{
  char buffer[8192];

  while (recv (fd, buffer, sizeof buffer, MSG_DONTWAIT) >= 0 || errno == ENOBUFS)
    ;
  return G_SOURCE_CONTINUE;
}

static void
close_cb (gpointer fd)
{
  close (GPOINTER_TO_INT (fd));
}

GSource *
kernel_watch (void)
{
  const struct sockaddr_nl address = {
    .nl_family = AF_NETLINK,
    .nl_groups = RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR | RTMGRP_IPV4_ROUTE | RTMGRP_IPV6_ROUTE | RTMGRP_IPV4_RULE,
  };
  int fd = socket (AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
  GSource *source;

  g_assert_no_errno (fd);
  g_assert_no_errno (bind (fd, (const struct sockaddr *) &address, sizeof address));
  source = g_unix_fd_source_new (fd, G_IO_IN);
  g_source_set_callback (source, G_SOURCE_FUNC (changed_cb), GINT_TO_POINTER (fd), close_cb);
  g_source_attach (source, NULL);
  return source;
}

int
kernel_open_tun (const char *name)
{
  struct ifreq request = { .ifr_flags = IFF_TUN | IFF_NO_PI | IFF_VNET_HDR };
  int fd = open ("/dev/net/tun", O_RDWR | O_CLOEXEC);

  g_assert_no_errno (fd);
  g_strlcpy (request.ifr_name, name, sizeof request.ifr_name);
  g_assert_no_errno (ioctl (fd, TUNSETIFF, &request));
  return fd;
}

void
kernel_set_allowed (gboolean allowed)
{
  const guint32 both = 1U << CAP_NET_ADMIN | 1U << CAP_NET_RAW;
  struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
  struct __user_cap_data_struct data[2];

  g_assert_no_errno ((int) syscall (SYS_capget, &header, data));
  data[0].effective = allowed ? data[0].effective | both : data[0].effective & ~both;
  g_assert_no_errno ((int) syscall (SYS_capset, &header, data));
}

int
kernel_network (void)
{
  int fd = open ("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);

  g_assert_no_errno (fd);
  return fd;
}

void
kernel_move (int network)
{
  g_assert_no_errno (setns (network, CLONE_NEWNET));
}

int
kernel_new_network (void)
{
  int home = kernel_network ();
  int fd;

  g_assert_no_errno (unshare (CLONE_NEWNET));
  kernel_ip ("link set lo up");
  fd = kernel_network ();
  kernel_move (home);
  close (home);
  return fd;
}
