/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-udp-socket.h"

#include <errno.h>
#include <netinet/udp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define BUFFER_LEN (7 << 20)      /* bytes each way (tailscale net/sockopts) */

/* Linux include/uapi/linux/udp.h: newer than some libc. */
#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif
#ifndef UDP_GRO
#define UDP_GRO 104
#endif

/* --- Open --- */

static gboolean
set_option (int fd,
            int level,
            int option,
            int value)
{
  return setsockopt (fd, level, option, &value, sizeof value) == 0;
}

/* Beyond the limit of the system where the right to that is there. */
static void
set_buffers (int fd)
{
  if (!set_option (fd, SOL_SOCKET, SO_RCVBUFFORCE, BUFFER_LEN))
    set_option (fd, SOL_SOCKET, SO_RCVBUF, BUFFER_LEN);
  if (!set_option (fd, SOL_SOCKET, SO_SNDBUFFORCE, BUFFER_LEN))
    set_option (fd, SOL_SOCKET, SO_SNDBUF, BUFFER_LEN);
}

static void
set_mark (int     fd,
          guint32 mark)
{
  if (mark != 0 && setsockopt (fd, SOL_SOCKET, SO_MARK, &mark, sizeof mark) != 0)
    g_info ("datagrams go without mark: %s", g_strerror (errno));
}

/* Without path MTU discovery: a datagram that is too long for a link arrives in fragments, not at all is worse. */
static void
let_fragment (int    fd,
              guint8 version)
{
  if (version == 4)
    set_option (fd, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DONT);
  else
    set_option (fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER, IPV6_PMTUDISC_DONT);
}

static gboolean
bind_any (TnUdpSocket *self,
          guint16      port)
{
  TnPathAddress path;
  TnUdpAddress address = { 0 };
  socklen_t len = self->version == 4 ? sizeof address.in4 : sizeof address.in6;

  address.any.sa_family = self->version == 4 ? AF_INET : AF_INET6;
  if (self->version == 4)
    address.in4.sin_port = htons (port);
  else
    address.in6.sin6_port = htons (port);
  if (bind (self->fd, &address.any, len) != 0 || getsockname (self->fd, &address.any, &len) != 0 ||
      !tn_udp_address_to_path (&address, len, &path))
    return FALSE;
  self->port = path.udp.endpoint.port;
  return TRUE;
}

int
tn_udp_socket_open (TnUdpSocket        *self,
                    guint8              version,
                    guint16             port,
                    const TnUdpOptions *options)
{
  socklen_t len = sizeof (int);
  int number;

  *self = (TnUdpSocket) { .version = version };
  self->fd = socket (version == 4 ? AF_INET : AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_UDP);
  if (self->fd < 0 || (version == 6 && !set_option (self->fd, IPPROTO_IPV6, IPV6_V6ONLY, 1)) || !bind_any (self, port))
    {
      number = errno;
      tn_udp_socket_close (self);
      return number;
    }
  set_buffers (self->fd);
  set_mark (self->fd, options->mark);
  let_fragment (self->fd, version);
  self->segments = options->segments && getsockopt (self->fd, IPPROTO_UDP, UDP_SEGMENT, &number, &len) == 0;
  self->merges = options->merges && set_option (self->fd, IPPROTO_UDP, UDP_GRO, 1);
  return 0;
}

void
tn_udp_socket_close (TnUdpSocket *self)
{
  if (self->fd >= 0)
    close (self->fd);
  self->fd = -1;
  self->port = 0;
}

/* --- Send --- */

typedef union
{
  struct cmsghdr align;
  char           bytes[CMSG_SPACE (sizeof (guint16))];
} SegmentControl;

