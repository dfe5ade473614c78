/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A network of pipelines in virtual time, on relays that lose, delay, reorder, duplicate and are full; and a model that knows no more than
 * who told whom what. Whatever arrives is held against the model. All that is random comes from a seed. */

#include "tn-pipeline.h"

G_BEGIN_DECLS

#define NODES_MAX 4
#define N_PORTS 4
#define FIRST_PORT 1000
#define FIRST_REGION 7
#define N_REGIONS 2
#define MS ((gint64) 1000)
#define SECOND (1000 * MS)
#define MINUTE (60 * SECOND)
#define HOUR (60 * MINUTE)

typedef struct _World World;

typedef struct
{
  World            *world;
  guint             index;
  TnPipeline       *pipeline;
  TnNodePrivateKey  node_private;
  TnNodePublicKey   node_key;
  TnDiscoPrivateKey disco_private;
  TnDiscoPublicKey  disco_key;
  TnIpAddress       address;
  guint             home;                   /* region */
  guint             joined;                 /* bits: regions where it can be reached */
  gboolean          is_cut_off;
  gint64            full_until_us;          /* its relays take nothing but what is urgent */
  guint             n_blocked;
  guint             n_pongs;

  /* What it was told, and by the model. */
  gboolean          knows[NODES_MAX];
  guint             known_home[NODES_MAX];
  TnIpAddress       known_as[NODES_MAX];    /* version 0: by its own address */
  guint             lets[NODES_MAX];        /* bits: ports that the other may open */
  GHashTable       *flows;                  /* of flow_id(): what it has asked, and may be answered */
} Node;

struct _World
{
  GRand      *rand;
  gint64      now_us;
  Node        nodes[NODES_MAX];
  guint       n_nodes;
  GSequence  *wire;
  guint64     n_datagrams;
  guint64     n_packets;
  GHashTable *delivered;                    /* set of packet numbers */
  guint64     n_delivered;
  double      loss;
  double      duplication;
  gint64      delay_min_us;
  gint64      delay_max_us;
};

/* All know all others, and let in what chance says. */
World *world_new  (guint32 seed);
void   world_free (World *world);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (World, world_free)

/* Lets time pass, with all that is under way and due. */
void     world_run      (World *world, gint64 for_us);

gboolean world_chance   (World *world, double p);
guint    world_below    (World *world, guint n);
Node    *world_any_node (World *world);
guint16  world_any_port (World *world);
Node    *node_other     (Node *node);
void     node_random    (gpointer node, void *out, gsize len);

/* With what the node knows; also after the end of another pipeline of its. */
void node_start   (Node *node);

/* The others hear of it when they are told next. */
void node_new_key (Node *node);

/* As @node knows it now. */
const TnIpAddress *node_address_of (Node *peer, Node *node);

void node_tell_router (Node *node);
void node_tell_peer   (Node *node, Node *peer);
void node_forget_peer (Node *node, Node *peer);
void node_tell_filter (Node *node);
void node_send        (Node *node, Node *to, guint16 src_port, guint16 dst_port, guint n);

/* May such a packet come in? */
gboolean model_accepts (Node *node, Node *from, guint16 src_port, guint16 dst_port);

G_END_DECLS
