/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-bus-socket.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

char *
tn_bus_socket_dup_address (const char  *directory,
                           int         *fd,
                           GError     **error)
{
  g_autofree char *absolute = g_canonicalize_filename (directory, NULL);
  g_autofree char *path = g_build_filename (absolute, TN_BUS_SOCKET_NAME, NULL);
  g_autofree char *escaped = NULL;
  struct sockaddr_un address;

  *fd = -1;
  if (strlen (path) >= sizeof address.sun_path)
    {
      int saved_errno;

      *fd = open (absolute, O_PATH | O_DIRECTORY | O_CLOEXEC);
      saved_errno = errno;
      if (*fd < 0)
        {
          g_set_error (error, G_IO_ERROR, (int) g_io_error_from_errno (saved_errno), "cannot open %s: %s", absolute,
                       g_strerror (saved_errno));
          return NULL;
        }
      g_free (path);
      path = g_strdup_printf ("/proc/self/fd/%d/" TN_BUS_SOCKET_NAME, *fd);
    }
  escaped = g_dbus_address_escape_value (path);
  return g_strdup_printf ("unix:path=%s", escaped);
}

gboolean
tn_bus_socket_check_owner (const char  *directory,
                           GError     **error)
{
  g_autofree char *path = g_build_filename (directory, TN_BUS_SOCKET_NAME, NULL);
  struct stat info;

  if (lstat (path, &info) != 0 || info.st_uid == geteuid ())
    return TRUE;
  g_set_error (error, G_IO_ERROR, G_IO_ERROR_PERMISSION_DENIED, "%s belongs to user %u, and this is user %u", path, (guint) info.st_uid,
               (guint) geteuid ());
  return FALSE;
}
