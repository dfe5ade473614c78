/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "kernel.h"

#include <errno.h>
#include <fcntl.h>
#include <gio/gio.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
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

void
kernel_ip (const char *format, ...)
{
  g_autofree char *words = NULL;
  g_autofree char *command = NULL;
  g_autoptr (GError) error = NULL;
  va_list args;
  int status;

  va_start (args, format);
  words = g_strdup_vprintf (format, args);
  va_end (args);
  command = g_strconcat ("ip ", words, NULL);
  g_spawn_command_line_sync (command, NULL, NULL, &status, &error);
  g_assert_no_error (error);
  if (status != 0)
    g_error ("“%s” failed", command);
}
