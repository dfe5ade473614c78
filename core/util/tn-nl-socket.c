/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-nl-socket.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <sys/socket.h>
#include <sys/time.h>

#define TIMEOUT_S 2
#define RECEIVE_LEN (64 * 1024)      /* the kernel's messages have 32 KiB at most */

struct _TnNlSocket
{
  int       fd;
  TnNlBatch batch;
  guint8   *received;
};

static gboolean
set_failed (GError    **error,
            const char *what,
            int         code)
{
  g_set_error (error, G_IO_ERROR, (gint) g_io_error_from_errno (code), "cannot %s: %s", what, g_strerror (code));
  return FALSE;
}

static gboolean
set_garbled (GError **error)
{
  g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA, "the kernel's answer about routing makes no sense");
  return FALSE;
}

TnNlSocket *
tn_nl_socket_new (GError **error)
{
  const struct timeval timeout = { .tv_sec = TIMEOUT_S };
  const int on = 1;
  int fd = socket (AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
  TnNlSocket *self;

  if (fd < 0)
    {
      set_failed (error, "open a netlink socket", errno);
      return NULL;
    }
  /* Words beside a refusal, answers without the request, dumps of one table alone: conveniences, which old kernels have not. */
  (void) setsockopt (fd, SOL_NETLINK, NETLINK_EXT_ACK, &on, sizeof on);
  (void) setsockopt (fd, SOL_NETLINK, NETLINK_CAP_ACK, &on, sizeof on);
  (void) setsockopt (fd, SOL_NETLINK, NETLINK_GET_STRICT_CHK, &on, sizeof on);
  (void) setsockopt (fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout);
  (void) setsockopt (fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof timeout);

  self = g_new0 (TnNlSocket, 1);
  self->fd = fd;
  self->batch.bytes = g_byte_array_new ();
  self->batch.first_seq = 1;      /* 0 is what the kernel tells unasked */
  self->received = g_malloc (RECEIVE_LEN);
  return self;
}

void
tn_nl_socket_free (TnNlSocket *self)
{
  if (self == NULL)
    return;
  g_close (self->fd, NULL);
  g_byte_array_unref (self->batch.bytes);
  g_free (self->received);
  g_free (self);
}

TnNlBatch *
tn_nl_socket_batch (TnNlSocket *self)
{
  tn_nl_batch_clear (&self->batch);
  return &self->batch;
}

static gboolean
send_batch (TnNlSocket *self,
            GError    **error)
{
  struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };
  struct iovec iov = { .iov_base = self->batch.bytes->data, .iov_len = self->batch.bytes->len };
  struct msghdr message = { .msg_name = &kernel, .msg_namelen = sizeof kernel, .msg_iov = &iov, .msg_iovlen = 1 };
  gssize sent;

  do
    sent = sendmsg (self->fd, &message, MSG_NOSIGNAL);
  while (sent < 0 && errno == EINTR);
  if (sent < 0)
    return set_failed (error, "ask the kernel about routing", errno);
  return (gsize) sent == iov.iov_len || set_garbled (error);
}

/* One datagram of the kernel's; from anybody else: an empty one. */
static gboolean
receive (TnNlSocket *self,
         TnReader   *out,
         GError    **error)
{
  struct sockaddr_nl from = { 0 };
  struct iovec iov = { .iov_base = self->received, .iov_len = RECEIVE_LEN };
  struct msghdr message = { .msg_name = &from, .msg_namelen = sizeof from, .msg_iov = &iov, .msg_iovlen = 1 };
  gssize len;

  do
    len = recvmsg (self->fd, &message, 0);
  while (len < 0 && errno == EINTR);
  if (len < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
    return set_failed (error, "ask the kernel about routing", ETIMEDOUT);
  if (len < 0)
    return set_failed (error, "ask the kernel about routing", errno);
  if (message.msg_flags & MSG_TRUNC)
    return set_garbled (error);
  *out = TN_READER_INIT (self->received, from.nl_pid == 0 ? (gsize) len : 0);
  return TRUE;
}

typedef struct
{
  const TnNlCallbacks *callbacks;
  gpointer             user_data;
  guint                n_answered;
  gboolean             torn;          /* the dump that comes in */
} Talk;

static gboolean
take_message (TnNlSocket        *self,
              Talk              *talk,
              const TnNlMessage *message)
{
  TnNlAnswer answer;

  if (message->seq != self->batch.first_seq + talk->n_answered)
    return message->seq == 0;
  talk->torn |= (message->flags & NLM_F_DUMP_INTR) != 0;
  if (message->type != NLMSG_ERROR && message->type != NLMSG_DONE)
    {
      if (talk->callbacks->message != NULL)
        talk->callbacks->message (talk->user_data, message);
      return TRUE;
    }
  if (!tn_nl_answer_parse (message, &answer))
    return FALSE;
  if (answer.code == 0 && talk->torn)
    answer.code = EINTR;
  talk->torn = FALSE;
  talk->callbacks->answered (talk->user_data, talk->n_answered++, &answer);
  return TRUE;
}

gboolean
tn_nl_socket_talk (TnNlSocket          *self,
                   const TnNlCallbacks *callbacks,
                   gpointer             user_data,
                   GError             **error)
{
  Talk talk = { .callbacks = callbacks, .user_data = user_data };
  gint64 deadline_us = g_get_monotonic_time () + TIMEOUT_S * G_USEC_PER_SEC;
  TnNlMessage message;
  TnReader r;

  g_assert (self->batch.n > 0 && self->batch.n <= TN_NL_BATCH_MAX);
  if (!send_batch (self, error))
    return FALSE;
  while (talk.n_answered < self->batch.n)
    {
      if (g_get_monotonic_time () > deadline_us)
        return set_failed (error, "ask the kernel about routing", ETIMEDOUT);
      if (!receive (self, &r, error))
        return FALSE;
      while (talk.n_answered < self->batch.n && tn_nl_message_next (&r, &message))
        if (!take_message (self, &talk, &message))
          return set_garbled (error);
      if (talk.n_answered < self->batch.n && r.left > 0)
        return set_garbled (error);
    }
  return TRUE;
}
