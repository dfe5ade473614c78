/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Three pipelines, a relay between them that can be full, and virtual time. */

#include "tn-pipeline.h"

G_BEGIN_DECLS

#define REGION 7
#define START_US (G_GINT64_CONSTANT (1000) * G_USEC_PER_SEC)

typedef struct _World World;

typedef struct
{
  World             *world;
  TnPipeline        *pipeline;
  TnNodePrivateKey   node_private;
  TnNodePublicKey    node_key;
  TnDiscoPrivateKey  disco_private;
  TnDiscoPublicKey   disco_key;
  TnIpAddress        address;
  TnIpAddress        known_as[3];        /* to which other node by another address; version 0: to none */
  gint64             id;
  GPtrArray         *received;           /* of GBytes: packets for the host */
  GArray            *pongs;              /* of TnPipelinePong */
  GArray            *rejects;            /* of TnTsmpReject */
  GByteArray        *captured;           /* as pcapng */
  guint              room;               /* datagrams the relay takes from this node without urgency */
  guint              n_blocked;          /* destinations held back */
  guint              n_block_calls;
  gboolean           stalled;
  guint              n_stalls;
  gint64             wants_endpoints_of; /* peer; 0: of none */
  guint              n_udp;              /* datagrams sent straight */
  gboolean           udp_broken;         /* they are lost */
} Node;

typedef struct
{
  Node            *to;
  TnNodePublicKey  from;
  gboolean         udp;                  /* else by relay */
  GBytes          *bytes;
} InFlight;

struct _World
{
  gint64  now_us;
  GQueue  wire;                          /* of InFlight */
  Node    nodes[3];
  gboolean udp_broken;                   /* for all */
};

World *world_new  (void);
World *world_new_without_back_pressure (void);      /* its nodes hold nobody back */
void   world_free (World *world);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (World, world_free)

/* Node @node learns of all others as they are now. */
void   introduce  (Node *node);

/* What may come in: all from @source; NULL: nothing. */
void   set_filter (Node *node, const char *source);

/* One datagram that is in flight arrives; the caller frees it. */
void   deliver     (World *world, const InFlight *flight);
void   flight_free (InFlight *flight);

/* Until nothing is in flight; a millisecond each. */
void   settle     (World *world);

/* A UDP packet of @len bytes in all. */
void   append_udp (TnPacketBatch *batch, const TnIpAddress *src, const TnIpAddress *dst, guint16 port, gsize len);
void   send_udp   (Node *from, Node *to, guint n);

/* @n of them of @len bytes, the last one of @last_len. */
void   send_same  (Node *from, Node *to, guint n, gsize len, gsize last_len);

/* Where a node is reached straight. */
TnPathAddress udp_address (Node *node);

G_END_DECLS
