/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

#include "tailnet-testkit.h"
#include "tn-disco.h"
#include "tn-tunnel.h"

/* A node without a device: keys, a tunnel and a link to a relay, on the thread-default main context. It sends whatever it is told,
 * inside of its tunnel to one other node or beside it. The plugins have to be loaded. */
typedef struct _RawPeer RawPeer;

RawPeer *raw_peer_new          (TnTestkitDerp *relay, const TnNodePrivateKey *key, TnTestkitNode *other);      /* in, at the relay */
void     raw_peer_free         (RawPeer *peer);

/* Until there is a session. */
void     raw_peer_shake_hands  (RawPeer *peer);

/* Has the relay room for more? */
gboolean raw_peer_is_writable  (RawPeer *peer);

/* A datagram as it is, or a packet that is sealed first. */
void     raw_peer_send_outside (RawPeer *peer, const void *data, gsize len);
void     raw_peer_send_inside  (RawPeer *peer, const void *data, gsize len);
void     raw_peer_send_disco   (RawPeer *peer, const TnDiscoPrivateKey *own, const void *plain, gsize len);

/* What it sealed last; empty at first. */
GBytes  *raw_peer_get_sealed   (RawPeer *peer);

/* Until the other one has answered a ping inside of the tunnel: all that was sent before has reached it by then, or got lost. */
void     raw_peer_wait_answer  (RawPeer *peer, const char *own_address);