static int
send_train (TnUdpSocket  *self,
            TnUdpAddress *address,
            socklen_t     address_len,
            TnUdpTrain   *train)
{
  SegmentControl control;
  struct msghdr message = {
    .msg_name = address, .msg_namelen = address_len, .msg_iov = train->pieces, .msg_iovlen = train->n_packets,
  };
  gssize n;

  if (train->segment_size != 0)
    {
      memset (&control, 0, sizeof control);
      control.align.cmsg_level = IPPROTO_UDP;
      control.align.cmsg_type = UDP_SEGMENT;
      control.align.cmsg_len = CMSG_LEN (sizeof train->segment_size);
      memcpy (CMSG_DATA (&control.align), &train->segment_size, sizeof train->segment_size);
      message.msg_control = &control;
      message.msg_controllen = sizeof control;
    }
  do
    n = sendmsg (self->fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
  while (n < 0 && errno == EINTR);
  return n < 0 ? errno : 0;
}

static gboolean
is_narrow (const TnUdpSocket *self,
           const TnIpAddress *address)
{
  for (guint i = 0; i < MIN (self->n_narrow, TN_UDP_NARROW_MAX); i++)
    if (tn_ip_address_equal (&self->narrow[i], address))
      return TRUE;
  return FALSE;
}

/* A train was refused, and what it consists of was not. A device that cannot do checksums says EIO, a kernel that knows of no trains EINVAL; a
 * link that is narrower than a packet of ours, as inside of another tunnel, EMSGSIZE, or EINVAL before Linux 6.14. So the destination gets
 * none any more, and only if another one says the same it is not about the destinations. */
static void
learn (TnUdpSocket       *self,
       const TnIpAddress *address,
       int                refusal)
{
  self->narrow[self->n_narrow++ % TN_UDP_NARROW_MAX] = *address;
  if (refusal == EMSGSIZE || self->n_refused++ == 0)
    return;
  g_debug ("IPv%u sends datagrams one by one: %s", self->version, g_strerror (refusal));
  self->segments = FALSE;
}

TnUdpVerdict
tn_udp_socket_send (TnUdpSocket         *self,
                    const TnPathAddress *to,
                    const TnPacketBatch *batch,
                    guint               *first,
                    guint64             *n_lost)
{
  const TnIpAddress *ip = &to->udp.endpoint.address;
  gsize max_len = self->version == 4 ? TN_UDP_LEN_MAX4 : TN_UDP_LEN_MAX6;
  TnUdpAddress address;
  socklen_t address_len = tn_udp_address_from_path (&address, to);
  gboolean together = self->segments && !is_narrow (self, ip);
  int refusal = 0, number;
  TnUdpTrain train;

  while (*first < batch->n_packets)
    {
      tn_udp_train_gather (&train, batch, *first, together ? TN_UDP_SEGMENTS_MAX : 1, max_len);
      number = address_len > 0 ? send_train (self, &address, address_len, &train) : EDESTADDRREQ;
      if (number == EAGAIN || number == EWOULDBLOCK)
        return TN_UDP_FULL;
      if (train.segment_size != 0 && (number == EIO || number == EINVAL || number == EMSGSIZE))
        {
          together = FALSE;
          refusal = number;
          continue;
        }
      if (number == 0 && refusal != 0)
        {
          learn (self, ip, refusal);
          refusal = 0;
        }
      *first += train.n_packets;
      *n_lost += number != 0 ? train.n_packets : 0;
    }
  return TN_UDP_SENT;
}

/* --- Receive --- */

/* The kernel says it as an int. */
static guint16
get_segment_size (struct msghdr *message)
{
  int size = 0;

  for (struct cmsghdr *control = CMSG_FIRSTHDR (message); control != NULL; control = CMSG_NXTHDR (message, control))
    if (control->cmsg_level == IPPROTO_UDP && control->cmsg_type == UDP_GRO && control->cmsg_len >= CMSG_LEN (sizeof size))
      memcpy (&size, CMSG_DATA (control), sizeof size);
  return size > 0 && size <= G_MAXUINT16 ? (guint16) size : 0;
}

gssize
tn_udp_socket_receive (TnUdpSocket   *self,
                       guint8        *data,
                       TnPathAddress *from,
                       guint16       *segment_size)
{
  union
  {
    struct cmsghdr align;
    char           bytes[CMSG_SPACE (sizeof (int))];
  } control;
  TnUdpAddress address;
  struct iovec piece = { data, TN_UDP_RECEIVE_MAX };
  struct msghdr message = {
    .msg_name = &address, .msg_namelen = sizeof address, .msg_iov = &piece, .msg_iovlen = 1,
    .msg_control = &control, .msg_controllen = sizeof control,
  };
  gssize n;

  do
    n = recvmsg (self->fd, &message, MSG_DONTWAIT);
  while (n < 0 && errno == EINTR);
  if (n < 0)
    return -1;
  if ((message.msg_flags & MSG_TRUNC) != 0 || !tn_udp_address_to_path (&address, message.msg_namelen, from))
    return 0;
  *segment_size = self->merges ? get_segment_size (&message) : 0;
  if (*segment_size >= n)
    *segment_size = 0;
  return n;
}
