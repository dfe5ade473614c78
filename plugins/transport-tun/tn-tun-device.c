/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-tun-device.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tn-error.h"
#include "tn-shown.h"
#include "tn-virtio.h"

#define CLONE_DEVICE "/dev/net/tun"
#define WANTED_FLAGS (IFF_TUN | IFF_NO_PI | IFF_VNET_HDR)

/* Not in the headers of before Linux 6.2. */
#ifndef TUN_F_USO4
#define TUN_F_USO4 0x20
#define TUN_F_USO6 0x40
#endif

static gboolean
fail (GError     **error,
      int          number,
      const char  *format,
      ...) G_GNUC_PRINTF (3, 4);

static gboolean
fail (GError     **error,
      int          number,
      const char  *format,
      ...)
{
  g_autofree char *what = NULL;
  va_list args;

  va_start (args, format);
  what = g_strdup_vprintf (format, args);
  va_end (args);
  g_set_error (error, G_IO_ERROR, g_io_error_from_errno (number), "%s: %s", what, g_strerror (number));
  return FALSE;
}

/* What stands before each frame, and in the order of bytes of this machine. An interface keeps what whoever had it before has set. */
static gboolean
set_header (TnTunDevice  *device,
            GError      **error)
{
  const int len = TN_VIRTIO_HEADER_LEN, off = 0;

  if (ioctl (device->fd, TUNSETVNETHDRSZ, &len) < 0 || ioctl (device->fd, TUNSETVNETLE, &off) < 0)
    return fail (error, errno, "cannot set up interface %s for virtio headers", device->name);
  if (ioctl (device->fd, TUNSETVNETBE, &off) < 0 && errno != EINVAL)      /* that is a kernel without it */
    return fail (error, errno, "cannot set up interface %s for virtio headers", device->name);
  return TRUE;
}

/* With checksums and segments left to us in both directions; UDP since Linux 6.2. */
static gboolean
set_offloads (TnTunDevice  *device,
              GError      **error)
{
  const unsigned int tcp = TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6;

  if (ioctl (device->fd, TUNSETOFFLOAD, tcp) < 0)
    return fail (error, errno, "cannot set up interface %s for large frames", device->name);
  device->merges = TN_MERGE_TCP;
  if (ioctl (device->fd, TUNSETOFFLOAD, tcp | TUN_F_USO4 | TUN_F_USO6) == 0)
    device->merges |= TN_MERGE_UDP;
  return TRUE;
}

static gboolean
check_name (const char  *name,
            GError     **error)
{
  g_autofree char *shown = NULL;

  if (strlen (name) < IFNAMSIZ && strpbrk (name, "/: \t\n") == NULL && !g_str_equal (name, ".") && !g_str_equal (name, ".."))
    return TRUE;
  shown = tn_shown (name, 40);
  g_set_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT, "“%s” is no name for an interface: up to %d characters without “/”, “:” and spaces",
               shown, IFNAMSIZ - 1);
  return FALSE;
}

gboolean
tn_tun_device_open (TnTunDevice  *device,
                    const char   *name,
                    GError      **error)
{
  struct ifreq request = { .ifr_flags = WANTED_FLAGS };

  if (name != NULL && !check_name (name, error))
    return FALSE;
  *device = (TnTunDevice) { .fd = open (CLONE_DEVICE, O_RDWR | O_CLOEXEC | O_NONBLOCK) };
  if (device->fd < 0)
    return fail (error, errno, "cannot open " CLONE_DEVICE);
  g_strlcpy (request.ifr_name, name != NULL ? name : "", sizeof request.ifr_name);
  if (ioctl (device->fd, TUNSETIFF, &request) < 0)
    {
      fail (error, errno, "cannot make interface %s%s", name != NULL ? name : "", errno == EPERM ? ", which needs CAP_NET_ADMIN" : "");
      tn_tun_device_close (device);
      return FALSE;
    }
  g_strlcpy (device->name, request.ifr_name, sizeof device->name);
  if (set_header (device, error) && set_offloads (device, error))
    return TRUE;
  tn_tun_device_close (device);
  return FALSE;
}

gboolean
tn_tun_device_take (TnTunDevice  *device,
                    int           fd,
                    GError      **error)
{
  struct ifreq request = { 0 };
  TnTunDevice taken = { .fd = fd };
  int flags = fcntl (fd, F_GETFL);

  if (flags < 0 || ioctl (fd, TUNGETIFF, &request) < 0)
    return fail (error, errno, "descriptor %d is none of a TUN interface", fd);
  g_strlcpy (taken.name, request.ifr_name, sizeof taken.name);
  if ((request.ifr_flags & (IFF_TUN | IFF_TAP | IFF_NO_PI | IFF_VNET_HDR)) != WANTED_FLAGS)
    {
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT, "interface %s was not opened with IFF_TUN, IFF_NO_PI and IFF_VNET_HDR",
                   taken.name);
      return FALSE;
    }
  if (!set_header (&taken, error) || !set_offloads (&taken, error))
    return FALSE;
  if (fcntl (fd, F_SETFL, flags | O_NONBLOCK) < 0 || fcntl (fd, F_SETFD, FD_CLOEXEC) < 0)
    return fail (error, errno, "interface %s", taken.name);
  *device = taken;
  return TRUE;
}

static gboolean
set_mtu (int           socket,
         TnTunDevice  *device,
         guint         mtu,
         GError      **error)
{
  struct ifreq request = { 0 };

  g_strlcpy (request.ifr_name, device->name, sizeof request.ifr_name);
  if (ioctl (socket, SIOCGIFMTU, &request) == 0 && request.ifr_mtu == (int) mtu)
    return TRUE;
  request.ifr_mtu = (int) mtu;
  return ioctl (socket, SIOCSIFMTU, &request) == 0 || fail (error, errno, "cannot set the MTU of interface %s to %u", device->name, mtu);
}

static gboolean
bring_up (int           socket,
          TnTunDevice  *device,
          GError      **error)
{
  struct ifreq request = { 0 };

  g_strlcpy (request.ifr_name, device->name, sizeof request.ifr_name);
  if (ioctl (socket, SIOCGIFFLAGS, &request) == 0 && (request.ifr_flags & IFF_UP) != 0)
    return TRUE;
  request.ifr_flags |= IFF_UP;
  return ioctl (socket, SIOCSIFFLAGS, &request) == 0 || fail (error, errno, "cannot bring interface %s up", device->name);
}

gboolean
tn_tun_device_set_up (TnTunDevice  *device,
                      guint         mtu,
                      GError      **error)
{
  int handle = socket (AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  gboolean ok;

  if (handle < 0)
    return fail (error, errno, "interface %s", device->name);
  ok = set_mtu (handle, device, mtu, error) && bring_up (handle, device, error);
  close (handle);
  return ok;
}

void
tn_tun_device_close (TnTunDevice *device)
{
  close (device->fd);
  device->fd = -1;
}
